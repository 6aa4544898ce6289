"""Where nothing can be found out about a backup, the verdict is ``error`` and is not stored."""

from pathlib import Path

import pytest

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify import verify_backups, verify_platform
from agentarmy_ops.backups.verify_alone import speaks_english
from agentarmy_ops.errors import StoreError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.scratch import ScratchServer
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.backups.damage import BrokenOnRead, edit_manifest
from agentarmy_ops_tests.databases import let_in
from agentarmy_ops_tests.fix_backups import Backups, Lab
from agentarmy_ops_tests.given import scratch_databases


def _error(backups: Backups, verifier: Verifier | None = None) -> str:
    """Why there is no verdict on acme's backup."""
    ref = backups.ref("acme")
    (verdict,) = verify_backups(verifier or backups.lab.verifier(), [ref])
    assert verdict.status is Status.ERROR, verdict
    assert (verdict.ref, len(verdict.causes)) == (ref, 1)
    (entry,) = list_backups(backups.lab.store, "acme")
    assert entry.verifications == ()
    return verdict.causes[0]


def _scratch_at(backups: Backups, server: ConnInfo) -> Verifier:
    return Verifier(backups.lab.store, scratch_for=lambda _: ScratchServer(server))


def test_the_scratch_server_cannot_be_reached(backups: Backups, tmp_path: Path) -> None:
    nowhere = ConnInfo.parse(f"host={tmp_path} dbname=postgres")
    reason = _error(backups, _scratch_at(backups, nowhere))
    assert reason.startswith("the scratch server is not there: cannot connect to ")


def test_the_scratch_server_is_of_another_major(
    backups: Backups, other_scratch_server: ConnInfo
) -> None:
    reason = _error(backups, _scratch_at(backups, other_scratch_server))
    assert reason.startswith("the scratch server is PostgreSQL 1")


def test_the_scratch_server_lacks_an_extension(backups: Backups) -> None:
    edit_manifest(backups, "acme", lambda d: d["needs"].update(extensions=["postgis", "vector"]))
    assert _error(backups).startswith("the scratch server lacks extension postgis; ")


def test_the_role_may_make_no_database(backups: Backups) -> None:
    server = backups.lab.scratch_server
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE ROLE makes_nothing LOGIN")
        let_in(server, "makes_nothing")
        try:
            reason = _error(backups, _scratch_at(backups, server.with_params(user="makes_nothing")))
        finally:
            connection.execute("DROP ROLE makes_nothing")
    assert reason.startswith("the scratch server")
    assert "permission denied" in reason


def test_the_role_may_make_no_roles(backups: Backups) -> None:
    edit_manifest(
        backups,
        None,
        lambda d: d["needs"]["roles"].append({"name": "new_to_it", "bypasses_rls": False}),
    )
    server = backups.lab.scratch_server
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE ROLE makes_no_roles LOGIN CREATEDB")
        let_in(server, "makes_no_roles")
        try:
            reason = _error(
                backups, _scratch_at(backups, server.with_params(user="makes_no_roles"))
            )
        finally:
            connection.execute("DROP ROLE makes_no_roles")
    assert reason.startswith("the scratch server failed: permission denied to create role")


@pytest.mark.parametrize(
    ("lc_messages", "english"),
    [
        ("C", True),
        ("POSIX", True),
        ("C.UTF-8", True),
        ("en_US.utf8", True),
        ("English_United States.1252", True),
        ("de_DE.UTF-8", False),
        ("cs_CZ.UTF-8", False),
        ("Chinese (Simplified)_China.936", False),
        ("", False),
    ],
)
def test_only_english_messages_tell_a_bad_moment_from_a_bad_backup(
    lc_messages: str, english: bool
) -> None:
    assert speaks_english(lc_messages) is english


def test_the_scratch_server_has_no_such_locale(backups: Backups) -> None:
    edit_manifest(backups, None, lambda d: d["snapshot"].update(collate="xx_XX.utf8"))
    assert _error(backups).startswith(
        "the scratch server cannot make a database like the live one (invalid LC_COLLATE"
    )


def test_the_store_cannot_be_read_to_the_end(backups: Backups) -> None:
    store = BrokenOnRead(backups.lab.store, limit=5000)
    verifier = backups.lab.verifier(store)
    reason = _error(backups, verifier)
    assert reason == "cannot read the object: the connection was reset"


def test_the_store_cannot_be_listed(backups: Backups, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    verifier = backups.lab.verifier(LocalStore(tmp_path / "file"))
    with pytest.raises(StoreError):
        list(verify_backups(verifier, [backups.ref("acme")]))


def test_an_archive_behind_a_symbolic_link_is_not_followed(backups: Backups) -> None:
    path = backups.path(backups.ref("acme").archive)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    assert "a symbolic link is in the way" in _error(backups)


def test_the_backup_is_gone(backups: Backups) -> None:
    backups.path(backups.ref("acme").manifest).unlink()
    (verdict,) = backups.lab.verify(backups.ref("acme"))
    assert verdict.status is Status.ERROR
    assert verdict.causes[0].startswith(f"there is no complete backup {backups.ref('acme')}")


def test_a_damaged_platform_backup_is_not_the_tenants_fault(backups: Backups) -> None:
    path = backups.path(backups.ref(None).archive)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    reason = _error(backups)
    assert reason.startswith(f"platform backup {backups.ref(None).backup_id}, upon which the ")
    assert reason.endswith("back up the platform and verify again")
    (platform,) = list_backups(backups.lab.store, None)
    assert len(platform.verifications) == 1  # the platform's own verdict: failed
    assert verify_platform(backups.lab.verifier(), platform.ref).status is Status.FAILED


def _only(lab: Lab, slug: str) -> Verdict:
    (entry,) = list_backups(lab.store, slug)
    (verdict,) = lab.verify(entry.ref)
    return verdict


def test_a_platform_backup_older_than_the_shared_row_a_tenant_refers_to(lab: Lab) -> None:
    lab.back_up_platform()
    lab.run("INSERT INTO shared.plans VALUES (9, 'New')")
    lab.run("UPDATE users SET plan = 9 WHERE id = 1", "acme")
    lab.back_up("acme")
    verdict = _only(lab, "acme")
    assert verdict.status is Status.ERROR
    assert "back up the platform and verify again" in verdict.causes[0]
    assert 'is not present in table "plans"' in verdict.causes[0]

    lab.back_up_platform()
    assert _only(lab, "acme").summary == "verified"


def test_a_platform_backup_older_than_the_shared_table_a_tenant_refers_to(lab: Lab) -> None:
    lab.back_up_platform()
    lab.run("CREATE TABLE shared.regions (id integer PRIMARY KEY)")
    lab.run("ALTER TABLE users ADD region integer REFERENCES shared.regions", "acme")
    lab.back_up("acme")
    verdict = _only(lab, "acme")
    assert verdict.status is Status.ERROR
    assert "back up the platform and verify again" in verdict.causes[0]
    assert "shared.regions" in verdict.causes[0]

    lab.back_up_platform()
    assert _only(lab, "acme").summary == "verified"


def test_a_platform_backup_older_than_the_extension_a_tenant_uses(vector_lab: Lab) -> None:
    lab = vector_lab
    lab.back_up_platform()
    lab.run("CREATE EXTENSION vector WITH SCHEMA public")
    lab.run("ALTER TABLE users ADD embedding public.vector(3)", "acme")
    assert lab.back_up("acme").needs.extensions == ("vector",)
    verdict = _only(lab, "acme")
    assert verdict.status is Status.ERROR
    assert "lacks extension vector; back up the platform" in verdict.causes[0]

    lab.back_up_platform()
    assert _only(lab, "acme").summary == "verified"


def test_no_platform_backup_though_the_tenant_needs_one(lab: Lab) -> None:
    lab.back_up("acme")
    verdict = _only(lab, "acme")
    assert verdict.status is Status.ERROR
    assert "back up the platform" in verdict.causes[0]


def test_the_live_platform_part_may_lose_what_a_tenant_never_needed(lab: Lab) -> None:
    """A tenant that needs nothing of the platform part is verified without any."""
    lab.run("ALTER TABLE users DROP CONSTRAINT users_plan_fkey", "acme")
    manifest = lab.back_up("acme")
    assert manifest.needs.outside_objects == ()
    assert _only(lab, "acme").summary == "verified"


def test_scratch_databases_are_dropped_whatever_the_verdict(backups: Backups) -> None:
    edit_manifest(backups, "globex", lambda d: d["fingerprint"]["tables"].pop())
    statuses = [v.status for v in backups.lab.verify(backups.ref("acme"), backups.ref("globex"))]
    assert statuses == [Status.VERIFIED, Status.FAILED]
    assert scratch_databases(backups.lab.scratch_server) == []


def test_default_privileges_of_the_role_that_restores(lab: Lab) -> None:
    """They would add grants to the restored tables, and the good backup would look bad."""
    role = lab.scratch_server.params["user"]
    lab.run(f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT SELECT ON TABLES TO PUBLIC")
    lab.back_up("acme")
    lab.back_up_platform()
    verdict = _only(lab, "acme")
    assert verdict.status is Status.ERROR
    assert verdict.causes[0].startswith(f"role {role} of the scratch server has default privileges")
