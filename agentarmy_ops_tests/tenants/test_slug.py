import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.tenants.slug import SLUG_PATTERN, schema_name, validate_slug

slugs = st.from_regex(SLUG_PATTERN, fullmatch=True)


@pytest.mark.parametrize("slug", ["abc", "a-b", "0-0", "a" * 50, "a--b"])
def test_slugs(slug: str) -> None:
    assert validate_slug(slug) == slug


@pytest.mark.parametrize(
    "slug", ["", "ab", "a" * 51, "-ab", "ab-", "a_b", "Abc", "abc\n", "äbc", "a b", "a;b", "a\0b"]
)
def test_what_is_no_slug(slug: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a tenant slug") as caught:
        schema_name(slug)
    assert "\n" not in str(caught.value)


@given(slugs, slugs)
def test_schemas_are_as_different_as_slugs(one: str, other: str) -> None:
    assert (schema_name(one) == schema_name(other)) == (one == other)
    assert len(schema_name(one)) <= 57
