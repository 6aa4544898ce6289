import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from agentarmy_ops.web.graphql_guard import MAX_DEPTH, MAX_LENGTH, MAX_TOKENS
from agentarmy_ops_tests.web.dagster_site import (
    LIMIT,
    MUTATION,
    QUERY,
    DagsterSite,
    dagster_site,
    start,
)
from agentarmy_ops_tests.web.site import OPERATOR, VIEWER, bearer

_DISGUISED = [
    MUTATION,
    f"mutation {{ {LIMIT} }}",
    f"mutation{{{LIMIT}}}",
    f"\ufeff # query {{\n,,, mutation {{ {LIMIT} }}",
    f"{QUERY} {MUTATION}",
    f"{MUTATION} {QUERY}",
    f"{QUERY} mutation Change {{ ...Part }} fragment Part on Mutation {{ {LIMIT} }}",
    f'query Look($a: ID! = "}} {{ #") {{ runOrError(runId: $a) {{ __typename }} }} {MUTATION}',
    f"mutation Change($a: Boolean = true) {{ {LIMIT} @include(if: $a) }}",
]


@pytest.fixture(scope="module")
def dagster() -> Iterator[DagsterSite]:
    with dagster_site() as site:
        yield site


def _json(**body: Any) -> dict[str, Any]:
    return {"json": body}


def _text(body: object, content_type: str) -> dict[str, Any]:
    content = body if isinstance(body, str) else json.dumps(body)
    return {"content": content.encode(), "headers": {"Content-Type": content_type}}


def _ways(document: str) -> list[tuple[str, dict[str, Any]]]:
    """Every way that Dagster takes a query by HTTP: method, and what is sent."""
    query = {"params": {"query": document, "operationName": "Change"}}
    body = {"query": document, "operationName": "Change"}
    return [
        ("GET", query),
        ("POST", _json(**body)),
        ("POST", _json(**body, variables="{}")),
        ("POST", _text(body, "text/plain; application/json")),
        ("POST", _text(document, "application/graphql")),
        ("POST", {**_text(document, "application/graphql+x"), "params": {"query": QUERY}}),
        ("POST", query),
        ("POST", {**query, **_text("{}", "text/plain")}),
        ("POST", {**query, "data": {"query": QUERY}}),
        ("POST", {**_json(**body), "params": {"query": QUERY}}),
    ]


def _status(site: DagsterSite, token: str, way: tuple[str, dict[str, Any]]) -> int:
    method, arguments = way
    headers = {**arguments.get("headers", {}), **bearer(token)}
    return site.send(method, "/graphql", **{**arguments, "headers": headers}).status_code


def _refused() -> float:
    name = "agentarmy_gateway_auth_failures_total"
    return REGISTRY.get_sample_value(name, {"reason": "read_only"}) or 0


def test_viewers_mutation(dagster: DagsterSite) -> None:
    """Viewer: a mutation, by GET, JSON, `application/graphql`, or in the query string of a POST
    => 403"""
    refused = _refused()
    for way in _ways(MUTATION):
        assert _status(dagster, VIEWER, way) == 403, way
        assert not dagster.is_changed
    assert _refused() == refused + 10
    # All of them but GET are ways in for an operator, so that each was worth a try.
    by_operator = [_status(dagster, OPERATOR, way) for way in _ways(MUTATION)]
    assert by_operator == [405] + [200] * 9
    assert dagster.is_changed


def test_disguised_mutation(dagster: DagsterSite) -> None:
    """Viewer: a mutation after a query, in a fragment, behind comments or default values => 403"""
    for document in _DISGUISED:
        body = {"query": document, "operationName": "Change" if "Change" in document else None}
        answer = dagster.post("/graphql", json=body, headers=bearer(VIEWER))
        assert answer.status_code == 403, document
        # Which operation is named does not matter.
        answer = dagster.post("/graphql", json={"query": document}, headers=bearer(VIEWER))
        assert answer.status_code == 403, document
        assert not dagster.is_changed
        answer = dagster.post("/graphql", json=body, headers=bearer(OPERATOR))
        assert answer.json().get("data") == {"setConcurrencyLimit": True}, document
        assert dagster.is_changed


def test_viewers_websocket(dagster: DagsterSite) -> None:
    """Viewer: a mutation over the websocket, alone or beside a subscription => an error"""
    subscription = "subscription See { locationStateChangeEvents { event { message } } }"
    for document in (*_DISGUISED, f"{subscription} {MUTATION}"):
        with dagster.websocket(**bearer(VIEWER)) as websocket:
            answer = start(websocket, document, "Change")
        assert answer["type"] == "error"
        assert "viewers" in answer["payload"]["message"], document
    with dagster.websocket(**bearer(OPERATOR)) as websocket:
        assert start(websocket, MUTATION)["type"] == "error"  # Dagster's own answer
    assert not dagster.is_changed


def test_many_queries_at_once(dagster: DagsterSite) -> None:
    """A list of queries, or anything but an object with a text => 400, and nothing is executed"""
    for body in ([{"query": MUTATION}], [], "x", 1, None, {"query": [MUTATION]}, {"query": 1}):
        for token in (VIEWER, OPERATOR):
            way = ("POST", _text(json.dumps(body), "application/json"))
            assert _status(dagster, token, way) == 400, body
    for text in ("{", "[" * 100_000, '{"query": ' * 10_000, "\xff"):
        assert _status(dagster, VIEWER, ("POST", _text(text, "application/json"))) == 400
    assert not dagster.is_changed


def test_document_that_is_no_document(dagster: DagsterSite) -> None:
    """Viewer: a document that cannot be parsed, or is of another kind => 400"""
    for document in (
        "",
        "{",
        "mutation",
        "mutations { x }",
        "{ version } }",
        "type A { b: C }",
        "é",
    ):
        assert _status(dagster, VIEWER, ("POST", _json(query=document))) == 400, document


def test_parse_bomb(dagster: DagsterSite) -> None:
    """Viewer: a document of 100,000 brackets, or of 10,000 words => 400, before it is parsed"""
    deeper = f"deeper than {MAX_DEPTH}"
    for document, why in (
        ("{a" * 50_000, deeper),
        ("{a(b:" + "[" * 100_000, deeper),
        ("query($a:" + "[" * 100_000, deeper),
        ("#" * 100_000 + "\n" + "{a" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1), deeper),
        ("#\n" * (MAX_LENGTH // 2) + QUERY, f"{MAX_LENGTH} characters"),
        ("{" + "a " * MAX_TOKENS + "}", f"more than {MAX_TOKENS} tokens"),
    ):
        answer = dagster.post("/graphql", json={"query": document}, headers=bearer(VIEWER))
        assert why in answer.text
        assert answer.status_code == 400
        assert len(answer.content) < 1000
    for document in (
        "{" + " ".join(f"a{number}: version" for number in range(500)) + "}",
        "#" * (MAX_LENGTH - len(QUERY) - 1) + "\n" + QUERY,
    ):
        assert _status(dagster, VIEWER, ("POST", _json(query=document))) == 200


def test_reported_assets(dagster: DagsterSite) -> None:
    """Viewer: events reported at `/report_asset_…` => 403"""
    for name in ("materialization", "observation", "check"):
        for path in (f"/report_asset_{name}/a", f"/report_asset_{name}/a/"):
            answer = dagster.post(path, headers=bearer(VIEWER), params={"check_name": "c"})
            assert answer.status_code == 403
    assert not dagster.is_changed
    by_operator = dagster.post("/report_asset_materialization/a", headers=bearer(OPERATOR))
    assert by_operator.status_code == 200
    assert dagster.is_changed


def test_viewers_other_methods(dagster: DagsterSite) -> None:
    """Viewer: POST, PUT, PATCH, DELETE or another method anywhere => 403"""
    for path in (
        "/",
        "/graphql/",
        "/GRAPHQL",
        "/graphql;x",
        "/server_info",
        "/fleet",
        "/x/graphql",
    ):
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            answer = dagster.send(method, path, headers=bearer(VIEWER))
            assert answer.status_code == 403, (method, path)
    for method in ("PUT", "DELETE", "PATCH"):
        answer = dagster.send(method, "/graphql", headers=bearer(VIEWER))
        assert answer.status_code == 403, method


def test_link_that_changes(dagster: DagsterSite) -> None:
    """Operator: a link of another site to `/graphql?query=mutation…`, with the session => 405"""
    cookie = dagster.cookie()
    for extra in ({}, {"Accept": "*/*"}, {"Content-Type": "application/json"}):
        answer = dagster.get("/graphql", params={"query": MUTATION}, headers={**cookie, **extra})
        assert answer.status_code == 405
    # In a browser it is the page to try queries at, which runs none by itself.
    page = dagster.get(
        "/graphql", params={"query": MUTATION}, headers={**cookie, "Accept": "text/html"}
    )
    assert page.status_code == 200
    assert not dagster.is_changed
    assert dagster.get("/graphql", params={"query": QUERY}, headers=cookie).status_code == 200


def test_form_that_changes(dagster: DagsterSite) -> None:
    """Operator: a form of another site that posts a mutation, with the session => 403"""
    cookie = dagster.cookie()
    for way in _ways(MUTATION)[1:]:
        headers = {**way[1].get("headers", {}), **cookie, "Origin": "https://evil.example"}
        answer = dagster.post("/graphql", **{**way[1], "headers": headers})
        assert answer.status_code == 403
        headers = {**way[1].get("headers", {}), **cookie}
        assert dagster.post("/graphql", **{**way[1], "headers": headers}).status_code == 403
    assert not dagster.is_changed
    good = dagster.post(
        "/graphql", json={"query": MUTATION}, headers={**cookie, **dagster.own_page}
    )
    assert good.status_code == 200
    assert dagster.is_changed


def test_files_of_the_machine(dagster: DagsterSite) -> None:
    """Any file by `/logs/…` or `/notebook?path=…` => 400 or 404, for operators, too"""
    for path in (
        "/logs/..%2f..%2f..%2fetc/passwd",
        "/logs/../../etc/passwd",
        "/logs/%2fetc/passwd",
        "/logs//etc/passwd",
        "/logs/%2e%2e/x.out",
    ):
        assert dagster.raw(path, [*bearer(OPERATOR).items()]).status == 400, path
    for path in (
        "/logs/a/b/out",
        "/notebook?path=/x.ipynb&repoLocName=x",
        "/dagit/notebook?path=x",
    ):
        assert dagster.raw(path, [*bearer(OPERATOR).items()]).status == 404, path


def test_dagsters_own_lock(dagster: DagsterSite) -> None:
    """Viewer: what Dagster itself lets them do => nothing; its buttons are grey"""
    asked = {"query": "{ permissions { permission value } }"}

    def allowed(token: str) -> set[str]:
        answer = dagster.post("/graphql", json=asked, headers=bearer(token))
        permissions = answer.json()["data"]["permissions"]
        return {each["permission"] for each in permissions if each["value"]}

    assert allowed(VIEWER) == set()
    assert {"launch_pipeline_execution", "wipe_assets"} <= allowed(OPERATOR)
