"""Which checks the gateway makes, and what each of them means for it."""

from starlette.routing import BaseRoute

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.web.health.checks import (
    StoreCheck,
    check_code_locations,
    check_daemon,
    check_database,
    check_redis,
)
from agentarmy_ops.web.health.probe import Check, Probe
from agentarmy_ops.web.health.report import Reporter
from agentarmy_ops.web.health.routes import HealthRoutes
from agentarmy_ops.web.workspace import Workspace

# Seconds until a check counts as failed. More than libpq's shortest wait for a connection, so that
# a server's own answer is mostly the one that is shown.
PROBE_SECONDS = 3.0

# Without these there is nothing to show, and nothing that could be started. With any other missing
# the gateway shows what is wrong, which is what it is for.
NEEDED_TO_SERVE = frozenset({"database", "backup_database", "dagster_storage", "dagster_ui"})
# Once, all must have been there: a release that cannot load its code, or lacks an address, must not
# take over. But the daemon: it may be started later, and is no part of the gateway.
NEEDED_TO_START = NEEDED_TO_SERVE | {"code_locations", "redis", "backup_store"}


def health_routes(runtime: Runtime, storage: ConnInfo, workspace: Workspace) -> list[BaseRoute]:
    """``/health``, ``/health/ready``, ``/health/startup``. ``storage`` is Dagster's.

    Raises:
        ConfigurationError: an address in the settings cannot be read.
        DatabaseError: an embedded server does not start.
    """
    redis_url = runtime.settings.redis_url
    owner, backup = runtime.owner, runtime.backup
    checks: dict[str, Check] = {
        "database": lambda: check_database(owner),
        "backup_database": lambda: check_database(backup),
        "dagster_storage": lambda: check_database(storage),
        "dagster_ui": workspace.check,
        "code_locations": lambda: check_code_locations(
            workspace.get().process.get_current_workspace()
        ),
        "daemon": lambda: check_daemon(workspace.get().instance),
        "backup_store": StoreCheck(lambda: runtime.store),
    }
    if redis_url is not None:
        checks["redis"] = lambda: check_redis(redis_url)
    probes = [Probe(name, check, timeout=PROBE_SECONDS) for name, check in checks.items()]
    return HealthRoutes(
        Reporter(probes), needed_to_serve=NEEDED_TO_SERVE, needed_to_start=NEEDED_TO_START
    ).routes()
