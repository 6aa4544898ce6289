"""What the dashboard shows of all tenants' backups, of the store, of Dagster and of the gateway."""

from agentarmy_ops_tests.deploy.panels import (
    ALL_IS_GOOD,
    NONE_IS_GOOD,
    Panel,
    Query,
    Row,
)
from agentarmy_ops_tests.deploy.queries import ACTIVE, age, failed, of_active, one, with_slug

_TARGET = 'max(agentarmy_{}_target_seconds{{job="$job"}})'
FRESHNESS_TARGET = _TARGET.format("backup_freshness")
VERIFICATION_TARGET = _TARGET.format("verification_freshness")
RESTORE_TARGET = _TARGET.format("restore")
FRESH = of_active(one("agentarmy_backup_fresh"))
VERIFIED_AGE = of_active(age("agentarmy_backup_last_verified_timestamp_seconds"))
RESTORE = of_active(one("agentarmy_restore_proven_seconds"))

FLEET = Row(
    "Fleet",
    [
        Panel(
            "Tenants",
            "stat",
            "Tenants by state. Only active ones count in what follows.",
            [Query('max by (state) (agentarmy_tenants{job="$job"})', "{{state}}")],
            width=6,
            height=5,
        ),
        Panel(
            "Fresh",
            "stat",
            "Share of the active tenants, and the platform part, whose newest backup is younger "
            "than BACKUP_FRESHNESS_HOURS.",
            [Query(f"avg({FRESH})")],
            unit="percentunit",
            width=3,
            height=5,
            steps=ALL_IS_GOOD,
        ),
        Panel(
            "Proven",
            "stat",
            "Share of them whose newest verified backup is younger than "
            "VERIFICATION_FRESHNESS_DAYS.",
            [
                Query(
                    f"(count({VERIFIED_AGE} <= scalar({VERIFICATION_TARGET})) or vector(0))"
                    f" / count({ACTIVE})"
                )
            ],
            unit="percentunit",
            width=3,
            height=5,
            steps=ALL_IS_GOOD,
        ),
        Panel(
            "Verdict failed",
            "stat",
            "Active tenants whose newest verdict is: failed.",
            [Query(f"count({of_active(failed())}) or vector(0)")],
            width=3,
            height=5,
            steps=NONE_IS_GOOD,
        ),
        Panel(
            "No backup",
            "stat",
            "Active tenants of whom the store has nothing.",
            [
                Query(
                    f"count({ACTIVE} unless on (tenant_id) "
                    f"{one('agentarmy_backup_last_timestamp_seconds')}) or vector(0)"
                )
            ],
            width=3,
            height=5,
            steps=NONE_IS_GOOD,
        ),
        Panel(
            "Oldest proof",
            "stat",
            "Proven recovery point of the tenant that is worst off: the age of its newest verified "
            "backup.",
            [Query(f"max({VERIFIED_AGE})")],
            unit="s",
            width=3,
            height=5,
        ),
        Panel(
            "Slowest restore",
            "stat",
            "Proven recovery time of the tenant that takes longest.",
            [Query(f"max({RESTORE})")],
            unit="s",
            width=3,
            height=5,
        ),
        Panel(
            "Alerts",
            "table",
            "What fires now; docs/runbooks/alerts.md says what to do. Needs the rules.",
            [
                Query(
                    "max by (severity, alertname, slug, check) "
                    '(ALERTS{job="$job",alertname=~"AgentArmy.+",alertstate="firing"})'
                )
            ],
            width=8,
            columns={
                "severity": "Severity",
                "alertname": "Alert",
                "slug": "Tenant",
                "check": "Check",
            },
        ),
        Panel(
            "Oldest newest backups",
            "table",
            "The 20 active tenants whose newest backup is oldest.",
            [
                Query(
                    "sort_desc(topk(20, "
                    f"{with_slug(age('agentarmy_backup_last_timestamp_seconds'))}))"
                )
            ],
            unit="s",
            width=10,
            columns={"slug": "Tenant", "Value": "Age of the newest backup"},
        ),
        Panel(
            "Bad backups",
            "table",
            "Active tenants whose newest verdict is: failed.",
            [Query(with_slug(failed()))],
            width=6,
            columns={"slug": "Tenant"},
        ),
        Panel(
            "Fresh, over time",
            "timeseries",
            "Share of the active tenants with a fresh backup.",
            [Query(f"avg({FRESH})", "fresh")],
            unit="percentunit",
            width=12,
            limits={"min": 0, "max": 1},
        ),
        Panel(
            "Verdicts",
            "timeseries",
            "Tenants by newest verdict; none: no backup of it was verified yet, or a verification "
            "found nothing out.",
            [
                Query(
                    "count by (verdict) (max by (tenant_id, verdict) "
                    '(agentarmy_backup_verdict{job="$job"}))',
                    "{{verdict}}",
                )
            ],
            width=12,
        ),
        Panel(
            "Proven restore time",
            "timeseries",
            "How the proven restore times of active tenants are distributed, and the target.",
            [
                Query(f"quantile(0.5, {RESTORE})", "median"),
                Query(f"quantile(0.95, {RESTORE})", "95 %"),
                Query(f"max({RESTORE})", "slowest"),
                Query(RESTORE_TARGET, "target"),
            ],
            unit="s",
            width=12,
        ),
        Panel(
            "Slowest restores",
            "bargauge",
            "The 10 active tenants whose restore takes longest.",
            [
                Query(
                    f"sort_desc(topk(10, {with_slug(one('agentarmy_restore_proven_seconds'))}))",
                    "{{slug}}",
                )
            ],
            unit="s",
            width=12,
        ),
    ],
)

STORE = Row(
    "Store",
    [
        Panel(
            "Size",
            "timeseries",
            "All objects of the backup store.",
            [Query('max(agentarmy_store_bytes{job="$job"})', "stored")],
            unit="bytes",
        ),
        Panel(
            "Growth per day",
            "timeseries",
            "By how much the store grows in a day, if it goes on as in the last.",
            [Query('86400 * max(deriv(agentarmy_store_bytes{job="$job"}[1d]))', "growth")],
            unit="bytes",
        ),
        Panel(
            "Compression",
            "timeseries",
            "Bytes before compression for each byte stored, over the newest backups of all.",
            [
                Query(
                    f"sum({one('agentarmy_backup_plain_bytes')})"
                    f" / sum({one('agentarmy_backup_stored_bytes')})",
                    "ratio",
                )
            ],
        ),
        Panel(
            "Largest tenants",
            "bargauge",
            "The 10 tenants whose backups, all together, take most space.",
            [
                Query(
                    f"sort_desc(topk(10, {with_slug(one('agentarmy_backups_stored_bytes'))}))",
                    "{{slug}}",
                )
            ],
            unit="bytes",
        ),
        Panel(
            "Throughput of a dump",
            "timeseries",
            "Bytes before compression per second, of the newest dump that tenants shared.",
            [Query('max(agentarmy_batch_throughput_bytes_per_second{job="$job"})', "throughput")],
            unit="Bps",
            width=12,
        ),
        Panel(
            "Tenants in a dump",
            "timeseries",
            "How many tenants shared the newest dump.",
            [Query('max(agentarmy_batch_tenants{job="$job"})', "tenants")],
            width=12,
        ),
    ],
)

DAGSTER = Row(
    "Dagster",
    [
        Panel(
            "Runs",
            "table",
            "Runs in Dagster's storage, however old, by job and status.",
            [Query('max by (job_name, status) (agentarmy_dagster_runs{job="$job"})')],
            columns={"job_name": "Job", "status": "Status", "Value": "Runs"},
        ),
        Panel(
            "Runs within an hour",
            "timeseries",
            "How many runs more than an hour ago have a status.",
            [
                Query(
                    "clamp_min(sum by (status) (max by (job_name, status) "
                    '(delta(agentarmy_dagster_runs{job="$job"}[1h]))), 0)',
                    "{{status}}",
                )
            ],
        ),
        Panel(
            "Queue",
            "timeseries",
            "Runs that wait to be started.",
            [Query('max(agentarmy_dagster_queued_runs{job="$job"})', "queued")],
        ),
        Panel(
            "Longest wait",
            "timeseries",
            "How long the run has been waiting that waits longest; nothing when none does.",
            [
                Query(
                    "time() - "
                    'min(agentarmy_dagster_oldest_queued_run_timestamp_seconds{job="$job"})',
                    "waiting",
                )
            ],
            unit="s",
        ),
        Panel(
            "Silence of daemons",
            "timeseries",
            "Time since the last sign of life. They give one every 30 seconds.",
            [
                Query(
                    "time() - max by (daemon) "
                    '(agentarmy_dagster_daemon_heartbeat_timestamp_seconds{job="$job"})',
                    "{{daemon}}",
                )
            ],
            unit="s",
            width=8,
        ),
        Panel(
            "Silence of health sensors",
            "timeseries",
            "Time since they looked last.",
            [
                Query(
                    "time() - max by (sensor) "
                    '(agentarmy_health_checked_timestamp_seconds{job="$job"})',
                    "{{sensor}}",
                )
            ],
            unit="s",
            width=8,
        ),
        Panel(
            "Health problems",
            "table",
            "What the health sensors find wrong now; the tenant by its id.",
            [Query('max by (check, tenant_id) (agentarmy_health_problem{job="$job"})')],
            columns={"check": "Check", "tenant_id": "Tenant"},
            width=8,
        ),
    ],
)

_REQUESTS = 'http_requests_total{job="$job"}'

GATEWAY = Row(
    "Gateway",
    [
        Panel(
            "Requests",
            "timeseries",
            "Requests per second by status.",
            [
                Query(
                    f"sum by (status_code) (rate({_REQUESTS}[$__rate_interval]))", "{{status_code}}"
                )
            ],
            unit="reqps",
        ),
        Panel(
            "Errors",
            "timeseries",
            "Share of the requests, probes left out, that the gateway failed to answer.",
            [
                Query(
                    '(sum(rate(http_requests_total{job="$job",endpoint!~"/health.*",'
                    'status_code=~"5.."}[$__rate_interval])) or vector(0)) / '
                    'sum(rate(http_requests_total{job="$job",endpoint!~"/health.*"}'
                    "[$__rate_interval]))",
                    "errors",
                )
            ],
            unit="percentunit",
        ),
        Panel(
            "Latency",
            "timeseries",
            "Time to the last byte of an answer: median, and what 99 of 100 stay below.",
            [
                Query(
                    f"histogram_quantile({quantile}, sum by (le) (rate("
                    'http_request_duration_seconds_bucket{job="$job",method!="WEBSOCKET"}'
                    "[$__rate_interval])))",
                    legend,
                )
                for quantile, legend in ((0.5, "median"), (0.99, "99 %"))
            ],
            unit="s",
        ),
        Panel(
            "Refused",
            "timeseries",
            "Requests that the gateway refused because of who sent them, or how, by reason.",
            [
                Query(
                    "sum by (reason) (increase("
                    'agentarmy_gateway_auth_failures_total{job="$job"}[$__rate_interval]))',
                    "{{reason}}",
                )
            ],
        ),
        Panel(
            "Reading of the fleet",
            "timeseries",
            "How long it takes the gateway to read registry and store, and how old its last "
            "reading is.",
            [
                Query('max(agentarmy_fleet_read_duration_seconds{job="$job"})', "duration"),
                Query('time() - max(agentarmy_fleet_read_timestamp_seconds{job="$job"})', "age"),
            ],
            unit="s",
            width=24,
        ),
    ],
)
