"""Write ``deploy/grafana/dashboard.json``; a test compares it with what is there.

``python -m agentarmy_ops_tests.deploy.generate``, in the repository's folder.
"""

import json
from pathlib import Path
from typing import Any

from agentarmy_ops_tests.deploy.fleet_rows import DAGSTER, FLEET, GATEWAY, STORE
from agentarmy_ops_tests.deploy.panels import DATASOURCE, dashboard
from agentarmy_ops_tests.deploy.tenant_row import TENANT

DASHBOARD = Path("deploy") / "grafana" / "dashboard.json"


def _labels(name: str, label: str, query: str, values: str) -> dict[str, Any]:
    """A variable whose values are those of a label."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": f"label_values({query})", "refId": name},
        "definition": f"label_values({query})",
        "refresh": 2,  # whenever the range of time changes
        "sort": 1,
        "multi": False,
        "includeAll": False,
        "current": {"text": values, "value": values},
    }


def build() -> dict[str, Any]:
    """The dashboard."""
    datasource = {"name": "datasource", "label": "Data source", "type": "datasource"}
    return dashboard(
        "agentarmy-ops",
        "agentarmy-ops",
        [FLEET, STORE, DAGSTER, GATEWAY, TENANT],
        description="Backups of all tenants and their proof, and what makes them.",
        tags=["agentarmy-ops", "backups"],
        time={"from": "now-7d", "to": "now"},
        refresh="1m",
        annotations={"list": []},
        templating={
            "list": [
                {**datasource, "query": "prometheus", "refresh": 1},
                _labels("job", "Job", "agentarmy_build_info, job", "agentarmy-ops"),
                _labels("slug", "Tenant", 'agentarmy_tenant_info{job="$job"}, slug', "platform"),
            ]
        },
    )


def text() -> str:
    """The dashboard as it is stored."""
    return json.dumps(build(), indent=1) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(text())
