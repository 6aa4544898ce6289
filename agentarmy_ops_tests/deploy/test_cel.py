"""Conditions, as Google documents what they mean."""

import pytest

from agentarmy_ops_tests.deploy.cel import holds

_NAME = "projects/1234567890/secrets/acme-backup-key/versions/3"


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ('resource.name.startsWith("projects/1234567890/")', True),
        ('resource.name.startsWith("projects/123456789/")', False),
        ('resource.name.endsWith("/3")', True),
        ('!resource.name.endsWith("/3")', False),
        ('resource.name.extract("/secrets/{id}/versions/") == "acme-backup-key"', True),
        ('resource.name.extract("/secrets/{id}") == "acme-backup-key/versions/3"', True),
        ('resource.name.extract("/buckets/{id}/") == ""', True),
        ('resource.name.extract("/versions/{id}/") == ""', True),
        ('resource.name.extract("/secrets/{id}/keys/") == ""', True),
        ('resource.type == "x" || resource.name != "y" && resource.type != "z"', True),
        ('(resource.type == "x" || resource.name != "y") && resource.type == "z"', False),
        ("resource.type == 'secret'", True),
        ('resource.name == "a && b || !c"', False),
    ],
)
def test_conditions(condition: str, answer: bool) -> None:
    assert holds(condition, resource={"name": _NAME, "type": "secret"}) is answer


@pytest.mark.parametrize(
    "condition",
    ["resource.name.matches('a')", "resource.name[0] == 'a'", "resource.name == 'a' ? 1"],
)
def test_what_is_not_known_here_is_an_error(condition: str) -> None:
    with pytest.raises((SyntaxError, AttributeError)):
        holds(condition, resource={"name": _NAME})
