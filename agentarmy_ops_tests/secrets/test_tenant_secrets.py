"""Which secrets belong to a tenant, whatever its neighbours are called."""

from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from agentarmy_ops.secrets.base import secret_id
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.secrets.tenant_secrets import ADMIN_PASSWORD, BACKUP_KEY, tenant_secrets
from agentarmy_ops.tenants.slug import SLUG_PATTERN

OUR_NAMES = (ADMIN_PASSWORD, BACKUP_KEY)
# Few words, so that slugs begin like each other, and end like names of secrets begin.
WORDS = st.sampled_from(["acme", "corp", "admin", "password", "backup", "key"])
SLUGS = st.lists(WORDS, min_size=1, max_size=3).map("-".join)
NAMES = st.one_of(st.sampled_from(OUR_NAMES), SLUGS, st.just("db_url"))


def store_of(folder: str | Path, identifiers: set[str]) -> LocalSecretsStore:
    store = LocalSecretsStore(Path(folder))
    for identifier in identifiers:
        store.set(identifier, SecretStr("x"))
    return store


@settings(max_examples=150, deadline=None)
@given(
    tenants=st.sets(SLUGS, min_size=1, max_size=5),
    kept=st.sets(st.tuples(st.one_of(SLUGS, st.none()), NAMES), max_size=8),
)
def test_a_secret_is_one_tenants_at_most(
    tenants: set[str], kept: set[tuple[str | None, str]]
) -> None:
    kept |= {(slug, name) for slug in tenants for name in OUR_NAMES}
    made = {secret_id(slug, name) for slug, name in kept}
    with TemporaryDirectory() as folder:
        store = store_of(folder, made)
        of = {slug: list(tenant_secrets(store, slug, tenants - {slug})) for slug in tenants}
    for slug, found in of.items():
        assert found == sorted(found)
        assert set(found) <= {name for name in made if name.startswith(f"{slug}-")}
        # What this software made for a tenant is that tenant's, and nobody else's, gone or not.
        for name in OUR_NAMES:
            assert [f for f in found if f.endswith(f"-{name}")] == [secret_id(slug, name)]
    for identifier in made:
        owners = {slug for slug in tenants if identifier in of[slug]}
        if not identifier.endswith(tuple(f"-{name}" for name in OUR_NAMES)):
            event("a name that is not ours")
            candidates = [slug for slug in tenants if identifier.startswith(f"{slug}-")]
            assert owners == set(sorted(candidates, key=len)[-1:])
        assert len(owners) <= 1


@pytest.mark.parametrize(
    ("identifier", "others", "is_acmes"),
    [
        ("acme-backup-key", [], True),
        ("acme-backup-key", ["acme-backup"], True),
        ("acme-corp-backup-key", ["acme-corp"], False),
        ("acme-corp-backup-key", [], False),
        ("acme-corp-token", ["acme-corp"], False),
        ("acme-corp-token", ["acme-co", "corp", "acme-corp-token"], True),
        ("acmeco-token", [], False),
        ("platform_part-backup-key", [], False),
    ],
)
def test_examples(tmp_path: Path, identifier: str, others: list[str], is_acmes: bool) -> None:
    store = store_of(tmp_path, {identifier})
    assert list(tenant_secrets(store, "acme", others)) == [identifier] * is_acmes


def test_others_may_be_read_once_only(tmp_path: Path) -> None:
    store = store_of(tmp_path, {"acme-corp-a", "acme-corp-b", "acme-c"})
    assert list(tenant_secrets(store, "acme", iter(["acme-corp"]))) == ["acme-c"]


def test_our_names_can_be_read_in_one_way() -> None:
    assert not [pair for pair in permutations(OUR_NAMES, 2) if pair[0].endswith(f"-{pair[1]}")]


def test_the_platform_parts_secrets_are_no_tenants() -> None:
    identifier = secret_id(None, BACKUP_KEY)
    assert identifier == "platform_part-backup-key"
    assert not SLUG_PATTERN.fullmatch(identifier.split("-")[0])
