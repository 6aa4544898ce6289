"""``deploy/terraform/access.yaml``: who may do what, as Terraform reads it and IAM decides it."""

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml

from agentarmy_ops_tests.deploy.cel import holds

ACCESS = Path(__file__).parents[2] / "deploy/terraform/access.yaml"

_BUCKET = re.compile(r"projects/_/buckets/([^/]+)(?:/objects/.*)?")
_FOLDERS = re.compile(r"/objects/[^\"]*?/(\w+)/\"")


@dataclass(frozen=True)
class Places:
    """The names that the file leaves open."""

    bucket: str
    prefix: str
    project_number: str
    project: str = "example-ops"
    application: str = "projects/example-app/instances/app"

    @property
    def logs(self) -> str:
        """The bucket of logs."""
        return f"{self.bucket}-logs"

    @property
    def names(self) -> Mapping[str, str]:
        """Values of the placeholders, made as ``access.tf`` makes them."""
        return {
            "objects": f"projects/_/buckets/{self.bucket}/objects/{self.prefix}",
            "secrets": f"projects/{self.project_number}/secrets",
            "application": self.application,
            "dagster": f"projects/{self.project}/instances/agentarmy-dagster",
        }


EXAMPLE = Places("example-ops-agentarmy-backups", "agentarmy", "1234567890")


@dataclass(frozen=True)
class Grant:
    """One permission of one grant."""

    identity: str
    role: str
    at: str
    permission: str
    condition: str | None

    def __str__(self) -> str:
        return f"{self.identity}: {self.permission} ({self.role} at {self.at})"

    @property
    def folders(self) -> frozenset[str]:
        """The folders of the store that it is limited to; none: it is not."""
        return frozenset(_FOLDERS.findall(self.condition or ""))

    def covers(self, permission: str, resource: str, places: Places) -> bool:
        """Whether it allows a request about a resource of either bucket, or of the project."""
        bucket = _BUCKET.fullmatch(resource)
        made_at = {places.bucket: "bucket", places.logs: "logs"}[bucket[1]] if bucket else "project"
        if (permission, made_at) != (self.permission, self.at):
            return False
        return self.condition is None or holds(
            self.condition, resource={"name": resource, "type": ""}
        )


def read_access(places: Places = EXAMPLE) -> dict[str, Any]:
    """The file with its placeholders filled in.

    Raises:
        KeyError: it has one that nobody fills in.
    """
    filled = Template(ACCESS.read_text()).substitute(places.names)
    content: dict[str, Any] = yaml.safe_load(filled)
    return content


def read_grants(places: Places = EXAMPLE) -> Iterator[Grant]:
    """Each permission of each grant of roles of ours."""
    access = read_access(places)
    for identity, grants in access["grants"].items():
        for grant in grants:
            role = access["roles"].get(grant["role"])
            for permission in role["permissions"] if role else ():
                yield Grant(
                    identity, grant["role"], grant["at"], permission, grant.get("condition")
                )


@dataclass
class Policy:
    """What IAM answers for one identity at a time. ``used`` remembers which grants were needed, and
    for which folder of the store; ``denied`` what was refused."""

    places: Places
    grants: list[Grant] = field(default_factory=list)
    identity: str | None = None
    used: set[tuple[Grant, str]] = field(default_factory=set)
    denied: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allows(self, permission: str, resource: str) -> bool:
        """As the doubles ask. Without an identity, everything is allowed."""
        if self.identity is None:
            return True
        with self._lock:
            for grant in self.grants:
                if grant.identity == self.identity and grant.covers(
                    permission, resource, self.places
                ):
                    self.used.add((grant, self._folder(resource)))
                    return True
            self.denied.append(f"{self.identity}: {permission} on {resource}")
            return False

    def _folder(self, resource: str) -> str:
        below = resource.removeprefix(f"{self.places.names['objects']}/")
        return "" if below == resource else below.partition("/")[0]


def access_table(current: str) -> str:
    """``docs/infrastructure.md`` with its tables of grants and of settings replaced."""
    access = yaml.safe_load(ACCESS.read_text())
    rows = ["| Identity | May | On | Why |", "|---|---|---|---|"]
    for identity, grants in access["grants"].items():
        for grant in grants:
            role = access["roles"].get(grant["role"])
            may = [f"`{one}`" for one in (role["permissions"] if role else [grant["role"]])]
            if len(may) > 6:
                may = [f"`{grant['role']}`, below"]
            columns = [f"`agentarmy-{identity}`", "<br>".join(may), grant["what"], grant["why"]]
            rows.append(f"| {' | '.join(columns)} |")
    identities = list(dict.fromkeys(one for who in access["settings"].values() for one in who))
    settings = [
        f"| Secret | {' | '.join(f'`{one}`' for one in identities)} |",
        f"|---|{'---|' * len(identities)}",
    ]
    for secret, who in access["settings"].items():
        marks = " | ".join("yes" if one in who else "" for one in identities)
        settings.append(f"| `{secret}` | {marks} |")
    for name, table in {"grants": rows, "accessors": settings}.items():
        pattern = re.compile(rf"(<!-- {name}: begin[^\n]*-->\n).*(<!-- {name}: end -->)", re.DOTALL)
        text = "\n".join(table) + "\n"
        current = pattern.sub(lambda found, text=text: found[1] + text + found[2], current)  # type: ignore[misc]
    return current
