"""Where PostgreSQL may print one and the same object in two ways, and how to tell.

Seen with 16 and 18; each case has a file in ``agentarmy_ops_tests/hard_schema``.
"""

import re
from collections import Counter

_IDENTIFIER = rb'(?:"(?:[^"]|"")*"|[^\s".,;]+)'
_POLICY_ROLES = re.compile(
    rb"^(CREATE POLICY %(id)s ON %(id)s(?:\.%(id)s)?(?: AS RESTRICTIVE)?(?: FOR \w+)? TO )"
    rb"(%(id)s(?:, %(id)s)*)" % {b"id": _IDENTIFIER}
)
_ROLE = re.compile(_IDENTIFIER)
_ACL_DESCS = frozenset({b"ACL", b"DEFAULT ACL"})
_TOKEN = re.compile(
    # A cast, which is no token; only outside of quotes, for "::" may be inside of them.
    rb"::%(id)s(?:\.%(id)s)?(?: varying| precision| with(?:out)? time zone)?"
    rb"(?:\(\d+(?:,\d+)?\))?(?:\[\])*"
    rb"|('(?:[^']|'')*'|%(id)s|[^\s\w()])" % {b"id": rb'(?:"(?:[^"]|"")*"|\w+)'}
)


def canonical_definition(desc: bytes | None, definition: bytes) -> bytes:
    """The definition with sets in a fixed order.

    A server prints the grants of default privileges, and the roles of a policy, in the order
    of the roles' oids (``aclitemsort`` in acl.c; pg_dump.c reads ``polroles`` by a join), which
    is another one on every server.
    """
    if desc in _ACL_DESCS:
        return b";\n".join(sorted(definition.split(b";\n")))
    if desc == b"POLICY" and (found := _POLICY_ROLES.match(definition)):
        roles = b", ".join(sorted(_ROLE.findall(found.group(2))))
        return found.group(1) + roles + definition[found.end() :]
    return definition


def says_the_same(first: bytes, second: bytes) -> bool:
    """Whether two definitions differ in nothing but casts, parentheses, spaces and order.

    PostgreSQL prints ``varchar IN ('a', 'b')`` as ``(ARRAY['a'::varchar, …])::text[]``, reads
    that back as ``ARRAY[('a'::varchar)::text, …]``, and a table that inherits a column it had
    already gets its columns in another order. Necessary for equality, not sufficient: it is
    asked only of text that stays as it is from the second printing on.
    """

    def tokens(definition: bytes) -> Counter[bytes]:
        return Counter(token for token in _TOKEN.findall(definition) if token)

    return tokens(first) == tokens(second)
