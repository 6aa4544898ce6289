"""Events, with secrets planted anywhere in them."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentarmy_ops.observability.secret_text import FILTERED, SecretText
from agentarmy_ops.observability.sentry_scrub import LARGEST_EVENT_BYTES, EventScrubber

SECRET = "Zq7-planted-hunter2"
scrubber = EventScrubber(SecretText())

# How a secret lies about: as text that tells, or below a name that tells.
PLANTED: list[Any] = [
    f"postgresql://app:{SECRET}@db/x",
    f"host=db password='{SECRET}'",
    f"Bearer {SECRET}",
    {"password": SECRET},
    {"Authorization": SECRET},
    {"X-Goog-IAP-JWT-Assertion": [SECRET]},
    {"env": {"HOME": SECRET}},
    {"api_key": {"nested": {"value": SECRET}}},
    {"pin_token": 12345678, "note": f"token={SECRET}"},
    ["Cookie", SECRET],
    ("authorization", SECRET),
    ["pg_dump", "--password", SECRET, "--verbose"],
    f"token={SECRET}".encode(),
    {f"postgresql://app:{SECRET}@db/x": 1},
    {f"token={SECRET}"},
    Exception(f"password={SECRET}"),
]
HARMLESS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
WORDS = st.text("abcdefgh_", min_size=1, max_size=8)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(HARMLESS, max_size=2).flatmap(
        lambda rest: inner.map(lambda item: [*rest, {"x": item}])
    ) | st.tuples(WORDS, inner, st.dictionaries(WORDS, HARMLESS, max_size=3)).map(
        lambda parts: {**parts[2], parts[0]: parts[1]}
    )


TREES = st.recursive(st.sampled_from(PLANTED), _around, max_leaves=6)
PLACES = [
    "extra", "contexts", "tags", "request", "breadcrumbs", "exception", "threads", "user",
    "message", "logentry", "spans", "modules", "transaction", "fingerprint", "anything",
]  # fmt: skip


@given(place=st.sampled_from(PLACES), tree=TREES)
def test_a_planted_secret_never_leaves(place: str, tree: Any) -> None:
    event = {"event_id": "1" * 32, "level": "error", place: tree}
    scrubbed = scrubber.event(event)
    assert SECRET not in json.dumps(scrubbed, default=str)
    assert "12345678" not in json.dumps(scrubbed, default=str)
    assert scrubbed["event_id"] == event["event_id"]


def test_an_event_as_the_sdk_makes_it_keeps_what_is_harmless() -> None:
    event = {
        "event_id": "1" * 32,
        "timestamp": datetime(2026, 11, 23, tzinfo=UTC),
        "tags": {"tenant_id": "a", "job": "backup_tenants"},
        "request": {
            "method": "POST",
            "url": "https://x.example/login",
            "query_string": f"next=/&token={SECRET}",
            "headers": {"Cookie": SECRET, "Host": "x.example"},
            "data": {"username": SECRET},
            "cookies": {"a": SECRET},
            "env": {"REMOTE_ADDR": SECRET},
        },
        "exception": {
            "values": [
                {
                    "type": "DatabaseError",
                    "value": "tenant acme has no schema",
                    "stacktrace": {"frames": [{"function": "run", "vars": {"x": SECRET}}]},
                }
            ]
        },
        "threads": {"values": [{"stacktrace": {"frames": [{"vars": {"x": SECRET}}]}}]},
        "stacktrace": {"frames": [{"lineno": 1, "vars": {"x": SECRET}}]},
        "extra": {"sys.argv": ["x", SECRET], "rows": 7, "ratio": 0.5, "on": True, "none": None},
    }
    scrubbed = scrubber.event(event)
    assert SECRET not in json.dumps(scrubbed, default=str)
    assert scrubbed["request"] == {
        "method": "POST",
        "url": "https://x.example/login",
        "query_string": f"next=/&token={FILTERED}",
        "headers": {"Cookie": FILTERED, "Host": "x.example"},
    }
    assert scrubbed["exception"] == {
        "values": [
            {
                "type": "DatabaseError",
                "value": "tenant acme has no schema",
                "stacktrace": {"frames": [{"function": "run"}]},
            }
        ]
    }
    assert scrubbed["tags"] == event["tags"]
    assert scrubbed["timestamp"] == event["timestamp"]
    assert scrubbed["stacktrace"] == {"frames": [{"lineno": 1}]}
    assert scrubbed["extra"] == {
        "sys.argv": FILTERED,
        "rows": 7,
        "ratio": 0.5,
        "on": True,
        "none": None,
    }


def test_a_secret_name_without_a_value_says_so() -> None:
    assert scrubber.value({"password": None}) == {"password": None}


def test_only_the_argument_after_the_option_is_hidden() -> None:
    assert scrubber.value(["pg_dump", "--password", "x1", "--verbose", "token", "x2", "x3"]) == [
        "pg_dump", "--password", FILTERED, "--verbose", "token", "x2", "x3",
    ]  # fmt: skip
    assert scrubber.value(["Host", "x.example"]) == ["Host", "x.example"]


def test_values_of_statements_are_hidden() -> None:
    statement = "SELECT 1 FROM users WHERE email = 'me@example.com'"
    scrubbed = scrubber.event(
        {
            "type": "transaction",
            "spans": [
                {"op": "db.query", "description": statement, "data": {"db.system": "postgresql"}},
                {"op": "http.client", "description": "GET 'x'"},
            ],
            "breadcrumbs": {"values": [{"category": "query", "message": statement}]},
        }
    )
    assert "me@example.com" not in json.dumps(scrubbed)
    assert scrubbed["spans"][0]["description"] == "SELECT 1 FROM users WHERE email = '?'"
    assert scrubbed["spans"][1]["description"] == "GET 'x'"


def test_an_event_that_is_too_large_loses_what_is_least_needed() -> None:
    crumbs = [{"message": "word " * 1000} for _ in range(100)]
    event = {
        "event_id": "1" * 32,
        "exception": {"values": [{"type": "X", "value": "kept"}]},
        "extra": {"small": 1},
        "breadcrumbs": {"values": crumbs},
    }
    scrubbed = scrubber.event(event)
    assert "breadcrumbs" not in scrubbed
    assert scrubbed["extra"] == {"small": 1}
    assert scrubbed["exception"] == event["exception"]
    assert len(json.dumps(scrubbed)) < LARGEST_EVENT_BYTES
    assert "breadcrumbs" in scrubber.event({**event, "breadcrumbs": {"values": crumbs[:3]}})


def test_an_event_that_cannot_be_read_leaves_without_its_contents() -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError(SECRET)

    scrubbed = scrubber.event({"event_id": "1" * 32, "level": "error", "extra": {"x": Broken()}})
    assert scrubbed == {
        "event_id": "1" * 32,
        "level": "error",
        "message": "an event that could not be read: ValueError",
    }


def test_a_tree_without_end_is_cut() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    assert FILTERED in json.dumps(scrubber.event({"extra": loop}))
