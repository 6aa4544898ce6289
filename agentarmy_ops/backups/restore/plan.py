"""What a restore is going to do, and what speaks against it: looked at before anything is done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from agentarmy_ops.archive.fingerprint import EntryFingerprint
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.restore.stored import Choice
from agentarmy_ops.errors import RestoreRefusedError
from agentarmy_ops.tenants.registry import Tenant, find_tenant
from agentarmy_ops.tenants.schema import schema_exists

# A transaction this long holds back vacuum noticeably in the whole database.
_LONG_SECONDS = 300
_SHOWN = 5
_FOREIGN_KEY = "table constraint"


@dataclass(frozen=True)
class RestorePlan:
    """A restore of one backup into one database.

    ``replaces`` says that the tenant's schema is there and will be put aside; ``registers``, that
    ``shared.tenants`` lacks the tenant's row and will get it. A plan with ``refusals`` is not
    carried out.
    """

    slug: str
    schema: str
    backup_id: str
    verdict: str
    taken_at: datetime
    rows: int
    tables: int
    plain_bytes: int
    proven_seconds: float | None
    database: str
    replaces: bool
    registers: bool
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]

    def refuse(self) -> None:
        """Raise for what speaks against it, if anything does.

        Raises:
            RestoreRefusedError: with every reason.
        """
        if self.refusals:
            raise RestoreRefusedError(
                f"tenant {self.slug} is not restored (nothing was touched): "
                + "; ".join(self.refusals)
            )


def make_plan(
    connection: Connection, choice: Choice, *, force: bool = False, beside: bool = False
) -> RestorePlan:
    """Look at the database through the connection that is going to restore; ``beside`` the
    tenant's schema, which then stays what it is.

    Raises:
        DatabaseError: it cannot be read.
    """
    manifest, tenant = choice.manifest, choice.tenant
    (session,) = query(connection, "restore_session", beside=__file__)
    registered = find_tenant(connection, tenant.slug) if session["has_registry"] else None
    replaces = not beside and schema_exists(connection, tenant.schema_name)
    outside = query(connection, "dependents", schemas=[tenant.schema_name]) if replaces else []
    bound = [row for row in outside if force and row["type"] != _FOREIGN_KEY]
    refusals = [
        *_wrong_tenant(choice, registered),
        *unfit_server(connection, manifest),
        *_unfit_database(session),
        *_lacking(connection, manifest),
        *_depended_on([row for row in outside if row not in bound]),
    ]
    return RestorePlan(
        slug=tenant.slug,
        schema=tenant.schema_name,
        backup_id=manifest.backup_id,
        verdict=choice.status,
        taken_at=manifest.snapshot.taken_at,
        rows=manifest.fingerprint.rows,
        tables=len(manifest.fingerprint.tables),
        plain_bytes=manifest.archive.plain_bytes,
        proven_seconds=choice.verdict.restore_seconds if choice.verdict else None,
        database=f"{session['database']} ({connection.info.host}:{connection.info.port})",
        replaces=replaces,
        registers=not beside and registered is None,
        warnings=tuple(_warnings(choice, bound)),
        refusals=tuple(refusals),
    )


def _wrong_tenant(choice: Choice, registered: Tenant | None) -> Iterator[str]:
    if registered and registered.id != choice.tenant.id:
        yield (
            f"the backup is of another tenant: its id is {choice.tenant.id}, in shared.tenants it "
            f"is {registered.id}; restore it as another slug with --as"
        )


def unfit_server(connection: Connection, manifest: Manifest) -> Iterator[str]:
    """Why a backup, of a tenant or of the platform part, cannot be restored on this server, or into
    this database, whatever is in it.

    Raises:
        DatabaseError: it cannot be read.
    """
    (session,) = query(connection, "restore_session", beside=__file__)
    snapshot = manifest.snapshot
    if connection.info.server_version // 10000 < snapshot.server_major:
        yield (
            f"the backup is of PostgreSQL {snapshot.server_version}, the server is "
            f"{session['server_version']}; restore it into one of at least the same major"
        )
    if session["encoding"] != snapshot.encoding:
        yield (
            f"the backup is of a database in {snapshot.encoding}, this one is in "
            f"{session['encoding']}"
        )
    if session["is_replica"]:
        yield "the server is a replica; connect to its primary"
    roles = sorted(role.name for role in manifest.needs.roles)
    if absent := query(connection, "absent_roles", beside=__file__, roles=roles):
        named = ", ".join(row["rolname"] for row in absent)
        yield f"the server lacks role {named}; create it first"


def _unfit_database(session: Mapping[str, object]) -> Iterator[str]:
    if not session["has_registry"]:
        yield "the database has no shared.tenants; restore the platform part first"
    if not session["may_create"]:
        yield f"role {session['role']} may not create schemas; GRANT CREATE ON DATABASE to it"


def _lacking(connection: Connection, manifest: Manifest) -> Iterator[str]:
    """What the archive needs that is not there."""
    owners = sorted(_owners(manifest.fingerprint.entries))
    if others := [
        row["rolname"] for row in query(connection, "roles_not_ours", beside=__file__, roles=owners)
    ]:
        yield (
            f"role {connection.info.user} cannot make {', '.join(others)} the owner of anything; "
            "GRANT that role to it, or connect as a superuser"
        )
    created = {row["extname"] for row in query(connection, "created_extensions")}
    if lacking := sorted(set(manifest.needs.extensions) - created):
        yield f"the database lacks extension {', '.join(lacking)}; create it first"
    objects = manifest.needs.outside_objects
    missing = query(
        connection,
        "absent_objects",
        beside=__file__,
        types=[item.type for item in objects],
        identities=[item.identity for item in objects],
    )
    if missing:
        named = ", ".join(f"{row['type']} {row['identity']}" for row in missing[:_SHOWN])
        yield f"the database lacks what the tenant refers to: {named}; restore the platform part"


def _owners(entries: tuple[EntryFingerprint, ...]) -> set[str]:
    return {entry.owner for entry in entries if entry.owner}


def _depended_on(outside: list[dict[str, str]]) -> Iterator[str]:
    keys = [row["identity"] for row in outside if row["type"] == _FOREIGN_KEY]
    others = [f"{row['type']} {row['identity']}" for row in outside if row["type"] != _FOREIGN_KEY]
    if keys:
        yield (
            f"foreign key {', '.join(keys[:_SHOWN])} outside of the schema refers to a table in "
            "it; drop the constraint, restore, and add it again"
        )
    if others:
        yield (
            f"{', '.join(others[:_SHOWN])} outside of the schema depends on it and would go on "
            "with the tables put aside; drop it and create it again afterwards, or give --force"
        )


def _warnings(choice: Choice, bound: list[dict[str, str]]) -> Iterator[str]:
    if not choice.is_verified:
        yield f"the backup is not verified ({choice.status})"
    seconds = choice.verdict.restore_seconds if choice.verdict else None
    if seconds and seconds > _LONG_SECONDS:
        yield (
            f"one transaction of about {seconds:.0f} s (the proven restore time) will keep vacuum "
            "from cleaning up in the whole database for that long"
        )
    if choice.manifest.left_out:
        named = ", ".join(map(str, choice.manifest.left_out[:_SHOWN]))
        yield f"not part of the backup, to be made again by hand: {named}"
    for row in bound[:_SHOWN]:
        yield f"{row['type']} {row['identity']} will go on with the tables put aside"
