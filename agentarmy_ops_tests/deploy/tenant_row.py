"""What the dashboard shows of one tenant."""

from agentarmy_ops_tests.deploy.panels import Panel, Query, Row
from agentarmy_ops_tests.deploy.queries import CHOSEN, age, one, with_slug


def _of_chosen(query: str, legend: str = "") -> Query:
    return Query(with_slug(query, CHOSEN), legend)


def _stat(title: str, description: str, query: Query, unit: str = "short") -> Panel:
    named = bool(query.legend)
    return Panel(
        title, "stat", description, [query], unit=unit, width=4, height=4, shows_name=named
    )


def _plot(title: str, description: str, unit: str, **metrics: str) -> Panel:
    queries = [_of_chosen(one(metric), legend) for legend, metric in metrics.items()]
    return Panel(title, "timeseries", description, queries, unit=unit)


TENANT = Row(
    "Tenant $slug",
    [
        _stat(
            "State",
            "active, inactive, offboarding, missing (its schema is gone) or unregistered.",
            Query(
                'max by (state) (agentarmy_tenant_info{job="$job",slug="$slug"})',
                "{{state}}",
            ),
        ),
        _stat(
            "Newest backup",
            "Its age.",
            _of_chosen(age("agentarmy_backup_last_timestamp_seconds")),
            "s",
        ),
        _stat(
            "Newest proven backup",
            "Its age: the proven recovery point.",
            _of_chosen(age("agentarmy_backup_last_verified_timestamp_seconds")),
            "s",
        ),
        _stat(
            "Proven",
            "How long ago that was verified.",
            _of_chosen(age("agentarmy_verification_last_timestamp_seconds")),
            "s",
        ),
        _stat(
            "Restore",
            "Proven recovery time: how long the restore of that backup took.",
            _of_chosen(one("agentarmy_restore_proven_seconds")),
            "s",
        ),
        _stat(
            "Verdict",
            "That on the newest backup which has one.",
            Query(
                'max by (tenant_id, verdict) (agentarmy_backup_verdict{job="$job"})'
                f" and on (tenant_id) {CHOSEN}",
                "{{verdict}}",
            ),
        ),
        _plot(
            "Size of a backup",
            "The newest backup, before compression and as it is stored.",
            "bytes",
            plain="agentarmy_backup_plain_bytes",
            stored="agentarmy_backup_stored_bytes",
        ),
        _plot("Rows", "Rows in the newest backup.", "short", rows="agentarmy_backup_rows"),
        _plot(
            "Time of a backup, and of a restore",
            "How long the newest backup took, and the restore of the newest verified one.",
            "s",
            backup="agentarmy_backup_duration_seconds",
            restore="agentarmy_restore_proven_seconds",
        ),
        Panel(
            "Backups in the store",
            "timeseries",
            "Complete ones.",
            [_of_chosen(one("agentarmy_backups"), "backups")],
        ),
        Panel(
            "How far back",
            "stat",
            "Age of the oldest backup.",
            [_of_chosen(age("agentarmy_backup_oldest_timestamp_seconds"))],
            unit="s",
            width=12,
            height=4,
        ),
        Panel(
            "Space",
            "stat",
            "All its backups together.",
            [_of_chosen(one("agentarmy_backups_stored_bytes"))],
            unit="bytes",
            width=12,
            height=4,
        ),
    ],
)
