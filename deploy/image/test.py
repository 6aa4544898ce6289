"""Builds the image and proves what docs/image.md says of it: `make image-test`.

Needs docker, or podman, in which case no daemon; where the base image cannot be pulled, a stand-in
is made (deploy/image/base). Writes a line `ok ...` or `FAILED ...` for each proof.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine import Engine

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TAG = "localhost/agentarmy-ops:image-test"
PREFIX = "agentarmy-image-test-"
DATABASE, ONE, GATEWAY, DAEMON, CODE, WORKER, BACKUP = (
    f"{PREFIX}{name}"
    for name in ("database", "one", "gateway", "daemon", "code", "worker", "backup")
)
DEMO = ("acme", "globex", "skyvera-eu")
TOKEN = "an-operator-token-of-this-test-alone"  # noqa: S105
EVERYWHERE = "0.0.0.0"  # noqa: S104
WORKSPACE = "/opt/agentarmy/cloudrun/workspace.yaml"
DUMP_WAITS = (
    "SELECT 'waits' FROM pg_stat_activity WHERE application_name = 'pg_dump'"
    " AND wait_event_type = 'Lock'"
)
LOCKED = (
    "SELECT 'held' FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    " AND relation = 'tenant_globex.users'::regclass"
)
NOBODY = (
    "SELECT 'nobody' WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name ="
    " 'pg_dump') AND NOT EXISTS (SELECT FROM pg_locks JOIN pg_database ON oid = database"
    " WHERE locktype = 'advisory' AND datname = 'app')"
)
LAUNCH = """mutation { launchRun(executionParams: {selector: {repositoryLocationName:
 "agentarmy_ops", repositoryName: "__repository__", jobName: "backup_tenants"}, runConfigData: {},
 executionMetadata: {tags: [{key: "dagster/partition", value: "acme"}]}})
 { ... on LaunchRunSuccess { run { runId } } } }"""
FETCH = f"""
import json, sys, urllib.request as u
q = json.dumps(dict(query=sys.argv[2])).encode() if len(sys.argv) > 2 else None
headers = dict([("Authorization", "Bearer {TOKEN}"), ("Content-Type", "application/json")])
print(u.urlopen(u.Request(sys.argv[1], headers=headers, data=q), timeout=60).read().decode())
"""

engine = Engine()
failed: list[str] = []


def prove(what: str, proof: Callable[[], object]) -> None:
    """Write what came of it."""
    started = time.monotonic()
    try:
        found = proof()
    except Exception as error:  # noqa: BLE001 - whatever it is, the proof has failed
        failed.append(what)
        line = f"FAILED {what}: {type(error).__name__}: {error}"
    else:
        detail = f": {found}" if found is not None else ""
        line = f"ok     {what}{detail} ({time.monotonic() - started:.1f} s)"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def check(holds: object, otherwise: object) -> None:
    """Raise what was found instead."""
    if not holds:
        raise AssertionError(str(otherwise))


def gives(what: str, found: Callable[[], str], expected: str) -> None:
    """The same of an answer that is known."""

    def proof() -> str | None:
        answer = found()
        check(answer == expected, f"{answer!r}, not {expected!r}")
        return expected or None

    prove(what, proof)


def ask(name: str, what: str, *arguments: str) -> str:
    """A function of inside.py in a container."""
    return engine.inside(name, "python", "/test/inside.py", what, *arguments)


def fetch(url: str, query: str = "") -> str:
    """What the gateway answers, from beside it."""
    return engine.inside(GATEWAY, "python", "-c", FETCH, url, *([query] if query else []))


def until(holds: Callable[[], bool], seconds: int, what: str) -> None:
    """Ask again until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.5)


def tells(command: Callable[[], str], pattern: str) -> bool:
    """Whether its answer fits; an error is none."""
    try:
        return bool(re.search(pattern, command(), re.DOTALL))
    except RuntimeError:
        return False


def start(name: str, *command: str, **variables: str) -> None:
    """A container of the application, beside the others: their loopback is its own."""
    settings = {
        "ENVIRONMENT": "testing",
        "DATABASE_URL": "postgresql://postgres@127.0.0.1/app",
        "DAGSTER_DATABASE_URL": "postgresql://postgres@127.0.0.1/dagster",
        "LOCK_TIMEOUT_SECONDS": "600",
        **variables,
    }
    options = [f"--env={key}={value}" for key, value in settings.items()]
    options += [f"--network=container:{DATABASE}", f"--volume={PREFIX}home:/var/lib/agentarmy"]
    engine.start(name, TAG, *command, options=[*options, f"--volume={HERE}:/test:ro"])


def stop(name: str, within: float, codes: tuple[int, ...]) -> str:
    """SIGTERM; what it ended with, and after what time."""
    started = time.monotonic()
    engine("kill", "--signal=TERM", name)
    until(lambda: not engine.state(name)["Running"], 60, f"{name} ends")
    took = time.monotonic() - started
    code = engine.state(name)["ExitCode"]
    check(code in codes, f"exit code {code}: {engine('logs', name)[-800:]}")
    check(took < within, f"{took:.1f} s")
    return f"exit code {code}"


def contents() -> None:
    """What is in it, and what is not."""
    config = json.loads(engine("inspect", "--type=image", TAG))[0]["Config"]
    gives("has no ENTRYPOINT", lambda: str(config.get("Entrypoint") or ""), "")
    gives("runs as", lambda: engine.inside(ONE, "id", "-u"), "10001")
    gives("can be written to", lambda: ask(ONE, "writable"), "/tmp /var/lib/agentarmy")  # noqa: S108
    prove("client tools", lambda: ask(ONE, "tools"))
    prove("age", lambda: engine.inside(ONE, "age", "--version"))
    prove("zstd", lambda: engine.inside(ONE, "zstd", "--version").strip("* "))
    prove("all that a role needs imports, the compiled module, too", lambda: ask(ONE, "imports"))
    gives("no compiler, no git, no curl", lambda: ask(ONE, "programs"), "")
    gives("no secret, cache, package list, history, test", lambda: ask(ONE, "strangers"), "")
    gives("no bytecode is missing", lambda: ask(ONE, "without_bytecode"), "")


def alone() -> None:
    """One container with everything embedded."""

    def demo() -> None:
        found = engine.inside(ONE, "agentarmy-ops", "demo")
        check(found.count("verified") == len(DEMO), found)

    prove("doctor passes", lambda: check(engine.inside(ONE, "agentarmy-ops", "doctor"), "nothing"))
    prove("demo: provisioned, backed up, verified", demo)
    prove(
        "age -d | zstd -d | pg_restore, by hand", lambda: engine.inside(ONE, "bash", "/test/hand")
    )
    # The scratch server of the demo is nobody's child: for what is embedded there is --init.
    prove("zombies that embedded servers leave without --init", lambda: ask(ONE, "zombies"))
    prove("SIGTERM ends agentarmy-ops up", lambda: stop(ONE, 60, (0,)))


def together() -> None:
    """The roles, each in its container, over a PostgreSQL."""
    ready = lambda: tells(lambda: ask(DATABASE, "until", "SELECT 1", "1"), "1")  # noqa: E731
    until(ready, 60, "the database answers")
    for name in ("app", "dagster"):
        ask(DATABASE, "sql", f"CREATE DATABASE {name}")
    start(BACKUP, "sleep", "infinity")
    ops = lambda *words: engine.inside(BACKUP, "agentarmy-ops", *words)  # noqa: E731
    prove("migrate makes Dagster's storage", lambda: ops("migrate"))
    prove("migrate again does nothing", lambda: check("nothing was done" in ops("migrate"), ""))
    ops("init")
    for slug in ("acme", "globex"):
        ops("tenant", "provision", slug, f"--name={slug}", f"--admin-email=a@{slug}.example")

    start(CODE, "agentarmy-ops", "code-server")
    start(DAEMON, "agentarmy-ops", "daemon", "--workspace", WORKSPACE)
    start(
        GATEWAY,
        "agentarmy-ops",
        "serve",
        f"--host={EVERYWHERE}",
        f"--workspace={WORKSPACE}",
        PORT="8080",
        GATEWAY_AUTH="token",
        GATEWAY_OPERATOR_TOKEN=TOKEN,
    )
    url = "http://127.0.0.1:8080"
    for name in (CODE, GATEWAY, DAEMON):
        prove(
            f"HEALTHCHECK of {name.removeprefix(PREFIX)}",
            lambda name=name: until(
                lambda: engine.is_healthy(name), 180, engine("logs", name)[-500:]
            ),
        )
    prove("/health with PORT=8080", lambda: fetch(f"{url}/health"))
    prove(
        "/health/ready",
        lambda: until(lambda: tells(lambda: fetch(f"{url}/health/ready"), "."), 120, "ready"),
    )

    def run_by_gateway() -> None:
        answer = fetch(f"{url}/graphql", LAUNCH)
        run_id = json.loads(answer)["data"]["launchRun"].get("run", {}).get("runId")
        check(run_id, answer)
        query = f'{{ runOrError(runId: "{run_id}") {{ ... on Run {{ status }} }} }}'
        until(lambda: tells(lambda: fetch(f"{url}/graphql", query), "SUCCESS|FAILURE"), 240, run_id)
        check("SUCCESS" in (found := fetch(f"{url}/graphql", query)), found)

    prove("gateway launches, daemon dequeues, code server runs a backup", run_by_gateway)
    engine("kill", "--signal=KILL", CODE)
    engine("start", CODE)
    until(lambda: engine.is_healthy(CODE), 120, "the code server is back")
    prove("the same after the code server was killed and started again", run_by_gateway)
    # The code server waits for its runs every few seconds.
    prove(
        "runs leave no zombies",
        lambda: until(lambda: ask(CODE, "zombies") == "0", 60, "all are waited for"),
    )
    prove("SIGTERM ends daemon", lambda: stop(DAEMON, 30, (0,)))
    # Without the daemon, so that nobody else makes backups meanwhile.
    cancelled_dumps(ops)
    for name, codes in ((GATEWAY, (0,)), (CODE, (0,))):
        prove(
            f"SIGTERM ends {name.removeprefix(PREFIX)}",
            lambda name=name, codes=codes: stop(name, 30, codes),
        )


def cancelled_dumps(ops: Callable[..., str]) -> None:
    """SIGTERM while pg_dump waits for a table."""
    engine("exec", "--detach", BACKUP, "python", "/test/inside.py", "hold", "tenant_globex.users")
    ask(BACKUP, "until", LOCKED)

    def count(slug: str) -> int:
        return len(json.loads(ops("backups", "list", slug, "--json"))["backups"])

    def counts() -> tuple[int, int]:
        return count("acme"), count("globex")

    def worker() -> str:
        acme, globex = counts()
        run_id, arguments = ask(BACKUP, "new_run", "acme", "globex").splitlines()[-2:]
        start(WORKER, "dagster", "api", "execute_run", arguments)
        ask(BACKUP, "until", DUMP_WAITS)
        ended = stop(WORKER, 10, (0,))
        ask(BACKUP, "until", NOBODY)
        check((found := counts()) == (acme + 1, globex), f"{found} backups")
        query = f'{{ runOrError(runId: "{run_id}") {{ ... on Run {{ status }} }} }}'
        check("FAILURE" in (found := fetch("http://127.0.0.1:8080/graphql", query)), found)
        return f"{ended}, run FAILURE"

    prove("SIGTERM to a run worker cancels its dump, no half backup is listed", worker)
    engine("rm", "--force", WORKER, check=False)

    def command() -> str:
        before = counts()
        start(WORKER, "agentarmy-ops", "backup", "--tenant", "globex")
        ask(BACKUP, "until", DUMP_WAITS)
        ended = stop(WORKER, 10, (143,))
        ask(BACKUP, "until", NOBODY)
        check((found := counts()) == before, f"{found} backups")
        return ended

    prove("SIGTERM to agentarmy-ops backup, likewise", command)


def sizes() -> None:
    """How large it is, by layer."""
    size = int(json.loads(engine("inspect", "--type=image", TAG))[0]["Size"])
    history = engine("history", "--no-trunc", "--format={{.Size}}\t{{.CreatedBy}}", TAG)
    sys.stdout.write(f"\nimage: {size / 1e6:.0f} MB\n")
    for line in history.splitlines():
        layer, _, made_by = line.partition("\t")
        if "MB" in layer:
            sys.stdout.write(f"{layer:>8}  {' '.join(made_by.split())[:100]}\n")


def main() -> int:
    """Exit code 1 when a proof failed."""
    started = time.monotonic()
    base = engine.base(HERE)
    sys.stdout.write(f"{engine.name}, base {base}\n")
    sys.stdout.flush()
    engine.build(ROOT, TAG, base)
    built = time.monotonic() - started
    engine.remove(PREFIX)
    try:
        mount = f"--volume={HERE}:/test:ro"
        home = "--tmpfs=/var/lib/agentarmy"
        engine.start(ONE, TAG, "agentarmy-ops", "up", options=["--network=none", home, mount])
        contents()
        alone()
        engine.start(
            DATABASE,
            TAG,
            "python",
            "/test/inside.py",
            "server",
            options=[
                "--network=none",
                home,
                mount,
                "--env=DATABASE_URL=postgresql://postgres@127.0.0.1/",
            ],
        )
        together()
    finally:
        engine.remove(PREFIX)
    sizes()
    took = time.monotonic() - started
    sys.stdout.write(f"built in {built:.0f} s, all in {took:.0f} s; {len(failed)} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
