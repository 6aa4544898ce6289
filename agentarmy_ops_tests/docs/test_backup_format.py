"""The fingerprint as ``docs/backup-format.md`` defines it, written anew from that page alone."""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import zstandard

from agentarmy_ops_tests.fix_backups import Lab

_ID = rb'(?:"(?:[^"]|"")*"|[^\s".,;]+)'
_POLICY = re.compile(
    rb"(CREATE POLICY %s ON %s(?:\.%s)?(?: AS RESTRICTIVE)?(?: FOR \w+)? TO )(%s(?:, %s)*)(.*)"
    % (_ID, _ID, _ID, _ID, _ID),
    re.DOTALL,
)


class _Entry(NamedTuple):
    dump_id: int
    tag: bytes
    desc: bytes
    definition: bytes
    copy: bytes
    namespace: bytes
    owner: bytes


class _Archive:
    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)
        assert self.stream.read(5) == b"PGDMP"
        self.version = tuple(self.stream.read(3))
        self.int_size, self.offset_size, _ = self.stream.read(3)
        self.stream.read(1) if self.version >= (1, 15) else self.integer()
        for _ in range(7):
            self.integer()
        for _ in range(3):
            self.string()

    def integer(self) -> int:
        sign, *digits = self.stream.read(1 + self.int_size)
        value = int.from_bytes(bytes(digits), "little")
        return -value if sign else value

    def string(self) -> bytes | None:
        length = self.integer()
        return None if length < 0 else self.stream.read(length)

    def entry(self) -> _Entry:
        dump_id, _ = self.integer(), self.integer()
        _, _, tag, desc = (self.string() for _ in range(4))
        self.integer()
        definition, _, copy, namespace, _, _ = (self.string() for _ in range(6))
        if self.version >= (1, 16):
            self.integer()
        owner, _ = self.string(), self.string()
        while self.string() is not None:
            pass
        self.stream.read(1 + self.offset_size)
        fields = (tag, desc, definition, copy, namespace, owner)
        return _Entry(dump_id, *(field or b"" for field in fields))

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        while kind := self.stream.read(1):
            assert kind == b"\1"
            dump_id, data = self.integer(), b""
            while length := self.integer():
                data += self.stream.read(length)
            yield dump_id, data


def _canonical(entry: _Entry) -> bytes:
    if entry.desc in (b"ACL", b"DEFAULT ACL"):
        return b";\n".join(sorted(entry.definition.split(b";\n")))
    if entry.desc == b"POLICY" and (found := _POLICY.match(entry.definition)):
        roles = sorted(re.findall(_ID, found.group(2)))
        return found.group(1) + b", ".join(roles) + found.group(3)
    return entry.definition


def _about_database(entry: _Entry) -> bool:
    attached = entry.desc in (b"ACL", b"COMMENT", b"SECURITY LABEL")
    return entry.desc in (b"DATABASE", b"DATABASE PROPERTIES") or (
        attached and entry.tag.startswith(b"DATABASE ")
    )


def _fingerprint(data: bytes) -> str:
    archive = _Archive(data)
    entries = [archive.entry() for _ in range(archive.integer())]

    def text(*values: bytes) -> tuple[str, ...]:
        return tuple(value.decode("utf-8", "backslashreplace") for value in values)

    lines: list[tuple[str | int, ...]] = []
    lines += sorted(
        (
            *text(entry.desc, entry.namespace, entry.tag, entry.owner),
            hashlib.sha256(_canonical(entry) + entry.copy).hexdigest(),
        )
        for entry in entries
        if not _about_database(entry)
    )
    by_id = {entry.dump_id: entry for entry in entries}
    tables: list[tuple[str | int, ...]] = []
    for dump_id, block in archive.blocks():
        assert block.endswith(b"\\.\n\n\n")
        rows, entry = block[:-5], by_id[dump_id]
        counted = rows.count(b"\n"), len(rows), hashlib.sha256(rows).hexdigest()
        tables.append((*text(entry.namespace, entry.tag), *counted))
    lines += sorted(tables, key=lambda line: (str(line[0]), str(line[1])))
    encoded = (json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return hashlib.sha256("".join(encoded).encode()).hexdigest()


@pytest.mark.parametrize("major", [16, 18])
def test_the_page_is_enough_to_compute_a_fingerprint(
    major: int, hard_labs: Callable[[int], Lab]
) -> None:
    lab = hard_labs(major)
    lab.add_hard_tenant("hard-plain")
    for manifest in (lab.back_up("hard-plain"), lab.back_up_platform()):
        with lab.store.open(manifest.archive.object_name) as stored:
            data = zstandard.ZstdDecompressor().stream_reader(stored).read()
        assert _fingerprint(data) == manifest.fingerprint.sha256
