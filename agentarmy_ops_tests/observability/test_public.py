"""What the application imports is light, and all there."""

import json
import subprocess
import sys

import pytest

from agentarmy_ops import observability

_USE = """
import json, sys
from agentarmy_ops import observability
before = sorted(sys.modules)
from agentarmy_ops.observability import *

async def app(scope, receive, send): ...

lookup = TenantLookup(lambda key: None)
RequestIdMiddleware(AccessLogMiddleware(MetricsMiddleware(TenantMiddleware(app, lookup=lookup))))
with track_llm_call("small-1") as call:
    call.count_tokens(prompt=1)
configure_logging("production")
assert not init_sentry(None, "production", service="x")
used = sorted(sys.modules)
TenantLookup.in_database("dbname=x")
print(json.dumps([before, used, sorted(sys.modules)]))
"""
_DATABASE = {"psycopg", "psycopg2", "sqlalchemy"}


def test_it_loads_neither_dagster_nor_more_than_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _USE], capture_output=True, text=True, check=True
    )
    before, used, in_the_end = (set(each) for each in json.loads(done.stdout))
    assert before.isdisjoint({"prometheus_client", "starlette", "pydantic", *_DATABASE})
    assert used.isdisjoint({"sentry_sdk", "fastapi", "uvicorn", *_DATABASE})
    assert in_the_end.isdisjoint({"dagster", "dagster_webserver", "psycopg2", "sqlalchemy"})
    assert "psycopg" in in_the_end


@pytest.mark.parametrize("name", observability.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(observability, name).__name__ == name


def test_all_names_are_listed_once_and_no_other_is_there() -> None:
    assert set(observability.__all__) == set(observability._MODULES)
    assert sorted(observability.__all__) == list(dict.fromkeys(sorted(observability.__all__)))
    with pytest.raises(AttributeError, match="no attribute 'Metrics'"):
        _ = observability.Metrics
