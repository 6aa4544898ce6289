"""Secrets in text, in every shape in which they occur."""

import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentarmy_ops.observability.secret_text import (
    FILTERED,
    LONGEST_TEXT,
    SecretText,
    hide_literals,
    is_secret_name,
)

text = SecretText()

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl"
AGE = "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQS"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("cannot open postgresql://app:hunter2@db:5432/x?sslmode=require", "hunter2"),
        ("postgresql://app:p/w@x:y@db/x", "p/w@x:y"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
        ("http://publickey@o1.ingest.sentry.io/42", "publickey"),
        ("slack://TokenA/TokenB/TokenC", "TokenB"),
        ("mailto://me:hunter2@mail.example?to=a@b.example", "hunter2"),
        ("POST https://hooks.slack.com/services/T0/B0/XyZ failed", "XyZ"),
        ("POST https://chat.example/api/webhooks/1/AbC failed", "AbC"),
        ("host=db user=app password=hunter2 dbname=x", "hunter2"),
        (r"host=db password = 'it\'s hunter2' dbname=x", "hunter2"),
        ("PGPASSWORD=hunter2 pg_dump", "hunter2"),
        ("{'password': 'hunter2', 'user': 'app'}", "hunter2"),
        ('{"token": "hunter2"}', "hunter2"),
        (r"{\"api_key\": \"hunter2 and more\"}", "hunter2 and more"),
        ("GET /x?token=hunter2&page=1", "hunter2"),
        ("Authorization: Bearer hunter2", "hunter2"),
        ("authorization: Token token-hunter2 more-hunter2", "more-hunter2"),
        ("sent Bearer hunter2, refused", "hunter2"),
        ("Cookie: a=hunter2; b=hunter3", "hunter3"),
        ("Set-Cookie: session=hunter2; HttpOnly; other=hunter3", "hunter3"),
        (f"X-Goog-IAP-JWT-Assertion: {JWT}", JWT),
        (f"bad assertion {JWT}", "c2lnbmF0dXJl"),
        (f"key {AGE} is bad", AGE),
        (f"key {AGE.lower()} is bad", AGE.lower()),
        (f"read\n{PEM}\nthen", "MIIEvQ"),
        (f"read\n{PEM[:60]}", "MIIEvQ"),
        ("ALTER ROLE app PASSWORD 'hunter2'", "hunter2"),
        ("ALTER ROLE app PASSWORD 'it''s hunter2'", "hunter2"),
        ("run --password hunter2 now", "hunter2"),
        ("['--api-token', 'hunter2']", "hunter2"),
        ("the key sk-live-0123456789abcdef-x", "abcdef-x"),
        ("xoxb-123456789012-abcdef", "abcdef"),
        ("ghp_abcdefghijklmnopqrst", "abcdefgh"),
        ("AIzaSyA-1234567890abcdefghijklmn", "1234567890"),
        ("ya29.a0Ab_cd-ef", "a0Ab"),
        ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "aGFzaA"),
        ("SCRAM-SHA-256$4096:c2FsdA==$a2V5:c2VydmVy", "c2VydmVy"),
        ("ERROR: x\nDETAIL:  Key (email)=(me@example.com) already exists.", "me@example.com"),
        ("Key (email)=(me@example.com) already exists.", "me@example.com"),
        ("Failing row contains (1, me@example.com, null).", "me@example.com"),
        ('invalid input syntax for type uuid: "me@example.com"', "me@example.com"),
        ("CONTEXT:  COPY users, line 1, column email: me@example.com", "me@example.com"),
        ("unnamed portal with parameters: $1 = 'me@example.com'", "me@example.com"),
    ],
)
def test_a_secret_is_taken_out(line: str, secret: str) -> None:
    assert secret in line
    assert secret not in text(line)
    assert FILTERED in text(line)


@pytest.mark.parametrize(
    "line",
    [
        "tenant acme has no schema tenant_acme",
        'password authentication failed for user "app"',
        "cannot connect to app@127.0.0.1:5432/x: connection refused",
        "AssertionError: expected 5",
        "SecretNotFoundError: there is none",
        "https://example.com/docs/restore.md#before",
        "gs://bucket/tenants/acme/20261123T021503Z-7f3a9c/manifest.json",
        "the session was ended; a token bucket is full",
        "Context: the tenant's backup. Detail: none",
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert text(line) == line


def test_who_and_where_stay_readable() -> None:
    assert text("postgresql://app:hunter2@db:5432/x") == f"postgresql://{FILTERED}@db:5432/x"
    assert text("host=db password=hunter2 dbname=x") == f"host=db password={FILTERED} dbname=x"
    assert text("slack://a/b/c failed") == f"slack://{FILTERED} failed"


# From six characters on; shorter ones are too likely parts of words.
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=6, max_size=40)


@given(secret=SECRETS, before=st.text(max_size=20), after=st.text(max_size=20))
@example(secret="100% sure/é", before="x", after="y")
@example(secret="quote'quote\"", before="", after="")
def test_a_known_secret_is_taken_out_however_it_is_written(
    secret: str, before: str, after: str
) -> None:
    known = SecretText([secret])
    for form in (secret, quote(secret, safe=""), json.dumps(secret), repr(secret)[1:-1]):
        assert form not in known(f"{before}{form}{after}")


def test_of_two_known_secrets_the_longer_goes_whole() -> None:
    assert SecretText(["secret-1", "secret-1-longer"])("a secret-1-longer b") == f"a {FILTERED} b"


def test_known_secrets_that_are_too_short_change_nothing() -> None:
    assert SecretText(["a", ""])("a banana") == "a banana"


# What libpq, a URL or a shell would write without quotes.
PLAIN = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\"\\@/:?#%&"),
    min_size=8,
    max_size=30,
).map(lambda body: f"Zq{body}")


@given(
    secret=PLAIN,
    shape=st.sampled_from(
        [
            "postgresql://user:{}@host/db",
            "password={} host=x",
            "password='{}' host=x",
            '{{"password": "{}"}}',
            "{{'admin_password': '{}'}}",
            "?token={}",
            "Authorization: Basic {}",
            "x-goog-iap-jwt-assertion: {}",
            "Cookie: session={}",
            "--secret {}",
            "json://user:{}@host",
        ]
    ),
    before=st.sampled_from(["", "a ", "error: ", "(", "\n", "a=b "]),
    after=st.sampled_from(["", " b", "\n", " and more"]),
)
def test_a_secret_of_a_telling_shape_is_taken_out(
    secret: str, shape: str, before: str, after: str
) -> None:
    assert secret not in text(before + shape.format(secret) + after)


def test_long_text_is_cut_between_words() -> None:
    """Half a URL does not tell that there was a password in it."""
    password = "hunter2" * 30
    line = "x" * (LONGEST_TEXT - 60) + f" postgresql://app:{password}@db/x"
    cut = text(line)
    assert len(cut) < LONGEST_TEXT
    assert "hunter2" not in cut
    assert cut.endswith("…")


@pytest.mark.parametrize(
    "unit",
    ["-", "--a-", "a", "a.", "password", "://:", "x://:", "http://", "'", '"\\', "token='", "eyJ",
     "Key (", "cookie", "bearer ", "\\", "$a$", " "],
)  # fmt: skip
def test_text_that_repeats_itself_is_no_trap(unit: str) -> None:
    """A pattern that tries again from each place would take minutes for some of these."""
    line = (unit * LONGEST_TEXT)[:LONGEST_TEXT]
    text(line)
    hide_literals(line)


def test_long_text_without_a_space_goes_whole() -> None:
    assert text("postgresql://app:" + "p" * LONGEST_TEXT) == "…"


@pytest.mark.parametrize(
    "name",
    [
        "password", "PGPASSWORD", "passwd", "passphrase", "api_key", "X-Api-Key", "Authorization",
        "Proxy-Authorization", "cookie", "Set-Cookie", "X-Goog-IAP-JWT-Assertion", "token",
        "metrics_token", "client_secret", "private_key", "sentry_dsn", "NOTIFY_URLS", "csrf",
        "sys.argv", "env", "session", "X-Goog-Signature", "identity", "auth",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["tenant_id", "job", "token_type", "max_tokens", "input_tokens", "environment", "author",
     "key", "partition_key", "passed", "run_id", "message"],
)  # fmt: skip
def test_names_of_what_is_no_secret(name: str) -> None:
    assert not is_secret_name(name)


def test_literals_of_sql_are_hidden() -> None:
    assert hide_literals("UPDATE users SET name = 'it''s me' WHERE id = 5") == (
        "UPDATE users SET name = '?' WHERE id = 5"
    )
    assert hide_literals("SELECT $a$secret$a$, $$x$$, 'cut off") == "SELECT '?', '?', '?'"
