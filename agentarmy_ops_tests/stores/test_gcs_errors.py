import requests
from google.api_core.exceptions import from_http_response
from google.auth.exceptions import RefreshError, TransportError

from agentarmy_ops.stores.gcs_errors import explain


def answer(status: int, body: str) -> Exception:
    """What the client raises of a server's answer."""
    response = requests.Response()
    response.status_code = status
    response._content = body.encode()
    response.request = requests.Request("PUT", "http://h/?upload_id=secret").prepare()
    error: Exception = from_http_response(response)
    return error


def test_credentials_that_were_refused() -> None:
    assert "Google refused the credentials; renew them" in explain(RefreshError("invalid_grant"))


def test_a_network_that_fails_while_credentials_are_fetched() -> None:
    message = explain(TransportError(requests.ConnectionError()))
    assert message.startswith("the connection failed (TransportError)")


def test_several_lines_of_the_server_are_one() -> None:
    body = '{"error": {"message": "no\\n access,\\n sorry."}}'
    assert explain(answer(403, body)).startswith("access was denied (no access, sorry);")


def test_an_answer_that_is_not_the_servers() -> None:
    message = explain(answer(502, "<html>a proxy's</html>"))
    assert message == "Cloud Storage answered 502: BadGateway; try again later"
