import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.cursors import Cursors
from service.problems import ProblemError

CURSORS = Cursors(b"secret")


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_a_cursor_opens_for_the_list_it_was_made_for(place: str, of: str) -> None:
    assert CURSORS.open(CURSORS.seal(place, of=of), of=of) == place


@given(st.text(max_size=100))
def test_a_cursor_cannot_be_made_up(text: str) -> None:
    with pytest.raises(ProblemError):
        CURSORS.open(text, of="list")


@pytest.mark.parametrize(("secret", "of"), [(b"another", "list"), (b"secret", "another"), (b"", "list")])
def test_a_cursor_opens_with_its_own_secret_and_for_its_own_list_alone(secret: bytes, of: str) -> None:
    cursor = CURSORS.seal("7", of="list")

    with pytest.raises(ProblemError):
        Cursors(secret).open(cursor, of=of)


def test_what_belongs_to_the_list_cannot_move_into_the_place() -> None:
    with pytest.raises(ProblemError):
        CURSORS.open(CURSORS.seal("b\nc", of="a"), of="a\nb")
