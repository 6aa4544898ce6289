import threading
import uuid
from datetime import UTC, datetime

import pytest

from agentarmy_ops.tenants.context import TenantContext, current_tenant, set_tenant, tenant_context
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops_tests.fix_tenants import AppDatabase


def tenant(slug: str) -> Tenant:
    return Tenant(uuid.uuid4(), slug, slug, f"tenant_{slug}", True, datetime.now(UTC))


def test_blocks_nest() -> None:
    one, two = tenant("one"), tenant("two")
    assert current_tenant() is None
    with tenant_context(one) as context:
        assert current_tenant() == context == TenantContext(one.id, "one")
        with pytest.raises(ValueError, match="x"), tenant_context(two):
            assert current_tenant() == TenantContext(two.id, "two")
            raise ValueError("x")
        assert current_tenant() == context
    assert current_tenant() is None


def test_a_thread_starts_outside_of_any() -> None:
    seen: list[TenantContext | None] = []
    with tenant_context(tenant("one")):
        thread = threading.Thread(target=lambda: seen.append(current_tenant()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_the_setting_lasts_for_one_transaction(app_database: AppDatabase) -> None:
    one = uuid.uuid4()
    show = "SELECT current_setting('app.current_tenant_id', true)"
    with app_database.owner.connect(autocommit=True) as connection:
        with connection.transaction():
            set_tenant(connection, one)
            assert connection.execute(show).fetchone() == (str(one),)
        assert connection.execute(show).fetchone() == ("",)
        with pytest.raises(RuntimeError, match="begin one first"):
            set_tenant(connection, one)
