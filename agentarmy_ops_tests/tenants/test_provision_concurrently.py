"""Several processes provision the same tenant: threads with a session each."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from agentarmy_ops.errors import TenantBusyError
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision


def test_one_creates_and_the_others_find_it_done(
    app_database: AppDatabase, provision: Provision
) -> None:
    together = threading.Barrier(6)

    def run(_: int) -> tuple[bool, tuple[str, ...]]:
        together.wait(30)
        result = provision("acme", conninfo=app_database.owner, admin_password=None)
        return result.created, result.repaired

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(run, range(6)))
    assert sorted(results) == [(False, ())] * 5 + [(True, ())]


def test_different_tenants_do_not_wait_for_each_other(
    app_database: AppDatabase, provision: Provision, secrets_store: LocalSecretsStore
) -> None:
    inside, done = threading.Event(), threading.Event()

    class SlowStore(LocalSecretsStore):
        def set(self, identifier: str, value: SecretStr) -> str:
            inside.set()
            assert done.wait(60)  # in the midst of the first tenant's transaction
            return super().set(identifier, value)

    slow = SlowStore(secrets_store._folder)
    owner = app_database.owner
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            lambda: provision("acme", conninfo=owner, admin_password=None, secrets=slow)
        )
        assert inside.wait(60)
        try:
            assert provision("beta", conninfo=owner, lock_timeout_seconds=5).created
            with pytest.raises(TenantBusyError, match="tenant acme is busy"):
                provision("acme", conninfo=owner, lock_timeout_seconds=0.05)
        finally:
            done.set()
        assert first.result(60).created


def test_a_lock_that_is_kept_is_an_error_after_the_timeout(
    app_database: AppDatabase, provision: Provision
) -> None:
    with (
        app_database.backup.connect() as connection,
        tenant_lock(connection, "acme", timeout_seconds=5),
        pytest.raises(TenantBusyError, match="tenant acme is busy"),
    ):
        provision("acme", lock_timeout_seconds=0.05)
    with app_database.superuser.connect() as connection:
        assert connection.execute("SELECT count(*) FROM shared.tenants").fetchone() == (0,)
