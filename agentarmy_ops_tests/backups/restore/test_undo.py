"""What a restore put aside can be swapped back, again and again, or dropped."""

from collections.abc import Callable

import pytest

from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.backups.restore.undo import drop_kept, list_kept, undo_restore
from agentarmy_ops.errors import RestoreRefusedError
from agentarmy_ops_tests.backups.restore.conftest import restore, restorer
from agentarmy_ops_tests.fix_backups import Lab


def test_undo_swaps_back_and_forth(proven_lab: Lab, rows: Callable[[str], int]) -> None:
    proven_lab.run("COMMENT ON SCHEMA tenant_acme IS 'ours'; DELETE FROM notes", "acme")
    before = proven_lab.back_up("acme").fingerprint
    restore(proven_lab)
    after = proven_lab.back_up("acme").fingerprint
    assert rows("tenant_acme.notes") == 400
    for fingerprint in (before, after, before):
        back, kept = undo_restore(restorer(proven_lab), "acme")
        assert proven_lab.back_up("acme").fingerprint == fingerprint
        assert [aside.schema for aside in list_kept(restorer(proven_lab))] == [kept.schema]
        assert kept.why == "undone"
        assert kept.replaced_by == back.schema
    assert rows("tenant_acme.notes") == 0


def test_of_several_the_newest_comes_back_or_the_one_named(proven_lab: Lab) -> None:
    first = restore(proven_lab).aside
    second = restore(proven_lab).aside
    assert first
    assert second
    assert [a.schema for a in list_kept(restorer(proven_lab), "acme")] == [
        first.schema,
        second.schema,
    ]
    assert undo_restore(restorer(proven_lab), "acme")[0] == second
    assert undo_restore(restorer(proven_lab), "acme", aside=first.schema)[0] == first
    with pytest.raises(RestoreRefusedError, match=r"no schema aside named nothing \(there are: "):
        undo_restore(restorer(proven_lab), "acme", aside="nothing")


def test_nothing_to_undo_or_drop(proven_lab: Lab) -> None:
    with pytest.raises(RestoreRefusedError, match=r"acme has no schema aside \(there are: no"):
        undo_restore(restorer(proven_lab), "acme")
    with pytest.raises(RestoreRefusedError, match="has no schema aside"):
        drop_kept(restorer(proven_lab), "acme")


def test_only_the_tenants_own_are_dropped(proven_lab: Lab, rows: Callable[[str], int]) -> None:
    restore(proven_lab)
    restore(proven_lab)
    globex = restore(proven_lab, choose_backup(proven_lab.store, "globex")).aside
    assert globex
    assert len(drop_kept(restorer(proven_lab), "acme")) == 2
    assert list_kept(restorer(proven_lab)) == [globex]
    assert rows("tenant_acme.notes") == 400
    assert rows(f'"{globex.schema}".notes') == 400


def test_one_can_be_dropped_by_its_name(proven_lab: Lab) -> None:
    first, second = restore(proven_lab).aside, restore(proven_lab).aside
    assert first
    assert second
    assert drop_kept(restorer(proven_lab), "acme", aside=first.schema) == [first]
    assert list_kept(restorer(proven_lab)) == [second]


def test_what_something_depends_on_is_not_dropped(proven_lab: Lab) -> None:
    aside = restore(proven_lab).aside
    assert aside
    proven_lab.run(f'CREATE VIEW shared.old AS SELECT * FROM "{aside.schema}".notes')
    with pytest.raises(RestoreRefusedError, match=r"on shared\.old depends on it"):
        drop_kept(restorer(proven_lab), "acme")
    assert list_kept(restorer(proven_lab)) == [aside]


def test_undo_is_refused_while_something_outside_depends_on_the_tenant(proven_lab: Lab) -> None:
    restore(proven_lab)
    proven_lab.run("CREATE VIEW shared.all_notes AS SELECT * FROM tenant_acme.notes")
    with pytest.raises(RestoreRefusedError, match=r"shared\.all_notes"):
        undo_restore(restorer(proven_lab), "acme")


def test_a_schema_whose_comment_was_changed_is_nobodys(proven_lab: Lab) -> None:
    aside = restore(proven_lab).aside
    assert aside
    for comment in ("mine", "kept aside by agentarmy-ops: {}", "kept aside by agentarmy-ops: x"):
        proven_lab.run(f"COMMENT ON SCHEMA \"{aside.schema}\" IS '{comment}'")
        assert list_kept(restorer(proven_lab)) == []


def test_a_long_name_is_cut_and_still_found(proven_lab: Lab) -> None:
    slug = "a" * 40 + "-tenant"
    proven_lab.add_small_tenant(slug)
    proven_lab.verify(proven_lab.back_up(slug).ref)
    aside = restore(proven_lab, choose_backup(proven_lab.store, slug)).aside
    assert aside
    assert len(aside.schema) == 63
    assert list_kept(restorer(proven_lab), slug) == [aside]
    undo_restore(restorer(proven_lab), slug)


def test_a_tenant_that_is_gone_is_made_again(proven_lab: Lab, rows: Callable[[str], int]) -> None:
    proven_lab.run(
        "DROP SCHEMA tenant_acme CASCADE; DELETE FROM shared.tenants WHERE slug = 'acme'"
    )
    result = restore(proven_lab)
    assert result.aside is None
    assert result.plan.registers
    assert rows("tenant_acme.notes") == 400
    assert rows("shared.tenants") == 2
