"""What the engine is compared with: stock programs over the same data."""

import shlex
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.tenants.registry import Tenant
from bench.fleets import Fleet
from bench.lab import Lab
from bench.measure import run, seconds


def pg_dump(lab: Lab, fleet: Fleet, tenants: Sequence[Tenant], *options: str) -> list[str]:
    """The command that dumps the tenants' schemas in the custom format to standard output."""
    return [
        lab.tools.program("pg_dump"),
        "--format=custom",
        *options,
        *(f'--schema="{tenant.schema_name}"' for tenant in tenants),
        f"--dbname={fleet.conninfo.dsn}",
    ]


def spread(tenants: Sequence[Tenant], count: int) -> list[Tenant]:
    """``count`` tenants at equal distances, or all when there are fewer."""
    count = min(count, len(tenants))
    return [tenants[(2 * n + 1) * len(tenants) // (2 * count)] for n in range(count)]


def loop_seconds_per_tenant(lab: Lab, fleet: Fleet, setting: str = "") -> float:
    """The median of stock ``pg_dump -Fc --schema``, one tenant at a time, over a sample; with a
    setting of the planner, where one is given."""
    target = str(lab.folder / "loop.dump")
    sample = spread(fleet.tenants, lab.size.loop_sample)
    environment = {"PGOPTIONS": f"-c {setting}" if setting else ""}

    def dump(tenant: Tenant) -> None:
        run(pg_dump(lab, fleet, [tenant]), stdout=target, environment=environment)

    dump(sample[0])
    return statistics.median(seconds(partial(dump, tenant)) for tenant in sample)


class Floor:
    """COPY of every table of all tenants to /dev/null, by psql over one connection."""

    def __init__(self, lab: Lab, fleet: Fleet) -> None:
        self._script = lab.folder / f"copy-{len(fleet.tenants)}.sql"
        with fleet.database.connect() as connection:
            query = load_sql(__file__, "copy_statements")
            rows = connection.execute(query, [fleet.schemas]).fetchall()
        self._script.write_text("".join(f"{statement}\n" for (statement,) in rows))
        self._command = [
            lab.tools.program("psql"),
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            f"--file={self._script}",
            f"--dbname={fleet.conninfo.dsn}",
        ]

    def __call__(self) -> None:
        """Run it once."""
        run(self._command)


def dump_through_zstd(lab: Lab, fleet: Fleet, target: Path) -> str:
    """The pipeline that is the equal of the engine's for one tenant."""
    command = shlex.join(pg_dump(lab, fleet, fleet.tenants, "--compress=0"))
    return f"{command} | zstd -3 -q -c > {shlex.quote(str(target))}"


def restore_from_zstd(lab: Lab, archive: Path, dsn: str) -> str:
    """The pipeline that restores an archive by hand."""
    restore = [lab.tools.program("pg_restore"), "--exit-on-error", f"--dbname={dsn}"]
    return f"zstd -q -dc {shlex.quote(str(archive))} | {shlex.join(restore)}"
