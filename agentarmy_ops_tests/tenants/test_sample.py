from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentarmy_ops.errors import DatabaseError, InvalidInputError
from agentarmy_ops.tenants.sample import insert_sample_data
from agentarmy_ops.tenants.template import BUILT_IN
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

TABLES = ("agents", "conversations", "messages", "usage_events")


def rows(app_database: AppDatabase, schema: str, table: str) -> list[tuple[Any, ...]]:
    with app_database.superuser.connect() as connection:
        return connection.execute(f"SELECT * FROM {schema}.{table} ORDER BY id").fetchall()


@pytest.mark.parametrize("major", [16, 18])
@pytest.mark.parametrize("number", [4, 5, 10, 11, 999])
def test_as_many_rows_as_asked_for_in_every_table(
    app_databases: Callable[[int], AppDatabase], provision: Provision, number: int, major: int
) -> None:
    app_database = app_databases(major)
    tenant = provision("acme", conninfo=app_database.owner).tenant
    assert insert_sample_data(app_database.owner, tenant, number) == number
    counts = [len(rows(app_database, "tenant_acme", table)) for table in TABLES]
    assert sum(counts) == number
    assert min(counts) > 0


def test_the_data_is_varied(app_database: AppDatabase, provision: Provision) -> None:
    tenant = provision("acme").tenant
    insert_sample_data(app_database.owner, tenant, 1000)
    with app_database.superuser.connect() as connection:
        found = connection.execute(
            "SELECT count(*) FILTER (WHERE metadata IS NULL), count(DISTINCT role),"
            " count(DISTINCT content) > 500,"
            " bool_or(content ~ '[^[:ascii:]]') FROM tenant_acme.messages"
        ).fetchone()
        assert found is not None
        assert found[0] > 0
        assert found[1:] == (3, True, True)
        found = connection.execute(
            "SELECT count(cost_usd) < count(*), scale(max(cost_usd)), count(DISTINCT payload) > 20"
            " FROM tenant_acme.usage_events"
        ).fetchone()
        assert found == (True, 6, True)


def test_the_data_is_the_same_for_every_tenant_but_the_tenant(
    app_database: AppDatabase, provision: Provision
) -> None:
    tenants = [provision(slug).tenant for slug in ("acme", "beta")]
    for tenant in tenants:
        insert_sample_data(app_database.owner, tenant, 300)
    for table in TABLES:
        one, other = (rows(app_database, tenant.schema_name, table) for tenant in tenants)
        different = 4 if table == "conversations" else 2  # the user's id is random
        assert [(*row[:1], *row[different:]) for row in one] == [
            (*row[:1], *row[different:]) for row in other
        ]
        assert {row[1] for row in one} == {tenants[0].id}


def test_again_does_nothing(app_database: AppDatabase, provision: Provision) -> None:
    tenant = provision("acme").tenant
    insert_sample_data(app_database.owner, tenant, 100)
    assert insert_sample_data(app_database.owner, tenant, 100) == 0
    assert len(rows(app_database, "tenant_acme", "messages")) == 64


@pytest.mark.parametrize("number", [-1, 0, 3])
def test_too_few_rows(app_database: AppDatabase, provision: Provision, number: int) -> None:
    with pytest.raises(InvalidInputError, match="ask for 4 or more"):
        insert_sample_data(app_database.owner, provision("acme").tenant, number)


def test_another_template_has_no_place_for_it(
    app_database: AppDatabase, provision: Provision, tmp_path: Path
) -> None:
    (tmp_path / "users.sql").write_text((BUILT_IN / "010_users.sql").read_text())
    tenant = provision("acme", template_dir=tmp_path).tenant
    with pytest.raises(DatabaseError, match="tenant acme got no sample data: relation"):
        insert_sample_data(app_database.owner, tenant, 100)
