"""Take secrets out of text: by their shape, by the name before them, and those that are known.

Rather too much is taken out than too little: what a message means is in its other words.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

FILTERED = "[Filtered]"
LONGEST_TEXT = 8_192
# A shorter one is too likely to be part of a word.
_SHORTEST_KNOWN = 6
_SHORT, _REMEMBERED = 500, 5000

# What a value's name holds where the value is a secret.
_NAMES = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|credential|authori[sz]ation|cookie|csrf|session"
    r"|assertion|signature|dsn|(?:notify|webhook)[_-]?urls?"
    r"|(?:api|private|secret|access|encryption|signing|recovery|master|client|account)[_.-]?key"
)
_NAME = re.compile(rf"{_NAMES}|^(?:pass|auth|jwt|identity|environ|env|argv|sys\.argv)$", re.I)
# Names like those above that say how many, or which kind.
_HARMLESS_NAME = re.compile(r"(?:^|[._-])(?:tokens|token_type|token_count)(?:[._-]|$)", re.I)

# An exception's class may be named for what it is about.
_NO_ERROR = r"(?!\w{0,40}(?:Error|Exception|Warning)\b)"
_QUOTED = r"\"(?:[^\"\\]|\\.|\"\")*\"?|'(?:[^'\\]|\\.|'')*'?"
_SHOWN_SCHEMES = "https?|postgres(?:ql)?|redis|rediss|unix|gs|sm|s3|file|wss?|tcp|grpc|ssh|git|ftp"

# Each begins at few places and looks on for a bounded length: a log may hold a line of dashes.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I | re.S), replacement)
    for pattern, replacement in (
        (r"AGE-SECRET-KEY-[A-Z0-9-]+", FILTERED),
        (
            r"-----BEGIN [A-Z0-9 ]*(?:PRIVATE|SECRET)[A-Z0-9 ]*-----.*?(?:-----END[^-]*-----|\Z)",
            FILTERED,
        ),
        (r"\beyJ[\w-]{8,}(?:\.[\w-]*)*", FILTERED),  # JWT
        (r"\b(?:sk|pk|rk)[-_][\w-]{16,}|\bxox[a-z]-[\w-]{8,}|\bgh[a-z]_\w{16,}", FILTERED),
        (r"\bAIza[\w-]{20,}|\bya29\.[\w.-]+|\b(?:AKIA|ASIA)[A-Z0-9]{12,}", FILTERED),
        (r"\$argon2\w*\$[^\s\"']+|SCRAM-SHA-256\$[^\s\"']+", FILTERED),  # hashes of passwords
        # Up to the end of the line: several follow each other.
        (
            r"((?:set-)?cookie|(?:proxy-)?authori[sz]ation|x-goog-iap-jwt-assertion)"
            r"(\\*[\"']?\s{0,3}[:=,])[^\r\n]+",
            rf"\1\2 {FILTERED}",
        ),
        (r"\b(bearer|basic|digest)\s+[^\s\"',;]+", rf"\1 {FILTERED}"),
        # A chat's webhook is a secret as a whole, and so is what is after a service's own scheme.
        (r"\b(https?://)[^\s\"']{0,120}hook[^\s\"']*", rf"\1{FILTERED}"),
        (
            rf"\b(?!(?:{_SHOWN_SCHEMES})://)([a-z][a-z0-9+.-]{{1,20}})://[^\s\"']+",
            rf"\1://{FILTERED}",
        ),
        # User and password, of which either may be a token; a password may hold "/" and "@".
        (r"(://)(?:[^\s/@:]{0,200}:\S{0,2000}|[^\s/@]{1,2000})@", rf"\1{FILTERED}@"),
        (
            rf"((?:{_NAMES}){_NO_ERROR}[\w.-]{{0,40}}\\*[\"']?\s{{0,3}}[=:]\s{{0,3}})"
            rf"(?:\\*(?:{_QUOTED})|\S+)",
            rf"\1{FILTERED}",
        ),
        (
            rf"((?<![\w-])--?[\w-]{{0,60}}(?:{_NAMES})[\w-]{{0,40}}[\"']?,?\s+)(?:{_QUOTED}|\S+)",
            rf"\1{FILTERED}",
        ),
        (rf"((?:PASSWORD|IDENTIFIED BY)\s+)(?:{_QUOTED})", rf"\1{FILTERED}"),
        # PostgreSQL shows values of rows.
        (r"((?-i:DETAIL|CONTEXT|parameters):)[^\r\n]*", rf"\1 {FILTERED}"),
        (r"(\bKey \([^)]*\)=)\([^\r\n]*\)", rf"\1({FILTERED})"),
        (r"(Failing row contains )\([^\r\n]*", rf"\1({FILTERED})"),
        (r"(invalid input syntax for [^:\r\n]*: )[^\r\n]*", rf"\1{FILTERED}"),
    )
)

_SQL_LITERAL = re.compile(r"\$(\w*)\$.*?(?:\$\1\$|\Z)|'(?:[^'\\]|\\.|'')*'?", re.S)


def is_secret_name(name: str) -> bool:
    """Whether a value of that name (of a header, a variable, a field) is not to be shown."""
    return bool(_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def hide_literals(statement: str) -> str:
    """SQL without its string literals."""
    return _SQL_LITERAL.sub("'?'", statement)


class SecretText:
    """Takes secrets out of text."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """``known`` are secrets to be found wherever they are, also without a telling shape."""
        forms = {form for secret in known for form in _forms(secret)}
        longest_first = sorted((f for f in forms if len(f) >= _SHORTEST_KNOWN), key=len)[::-1]
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        # Events of a process repeat each other: the same lines of code, the same log.
        self._remembered = lru_cache(_REMEMBERED)(self._filter)

    def __call__(self, text: str) -> str:
        """The text with ``[Filtered]`` in place of secrets, cut to :data:`LONGEST_TEXT`."""
        return self._remembered(text) if len(text) <= _SHORT else self._filter(text)

    def _filter(self, text: str) -> str:
        if self._known:
            text = self._known.sub(FILTERED, text)
        text = _cut(text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _forms(secret: str) -> set[str]:
    """How a secret is written: plain, in URLs, in JSON, in Python."""
    plain = {secret, unquote(secret)}
    return plain | {
        form
        for text in plain
        for form in (
            quote(text),
            quote(text, safe=""),
            quote_plus(text),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            repr(text)[1:-1],
        )
    }


def _cut(text: str) -> str:
    """Cut at a space, for half a secret has no telling shape."""
    if len(text) <= LONGEST_TEXT:
        return text
    head, space, _ = text[:LONGEST_TEXT].rpartition(" ")
    return f"{head}{space}…"
