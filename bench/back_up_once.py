"""Back up the first tenants of a database and print bytes: memory before, at its peak, and plain
archives. For the memory section, which starts it as a process of its own.
"""

import os
import sys
from pathlib import Path

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.tenants.registry import read_tenants
from bench.fleets import Fleet
from bench.lab import back_up, plain_bytes
from bench.measure import high_water


def main(dsn: str, folder: str, count: str) -> None:
    """Do it."""
    before = high_water(os.getpid())
    database = ConnInfo.parse(dsn)
    with database.connect() as connection:
        tenants = read_tenants(connection)[: int(count)]
    fleet = Fleet(database, database, tenants)
    manifests = back_up(fleet, LocalStore(Path(folder)), tenants)
    sys.stdout.write(f"{before} {high_water(os.getpid())} {plain_bytes(manifests)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
