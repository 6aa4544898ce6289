"""Where a server is can be shown to anybody; the password to nobody."""

from pathlib import Path

import pytest

from agentarmy_ops.errors import ConfigurationError, DatabaseError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import session_options

SECRET = "p@ss:wo/rd?#%' \"\\ü"
QUOTED = "p%40ss%3Awo%2Frd%3F%23%25%27%20%22%5C%C3%BC"


@pytest.mark.parametrize(
    ("text", "params", "password", "shown"),
    [
        (
            f"postgresql://app:{QUOTED}@db.example.com:5433/live?sslmode=require",
            {
                "user": "app",
                "host": "db.example.com",
                "port": "5433",
                "dbname": "live",
                "sslmode": "require",
            },
            SECRET,
            "app@db.example.com:5433/live",
        ),
        (
            "postgres://app@/live?host=/var/run/postgresql",
            {"user": "app", "dbname": "live", "host": "/var/run/postgresql"},
            None,
            "app@/var/run/postgresql/live",
        ),
        (
            "postgresql://us%2Fer@%2Frun%2Fsocket/da%20ta",
            {"user": "us/er", "host": "/run/socket", "dbname": "da ta"},
            None,
            "us/er@/run/socket/da ta",
        ),
        (
            "host='my host' dbname=live password='it\\'s'",
            {"host": "my host", "dbname": "live"},
            "it's",
            "@my host/live",
        ),
        ("postgresql:///live", {"dbname": "live"}, None, "@localhost/live"),
    ],
)
def test_connection_strings_are_read(
    text: str, params: dict[str, str], password: str | None, shown: str
) -> None:
    conninfo = ConnInfo.parse(text)
    assert (dict(conninfo.params), conninfo.password) == (params, password)
    assert str(conninfo) == repr(conninfo) == shown
    assert ConnInfo.parse(conninfo.url) == conninfo
    assert ConnInfo.parse(conninfo.dsn) == ConnInfo(params)


def test_options_with_spaces_survive_the_way_into_a_url_and_back() -> None:
    conninfo = ConnInfo({"dbname": "x", "options": "-c a=1 -c b=c+d&e"}, SECRET)
    assert ConnInfo.parse(conninfo.url) == conninfo


@pytest.mark.parametrize(
    "text",
    [
        "mysql://app:hunter2@host/db",
        "postgresql://app:hunter2@[::1/db",
        "host=x password=hunter2 nonsense=1",
        "hunter2",
    ],
)
def test_what_cannot_be_read_is_never_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not a PostgreSQL") as caught:
        ConnInfo.parse(text, name="DATABASE_URL")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("keyword", ["sslpassword", "oauth_client_secret"])
def test_secrets_that_no_passfile_can_carry_are_refused(keyword: str) -> None:
    try:
        ConnInfo.parse(f"postgresql://x@h/d?{keyword}=hunter2", name="DATABASE_URL")
    except ConfigurationError as error:
        # An older libpq does not know the keyword at all.
        assert "DATABASE_URL" in str(error)
        assert "hunter2" not in str(error)
    else:
        pytest.fail("accepted")


def test_another_database_of_the_same_server() -> None:
    conninfo = ConnInfo.parse("postgresql://app:x@host/live")
    other = conninfo.with_params(dbname="other", user="backup")
    assert other == ConnInfo({"user": "backup", "host": "host", "dbname": "other"}, "x")
    assert conninfo.params["dbname"] == "live"


def test_a_server_that_is_gone_is_given_up(live_server: ConnInfo) -> None:
    with live_server.given_up_after(7).connect() as connection:
        limits = connection.info.get_parameters()
    assert limits["connect_timeout"] == "7"
    assert {"keepalives_idle", "keepalives_count", "tcp_user_timeout"} <= limits.keys()
    own = ConnInfo.parse("postgresql://app:x@host/live?connect_timeout=99&keepalives_idle=1")
    limited = own.given_up_after(7)
    assert (limited.params["connect_timeout"], limited.params["keepalives_idle"]) == ("99", "1")
    assert limited.password == "x"


def test_client_programs_get_a_passfile_that_only_we_can_read() -> None:
    conninfo = ConnInfo.parse(f"postgresql://app:{QUOTED}@host/live")
    with conninfo.client_arguments() as arguments:
        (argument,) = arguments
        params = ConnInfo.parse(argument.removeprefix("--dbname="))
        assert (params.password, params.params["user"]) == (None, "app")
        passfile = Path(params.params["passfile"])
        assert passfile.stat().st_mode & 0o777 == 0o600
        assert passfile.parent.stat().st_mode & 0o777 == 0o700
        escaped = SECRET.replace("\\", "\\\\").replace(":", "\\:")
        assert passfile.read_text("utf-8") == f"*:*:*:*:{escaped}\n"
        assert SECRET not in argument
    assert not passfile.parent.exists()


def test_without_a_password_there_is_no_passfile() -> None:
    with ConnInfo.parse("postgresql://app@host/live").client_arguments() as arguments:
        (argument,) = arguments
    assert ConnInfo.parse(argument.removeprefix("--dbname=")).params == {
        "user": "app",
        "host": "host",
        "dbname": "live",
    }


def test_the_passfile_goes_when_the_block_fails() -> None:
    conninfo = ConnInfo({"host": "h"}, SECRET)
    passfiles = []

    def fail() -> None:
        with conninfo.client_arguments() as (argument,):
            passfiles.append(Path(argument.split("passfile=")[1]))
            assert passfiles[0].exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not passfiles[0].exists()


def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    conninfo = ConnInfo({"host": str(tmp_path), "user": "app", "dbname": "live"}, SECRET)
    with pytest.raises(DatabaseError) as caught:
        conninfo.connect()
    message = str(caught.value)
    assert message.startswith(f"cannot connect to app@{tmp_path}/live: ")
    # What happened, and not libpq's question after it.
    assert message.endswith("No such file or directory")
    assert SECRET not in str(caught.getrepr(style="long"))


@pytest.mark.parametrize(
    "value", ["plain", "with space", "back\\slash", "tab\there", "\\ ", "a  b", "'quoted' \"x\""]
)
def test_session_options_reach_the_server_as_they_are(live_server: ConnInfo, value: str) -> None:
    options = session_options({"app.value": value, "lc_monetary": "C"})
    with live_server.connect(options=options) as connection:
        shown = connection.execute(
            "SELECT current_setting('app.value'), current_setting('lc_monetary'),"
            " current_setting('TimeZone'), current_setting('bytea_output')"
        ).fetchone()
    assert shown == (value, "C", "UTC", "hex")
