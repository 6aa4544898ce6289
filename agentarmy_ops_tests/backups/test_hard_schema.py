"""Nearly everything a schema can hold is backed up and proved, or refused, or named."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from psycopg import sql

from agentarmy_ops.backups.create import BackupOutcome, back_up_tenants
from agentarmy_ops.backups.findings import Findings
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.proof import prove
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify import verify_platform
from agentarmy_ops.backups.workbench import prepared
from agentarmy_ops.errors import BackupRefusedError
from agentarmy_ops_tests import hard_schema
from agentarmy_ops_tests.fix_backups import Lab

PLAIN, ODD = "hard-plain", "hard-odd"

# What becomes of each of hard_schema.OUTSIDE. All that can be proved is in one tenant.
REWRITTEN = {
    "varchar_in_list": {
        "CONSTRAINT {schema} varchar_lists varchar_lists_status_check",
        "TABLE {schema} varchar_lists",
        "INDEX {schema} varchar_lists_open",
        "VIEW {schema} varchar_lists_view",
        "POLICY {schema} varchar_lists varchar_lists_policy",
    },
    "view_with_values_branch": {"VIEW {schema} values_branch"},
    "inherited_column_added_later": {
        "TABLE {schema} early_child",
        "TABLE DATA {schema} early_child",
    },
    "child_adopted_with_other_column_order": {
        "TABLE {schema} adopted_reversed",
        "TABLE DATA {schema} adopted_reversed",
    },
}
LEFT_OUT = {
    "cast_over_tenant_type": {"cast ({schema}.address AS pg_catalog.text)"},
    "publication_of_schema": {
        "publication namespace {schema} in publication schema {schema}",
    },
    "publication_of_table": {
        "publication relation {schema}.enums in publication tables of {schema}",
        "publication relation {schema}.texts in publication tables of {schema}",
    },
    "event_trigger": {'event trigger "ddl of {schema}"'},
    "shared_view_over_tenant_table": {
        'rule "_RETURN" on shared."view of {schema}"',
        'view shared."view of {schema}"',
    },
}
TO_PLAIN = "table constraint to_other_tenant on tenant_foreign_key_to_other_tenant.borrowed"
UNREMARKABLE = {"matview_under_forced_rls", "global_default_privileges"}
REFUSED = {
    "large_object": "attachments.content refers to 1 large objects",
    "foreign_key_to_other_tenant": "it refers to index tenant_hard_plain.enums_pkey",
    "hash_partition_by_enum": "table by_hash_enum is partitioned by hash of an enum",
    "extension_in_tenant_schema": "extension vector is installed in its schema",
}
FAILED = {
    "matview_needs_search_path": "[REFRESH MATERIALIZED VIEW {schema}.counted_by_function]",
    "view_with_cycle_marks": "[CREATE VIEW {schema}.cycle_marks AS WITH",
}


def _slug(name: str) -> str:
    return name.replace("_", "-")


@dataclass(frozen=True)
class HardBackups:
    """One batch of hard tenants, the platform part, and the verdicts."""

    lab: Lab
    outcomes: dict[str, BackupOutcome]
    verdicts: dict[str, Verdict]
    platform: Manifest

    def manifest(self, slug: str) -> Manifest:
        manifest = self.outcomes[slug].manifest
        assert manifest is not None, self.outcomes[slug].error
        return manifest


@pytest.fixture(scope="module", params=[16, 18])
def hard(request: pytest.FixtureRequest, hard_labs: Callable[[int], Lab]) -> HardBackups:
    lab = hard_labs(request.param)
    for slug in (PLAIN, ODD):
        lab.add_hard_tenant(slug)
    for name in (*REWRITTEN, *LEFT_OUT, *UNREMARKABLE):
        lab.add_outside(name, ODD)
    # The extension is the database's, and moving it changes every tenant: a lab of its own.
    for name in (*(REFUSED.keys() - {"extension_in_tenant_schema"}), *FAILED):
        lab.add_hard_tenant(_slug(name))
        lab.add_outside(name, _slug(name), other=PLAIN)
    outcomes = {
        outcome.tenant.slug: outcome
        for outcome in back_up_tenants(lab.source(), lab.store, list(lab.tenants.values()))
    }
    platform = lab.back_up_platform()
    made = {slug: outcome.manifest for slug, outcome in outcomes.items() if outcome.manifest}
    verdicts = lab.verify(*(manifest.ref for manifest in made.values()))
    return HardBackups(lab, outcomes, dict(zip(made, verdicts, strict=True)), platform)


def test_each_object_outside_a_dump_has_its_test() -> None:
    assert set(hard_schema.OUTSIDE) == {
        *REWRITTEN,
        *LEFT_OUT,
        *UNREMARKABLE,
        *REFUSED,
        *FAILED,
    }


def test_a_hard_tenant_is_verified_with_nothing_to_remark(hard: HardBackups) -> None:
    verdict = hard.verdicts[PLAIN]
    assert (verdict.status, verdict.causes) == (Status.VERIFIED, ())
    assert verdict.rewritten == ()

    # A neighbour's foreign key to this tenant is the neighbour's fault, and only his.
    (left_out,) = hard.manifest(PLAIN).left_out
    assert str(left_out) == TO_PLAIN


def test_objects_the_dump_cannot_hold_or_prints_anew_do_not_stop_the_proof(
    hard: HardBackups,
) -> None:
    verdict = hard.verdicts[ODD]
    assert (verdict.status, verdict.causes) == (Status.VERIFIED, ())


def _of_schema(names: dict[str, set[str]], schema: str) -> set[str]:
    return {name.format(schema=schema) for group in names.values() for name in group}


def test_what_postgresql_prints_in_other_words_is_named_in_the_verdict(hard: HardBackups) -> None:
    rewritten = set(hard.verdicts[ODD].rewritten)
    named = _of_schema(REWRITTEN, "tenant_hard_odd")
    assert rewritten <= named
    for name, expected in REWRITTEN.items():
        assert rewritten & _of_schema({name: expected}, "tenant_hard_odd"), name


def test_what_sits_on_the_tenant_but_belongs_elsewhere_is_named_in_both_manifests(
    hard: HardBackups,
) -> None:
    expected = _of_schema(LEFT_OUT, "tenant_hard_odd")
    assert {str(item) for item in hard.manifest(ODD).left_out} == expected
    others = {"large objects 1 in the database", TO_PLAIN}
    assert {str(item) for item in hard.platform.left_out} == expected | others


def test_the_platform_part_is_restorable_though_tenants_hang_objects_on_it(
    hard: HardBackups,
) -> None:
    verdict = verify_platform(hard.lab.verifier(), hard.platform.ref)
    assert (verdict.status, verdict.causes) == (Status.VERIFIED, ())


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - {"extension_in_tenant_schema"}))
def test_what_no_dump_of_the_schema_can_keep_is_refused_by_name(
    hard: HardBackups, name: str
) -> None:
    outcome = hard.outcomes[_slug(name)]
    assert isinstance(outcome.error, BackupRefusedError)
    assert f"tenant {_slug(name)} cannot be backed up: {REFUSED[name]}" in str(outcome.error)
    assert outcome.manifest is None
    assert list(hard.lab.store.list(f"tenants/{_slug(name)}/")) == []


@pytest.mark.parametrize("major", [16, 18])
def test_an_extension_in_a_tenants_schema_is_refused_by_name(
    major: int, hard_labs: Callable[[int], Lab]
) -> None:
    lab = hard_labs(major)
    tenant = lab.add_hard_tenant(PLAIN)
    lab.add_outside("extension_in_tenant_schema", PLAIN)
    (outcome,) = back_up_tenants(lab.source(), lab.store, [tenant])
    assert isinstance(outcome.error, BackupRefusedError)
    assert REFUSED["extension_in_tenant_schema"] in str(outcome.error)


@pytest.mark.parametrize("name", sorted(FAILED))
def test_a_faithful_archive_that_cannot_be_restored_fails_naming_the_object(
    hard: HardBackups, name: str
) -> None:
    verdict = hard.verdicts[_slug(name)]
    assert verdict.status is Status.FAILED
    (cause,) = verdict.causes
    assert cause.startswith("it cannot be restored: pg_restore: ")
    assert FAILED[name].format(schema=f"tenant_{name}") in cause


def test_materialized_views_hold_the_tenants_rows_after_the_restore(hard: HardBackups) -> None:
    """Also that of an owner whom FORCE ROW LEVEL SECURITY binds."""
    manifest = hard.manifest(ODD)
    verifier = hard.lab.verifier()
    schema = hard.lab.tenants[ODD].schema_name
    on_platform = Findings(verifier, hard.platform.ref)
    with prepared(on_platform, hard.platform, None) as platform:
        prove(on_platform, hard.platform, platform)
        findings = Findings(verifier, manifest.ref)
        with prepared(findings, manifest, platform.database) as bench:
            prove(findings, manifest, bench)
            assert findings.causes == []
            view = sql.SQL("SELECT id, mood::text FROM {} ORDER BY id").format(
                sql.Identifier(schema, "of_the_bound_owner")
            )
            with bench.database.connect() as restored, hard.lab.database.connect() as live:
                rows = restored.execute(view).fetchall()
                assert rows == live.execute(view).fetchall()
                assert rows
