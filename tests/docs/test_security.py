"""The security model is that of the code, where it names doors that are open."""

from __future__ import annotations

from service.app import openapi_document
from tests.deploy.composition import DEPLOY
from tests.deploy.kustomization import build
from tests.house.test_docs import page

OPEN = {"/livez", "/readyz", "/metrics", "/problems/{code}", "/archives/{link}"}
"""What the page calls `/livez`, `/readyz`, `/metrics`, the problem pages and signed links."""


def test_nothing_else_answers_without_a_key() -> None:
    paths = openapi_document()["paths"]
    without = {
        path for path, methods in paths.items() for each in methods.values() if not each.get("security")
    }
    assert without == OPEN
    assert "only `/livez`, `/readyz`, `/metrics`, the problem pages and signed links go without" in page(
        "security.md"
    )


def test_what_a_container_may_reach_is_what_the_pages_say() -> None:
    policies = [each for each in build(DEPLOY / "kubernetes" / "base") if each["kind"] == "NetworkPolicy"]
    rules = [rule for policy in policies for rule in policy["spec"]["egress"]]
    reached = {port["port"] for rule in rules for port in rule["ports"]}
    assert reached == {53, 443, 6379, 26379}
    assert "egress to names (DNS) and to three ports" in page("security.md")
    assert "443, 6379 and 26379" in page("operating.md")
