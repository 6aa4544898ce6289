import socket
from contextlib import closing

import pytest

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.web.server import is_loopback, listen, refuse_open_door
from agentarmy_ops_tests.web.site import TOKENS, settings_of


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_only_this_machine_can_reach(host: str) -> None:
    assert is_loopback(host)
    refuse_open_door(settings_of(), host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "10.0.0.1", "localhost.evil.example", "::ffff:10.0.0.1"],  # noqa: S104
)
def test_others_can_reach(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigurationError, match="GATEWAY_AUTH=none"):
        refuse_open_door(settings_of(), host)
    refuse_open_door(settings_of(**TOKENS), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_any_free_port(host: str) -> None:
    with closing(listen(host, 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection((host, port)).close()
        with pytest.raises(ConfigurationError, match=f"port {port}: Address already in use"):
            listen(host, port)
