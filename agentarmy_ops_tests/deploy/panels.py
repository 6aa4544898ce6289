"""What a Grafana dashboard is made of (schema 39, Grafana 10.4 and newer), with few words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 39
WIDTH = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# A colour from each value on; the first is that of what is less.
Steps = Sequence[tuple[float | None, str]]
PLAIN: Steps = ((None, "blue"),)
NONE_IS_GOOD: Steps = ((None, "green"), (1, "red"))
ALL_IS_GOOD: Steps = ((None, "red"), (0.9, "orange"), (1, "green"))


@dataclass(frozen=True)
class Query:
    """A query and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel of ``width`` of the 24 columns; what it shows is said in ``description``.

    ``kind``: ``timeseries``, ``stat``, ``bargauge`` or ``table``. All but the first show the
    present moment. ``columns`` of a table: labels and the titles they get; ``Value`` is the value.
    ``shows_name``: of a stat, the name of its series in place of the value.
    """

    title: str
    kind: str
    description: str
    queries: Sequence[Query]
    unit: str = "short"
    width: int = 6
    height: int = 8
    steps: Steps = PLAIN
    columns: dict[str, str] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    shows_name: bool = False


@dataclass(frozen=True)
class Row:
    """Panels below a title, from left to right."""

    title: str
    panels: Sequence[Panel]


def dashboard(title: str, uid: str, rows: Sequence[Row], **others: Any) -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        position = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": position,
                "panels": [],
            }
        )
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            position = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            panels.append({"id": len(panels) + 1, "gridPos": position, **_panel(panel)})
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return {
        "id": None,
        "uid": uid,
        "title": title,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "utc",
        "panels": panels,
        **others,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": [
            _target(query, chr(ord("A") + number), panel)
            for number, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind] | ({"textMode": "name"} if panel.shows_name else {}),
        "transformations": [_organize(panel.columns)] if panel.columns else [],
    }


def _target(query: Query, ref: str, panel: Panel) -> dict[str, Any]:
    instant = panel.kind != "timeseries"
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if panel.kind == "table" else "time_series",
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"value": value, "color": color} for value, color in panel.steps]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        **panel.limits,
    }
    if panel.kind == "timeseries":
        defaults["custom"] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
    return defaults


def _organize(columns: dict[str, str]) -> dict[str, Any]:
    """Show these columns, in this order, and no others."""
    return {
        "id": "organize",
        "options": {
            "excludeByName": {
                name: True
                for name in ("Time", "Value", "job", "tenant_id", "slug", "state")
                if name not in columns
            },
            "indexByName": {name: place for place, name in enumerate(columns)},
            "renameByName": columns,
        },
    }


_REDUCED = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": _REDUCED,
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
        "orientation": "auto",
        "justifyMode": "auto",
    },
    "bargauge": {"reduceOptions": _REDUCED, "orientation": "horizontal", "displayMode": "basic"},
    "table": {"showHeader": True, "cellHeight": "sm"},
}
