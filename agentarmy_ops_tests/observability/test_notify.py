"""Messages to a real web server and a real mail server."""

import email
import json
import logging
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.message import Message
from textwrap import dedent
from typing import cast

import pytest
from pydantic import SecretStr

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.observability.notify import Notifier, Severity, summary
from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.fix_sentry import Received


class _Mailbox(socketserver.ThreadingTCPServer):
    """Speaks as much of SMTP as it takes to receive a letter."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.letters: list[Message] = []


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Mailbox)
        self._say("220 ready")
        for raw in self.rfile:
            command = raw.decode().strip().upper()
            if command.startswith("EHLO"):
                self._say("250-here\r\n250 AUTH PLAIN")
            elif command.startswith("AUTH"):
                self._say("235 welcome")
            elif command == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.letters.append(email.message_from_bytes(b"".join(lines)))
                self._say("250 kept")
            elif command == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 yes")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def mailbox() -> Iterator[_Mailbox]:
    with _Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def hook(webhook: Received, query: str = "") -> str:
    return f"json://user:hunter2@{webhook.address}/hook{query}"


def test_a_webhook_receives_the_message(webhook: Received) -> None:
    notifier = Notifier([hook(webhook)], environment="production")
    assert notifier.send("3 tenants\nfailed", "acme: no schema", Severity.WARNING)
    (body,) = webhook.bodies
    message = json.loads(body)
    assert message["title"] == "[production] 3 tenants\\nfailed"
    assert message["message"] == "acme: no schema"
    assert message["type"] == "warning"
    assert webhook.paths == ["/hook"]


def test_a_message_holds_no_secret(webhook: Received) -> None:
    settings = Settings(
        _env_file=None,
        notify_urls=SecretStr(hook(webhook)),
        redis_url=SecretStr("redis://:swordfish@cache"),
        metrics_token=SecretStr("m" * 32),
    )
    said = f"swordfish, {'m' * 32}, postgresql://app:hunter2@db/x, {hook(webhook)}"
    assert Notifier.from_settings(settings).send(said, f"it was\n{said}")
    message = json.loads(webhook.bodies[0])
    hidden = "[Filtered], [Filtered], postgresql://[Filtered]@db/x, [Filtered]"
    assert message["message"] == f"it was\n{hidden}"
    assert message["title"] == f"[development] {hidden}"


@pytest.mark.parametrize("severity", list(Severity))
def test_every_severity_is_known_to_apprise(webhook: Received, severity: Severity) -> None:
    assert Notifier([hook(webhook)]).send("t", "b", severity)
    assert json.loads(webhook.bodies[0])["type"] == severity.value


def test_a_failure_is_what_is_sent_unless_said_otherwise(webhook: Received) -> None:
    Notifier([hook(webhook)]).send("title", "b")
    message = json.loads(webhook.bodies[0])
    assert (message["type"], message["title"]) == ("failure", "title")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # where Apprise is first loaded
def test_a_letter_arrives(mailbox: _Mailbox) -> None:
    host, port = mailbox.server_address[:2]
    url = f"mailto://ops:hunter2@{host!s}:{port}?from=ops@example.com&to=me@example.com"
    assert Notifier([f"{url}&mode=insecure"]).send("acme failed", "no <schema>")
    (letter,) = mailbox.letters
    assert letter["Subject"] == "acme failed"
    assert letter["To"] == "me@example.com"
    texts = [
        part.get_payload(decode=True)
        for part in letter.walk()
        if part.get_content_type() == "text/plain"
    ]
    assert b"no <schema>" in b"".join(text for text in texts if isinstance(text, bytes))


def test_all_addresses_are_told_at_once(webhook: Received) -> None:
    """Were they told one after the other, the second would wait for the first."""
    webhook.hang.clear()
    notifier = Notifier([hook(webhook), hook(webhook)], timeout_seconds=30)
    sending = threading.Thread(target=notifier.send, args=["t", "b"])
    sending.start()
    webhook.wait(lambda: len(webhook.bodies) == 2)
    webhook.hang.set()
    sending.join()


def test_an_address_that_hangs_is_left_behind(
    webhook: Received, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.hang.clear()
    patient = hook(webhook, "?cto=60&rto=60")
    assert not Notifier([patient], timeout_seconds=0.05).send("acme failed", "b")
    assert any(thread.name == "notify" for thread in threading.enumerate())  # it still waits
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "NOTIFY_URLS: address 1 of 1 did not take the message 'acme failed'"
    ]


def test_one_that_fails_keeps_no_other_from_being_told(
    webhook: Received, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refusing = "json://user:hunter2@127.0.0.1:9/hunter2"
    notifier = Notifier([refusing, "nonsense://hunter2", hook(webhook)])
    assert not notifier.send("t", "b")
    assert len(webhook.bodies) == 1
    assert "address 1, 2 of 3" in caplog.text
    assert "hunter2" not in caplog.text


def test_whatever_goes_wrong_is_not_raised_and_not_quoted(
    webhook: Received, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert not Notifier([hook(webhook)]).send("t", "b", cast("Severity", "none of them"))
    assert "notification 1: AttributeError" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_server_that_refuses_counts_as_not_told(webhook: Received) -> None:
    webhook.status = 500
    assert not Notifier([hook(webhook)]).send("t", "b")


def test_a_long_body_is_cut(webhook: Received) -> None:
    Notifier([hook(webhook)]).send("t", "word " * 1000)
    message = json.loads(webhook.bodies[0])["message"]
    assert len(message) == 3000
    assert message.endswith("word…")


@pytest.mark.usefixtures("webhook")
def test_a_bad_address_is_named_by_its_place() -> None:
    Notifier(["json://localhost", "slack://TokenA/TokenB/TokenC"]).check()
    for bad in ("hunter2", "nonsense://hunter2", "slack://hunter2"):
        with pytest.raises(ConfigurationError) as caught:
            Notifier(["json://localhost", bad]).check()
        assert str(caught.value).startswith("NOTIFY_URLS: address 2 of 2 is not an Apprise URL; ")
        assert "hunter2" not in str(caught.value)


def test_with_nobody_to_tell_nothing_is_loaded() -> None:
    code = """
        import sys
        from agentarmy_ops.observability.notify import Notifier
        from agentarmy_ops.settings import Settings
        notifier = Notifier.from_settings(Settings(_env_file=None, notify_urls=None))
        notifier.check()
        assert notifier.send("t", "b") is True
        assert not notifier
        assert not {"apprise", "sentry_sdk", "dagster"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True, timeout=60)


def test_settings_say_whom_and_where() -> None:
    notifier = Notifier.from_settings(
        Settings(
            _env_file=None,
            notify_urls=SecretStr("json://a  mailto://b\n json://c,d"),
            gateway_url="https://ops.example/base/",
        )
    )
    assert len(notifier) == 3
    assert notifier
    assert notifier.run_link("a/b") == "https://ops.example/base/runs/a%2Fb"
    assert notifier.tenant_link("acme-eu") == "https://ops.example/base/fleet/acme-eu"
    assert notifier.fleet_link() == "https://ops.example/base/fleet"
    assert Notifier().fleet_link() is None


def test_a_summary_shows_the_first() -> None:
    lines = [f"line {number}" for number in range(12)]
    assert summary(lines, 10) == "\n".join([*lines[:10], "and 2 more"])
    assert summary(lines[:10], 10) == "\n".join(lines[:10])
    assert summary([]) == ""
