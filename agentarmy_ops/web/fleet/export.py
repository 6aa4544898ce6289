"""The fleet as JSON, for scripts."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agentarmy_ops.observability.fleet.model import Fleet, LatestBackup, Proof, TenantOverview
from agentarmy_ops.web.fleet.index import taken_at
from agentarmy_ops.web.fleet.standing import Judge


def export(
    fleet: Fleet, tenants: Iterable[TenantOverview], judge: Judge, error: str | None
) -> bytes:
    """What ``/fleet.json`` answers. Times are ISO 8601 in UTC, sizes bytes, durations seconds.

    Tenants are encoded one by one: to encode 10,000 at once would let no other thread run for a
    tenth of a second.
    """
    head = _encode(
        {
            "read_at": _time(fleet.read_at),
            "error": error,
            "problems": list(fleet.problems),
            "store_bytes": fleet.store_bytes,
            "platform": _tenant(fleet.platform, judge),
        }
    )
    encoded = ",".join(_encode(_tenant(tenant, judge)) for tenant in tenants)
    return f'{head[:-1]},"tenants":[{encoded}]}}'.encode()


def _encode(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _tenant(tenant: TenantOverview, judge: Judge) -> dict[str, Any]:
    return {
        "tenant_id": tenant.tenant_id,
        "slug": tenant.slug,
        "name": tenant.name,
        "schema_name": tenant.schema_name,
        "state": tenant.state,
        "backups": tenant.backups,
        "stored_bytes": tenant.stored_bytes,
        "newest_backup_at": _time(taken_at(tenant)),
        "freshness": judge.freshness(tenant),
        "verdict": tenant.verdict,
        "latest": _latest(tenant.latest) if tenant.latest else None,
        "proof": _proof(tenant.proof) if tenant.proof else None,
        "proof_age": judge.proof(tenant),
        "problem": tenant.problem,
    }


def _latest(latest: LatestBackup) -> dict[str, Any]:
    return {
        "backup_id": latest.backup_id,
        "taken_at": _time(latest.taken_at),
        "finished_at": _time(latest.finished_at),
        "rows": latest.rows,
        "plain_bytes": latest.plain_bytes,
        "stored_bytes": latest.stored_bytes,
        "backup_seconds": latest.backup_seconds,
        "encrypted": latest.encrypted,
    }


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "backup_id": proof.backup_id,
        "taken_at": _time(proof.taken_at),
        "verified_at": _time(proof.verified_at),
        "restore_seconds": proof.restore_seconds,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
