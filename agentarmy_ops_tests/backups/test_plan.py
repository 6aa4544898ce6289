"""Which tenants share a dump."""

import subprocess
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentarmy_ops.backups.dump import schema_patterns
from agentarmy_ops.backups.plan import (
    CATALOGUE_LOCKS,
    FEWEST_RELATIONS,
    LARGE_BYTES,
    BatchLimits,
    TenantSize,
    locks_of,
    measure,
    plan_batches,
)
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import find_tools
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops.tenants.slug import schema_name
from agentarmy_ops_tests.databases import program_dsn
from agentarmy_ops_tests.fix_backups import Lab


def _size(number: int, relations: int, size: int) -> TenantSize:
    slug = f"tenant-{number}"
    tenant = Tenant(
        uuid.UUID(int=number), slug, slug, schema_name(slug), True, datetime(2026, 1, 1, tzinfo=UTC)
    )
    return TenantSize(tenant, relations, size)


def _slugs(sizes: Sequence[TenantSize], limits: BatchLimits) -> list[list[str]]:
    return [[tenant.slug for tenant in batch.tenants] for batch in plan_batches(sizes, limits)]


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 5000)), max_size=60),
    st.builds(BatchLimits, st.integers(1, 5000), st.integers(1, 9000), st.integers(1, 4)),
)
def test_every_tenant_is_in_one_batch_and_no_batch_is_too_large(
    numbers: list[tuple[int, int]], limits: BatchLimits
) -> None:
    sizes = [_size(place, relations, size) for place, (relations, size) in enumerate(numbers)]
    batches = plan_batches(sizes, limits)
    planned = [tenant.slug for batch in batches for tenant in batch.tenants]
    assert sorted(planned) == sorted(size.tenant.slug for size in sizes)
    by_slug = {size.tenant.slug: size for size in sizes}
    for batch in batches:
        own = [by_slug[tenant.slug] for tenant in batch.tenants]
        assert batch.relations == sum(size.relations for size in own)
        assert batch.bytes == sum(size.bytes for size in own)
        if len(own) > 1:
            assert batch.relations <= limits.relations
            assert batch.bytes <= limits.bytes
    assert [batch.bytes for batch in batches] == sorted((b.bytes for b in batches), reverse=True)


def test_few_tenants_share_one_dump() -> None:
    sizes = [_size(n, 10, 100) for n in range(5)]
    assert len(_slugs(sizes, BatchLimits(6000, 10**9, 4))) == 1


def test_many_tenants_are_shared_out_evenly_between_the_dumps_that_run_at_once() -> None:
    sizes = [_size(n, FEWEST_RELATIONS // 10, 100) for n in range(40)]
    batches = plan_batches(sizes, BatchLimits(10**6, 10**9, 2))
    assert [len(batch.tenants) for batch in batches] == [20, 20]


def test_a_large_tenant_goes_alone_and_first() -> None:
    sizes = [_size(1, 10, 100), _size(2, 10, LARGE_BYTES + 1), _size(3, 10, 100)]
    (first, second) = plan_batches(sizes, BatchLimits(6000, LARGE_BYTES, 2))
    assert [tenant.slug for tenant in first.tenants] == ["tenant-2"]
    assert first.is_large
    assert sorted(tenant.slug for tenant in second.tenants) == ["tenant-1", "tenant-3"]
    assert not second.is_large


def test_a_tenant_with_more_relations_than_a_dump_may_lock_goes_alone() -> None:
    sizes = [_size(1, 10, 100), _size(2, 7000, 50), _size(3, 10, 10)]
    assert _slugs(sizes, BatchLimits(6000, 10**9, 2)) == [["tenant-1", "tenant-3"], ["tenant-2"]]


def test_nothing_to_do_is_no_batch() -> None:
    assert plan_batches([], BatchLimits(100, 100, 2)) == []


@pytest.mark.parametrize("major", [16, 18])
def test_a_dump_locks_no_more_relations_than_were_counted(
    hard_labs: Callable[[int], Lab], major: int
) -> None:
    lab = hard_labs(major)
    hard = lab.add_hard_tenant("hard-locks")
    with lab.database.connect(autocommit=True) as connection:
        connection.execute("VACUUM")
    with lab.database.connect() as connection:
        ((size,), limits) = measure(connection, [hard], concurrent=2, batch_bytes=1 << 30)
        connections = int(_setting(connection, "max_connections"))
        prepared = int(_setting(connection, "max_prepared_transactions"))
        locks = int(_setting(connection, "max_locks_per_transaction"))
        pages = connection.execute(
            "SELECT sum(pg_relation_size(oid)) FROM pg_class"
            " WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'm')",
            [hard.schema_name],
        ).fetchone()
    assert pages is not None
    assert size.bytes >= pages[0] > 0
    assert limits == BatchLimits(locks * (connections + prepared) // 4 - 200, 1 << 30, 2)
    assert 0 < _locked_by_a_dump(lab.database, hard.schema_name, major) <= size.relations


def test_a_tenant_without_its_schema_has_no_size(lab: Lab) -> None:
    bare = lab.register("bare")
    with lab.database.connect() as connection:
        sizes, _ = measure(connection, [bare], concurrent=1, batch_bytes=1)
    assert sizes == [TenantSize(bare, 0, 0)]


def _setting(connection: "psycopg.Connection[Any]", name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def _locked_by_a_dump(database: ConnInfo, schema: str, major: int) -> int:
    """Relations of the tenant that a pg_dump holds locks on when all its data was read."""
    program = find_tools(major).program("pg_dump")
    arguments = ["-Fc", "-Z0", f"--dbname={program_dsn(database)}", *schema_patterns([schema])]
    counting = (
        "SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " JOIN pg_class ON pg_class.oid = relation"
        " WHERE application_name = 'pg_dump' AND relnamespace = %s::regnamespace"
        " AND relkind NOT IN ('i', 't')"
    )
    with (
        subprocess.Popen([program, *arguments], stdout=subprocess.PIPE) as process,
        database.connect(autocommit=True) as connection,
    ):
        assert process.stdout is not None
        most, connected = 0, False
        while process.stdout.read(1 << 16):
            row = connection.execute(counting, [schema]).fetchone()
            assert row is not None
            most, connected = max(most, row[0]), True
        assert connected
    assert process.returncode == 0
    return most


def test_a_dump_takes_the_locks_of_its_tenants_and_of_the_catalogue() -> None:
    assert locks_of([_size(1, 10, 0), _size(2, 7, 0)]) == CATALOGUE_LOCKS + 17
    assert locks_of([]) == CATALOGUE_LOCKS
