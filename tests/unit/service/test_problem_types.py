from schemas.errors import DarkroomError
from service.problems import PROBLEM_TYPES


def kinds(base: type[DarkroomError] = DarkroomError) -> list[type[DarkroomError]]:
    return [
        kind
        for sub in base.__subclasses__()
        for kind in (sub, *kinds(sub))
        if kind.__module__ == "schemas.errors"
    ]


def test_every_error_of_ours_has_its_type_with_the_same_status() -> None:
    assert {kind.code: kind.status for kind in kinds()}.items() <= {
        code: kind.status for code, kind in PROBLEM_TYPES.items()
    }.items()
