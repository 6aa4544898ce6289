"""Ways to damage stored backups: by editing files, as a disk or a person would."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from agentarmy_ops.archive.data import BLOCK_DATA, read_blocks
from agentarmy_ops.archive.primitives import encode_integer
from agentarmy_ops.archive.toc import TableOfContents, read_toc
from agentarmy_ops.errors import StoreError
from agentarmy_ops.postgres.tools import ClientTools
from agentarmy_ops.stores.base import Store
from agentarmy_ops_tests.fix_backups import Backups


def edit_manifest(backups: Backups, slug: str | None, change: Callable[[Any], None]) -> None:
    """Change the JSON of a manifest."""
    path = backups.path(backups.ref(slug).manifest)
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def replace_object(backups: Backups, slug: str, stored: bytes, *, adjust: bool) -> None:
    """Put other bytes in place of an archive; ``adjust``: the manifest tells their measure."""
    backups.path(backups.ref(slug).archive).write_bytes(stored)
    if adjust:

        def measure(document: Any) -> None:
            facts = document["archive"]
            facts["stored_bytes"] = len(stored)
            facts["sha256"] = hashlib.sha256(stored).hexdigest()

        edit_manifest(backups, slug, measure)


def plain_archive(backups: Backups, slug: str | None) -> bytes:
    """An archive as pg_dump wrote it."""
    stored = backups.path(backups.ref(slug).archive).read_bytes()
    return zstandard.ZstdDecompressor().decompressobj().decompress(stored)


def replace_archive(backups: Backups, slug: str, plain: bytes, *, adjust: bool) -> None:
    """Put another archive in place of one, compressed as backups are."""
    stored = zstandard.ZstdCompressor(write_checksum=True).compress(plain)
    replace_object(backups, slug, stored, adjust=adjust)
    if adjust:
        edit_manifest(backups, slug, lambda d: d["archive"].update(plain_bytes=len(plain)))


def split(plain: bytes) -> tuple[TableOfContents, bytes]:
    """The table of contents of an archive, and its data blocks."""
    _, toc = read_toc(io.BytesIO(plain))
    return toc, plain[len(toc.encode()) :]


def block_boundaries(plain: bytes) -> list[int]:
    """Where in an archive a data block begins, or the archive ends."""
    source, toc = read_toc(io.BytesIO(plain))
    found = [len(toc.encode())]
    for block in read_blocks(source, toc.header):
        assert not block.is_large_objects
        found.append(found[-1] + sum(len(piece.raw) for piece in block.pieces))
    return found


def block_of(toc: TableOfContents, table: str, rows: bytes) -> bytes:
    """A data block with other rows for a table."""
    (entry,) = (e for e in toc.entries if e.desc == b"TABLE DATA" and e.tag == table.encode())
    return b"".join(
        [
            bytes([BLOCK_DATA]),
            encode_integer(entry.dump_id),
            encode_integer(len(rows)),
            rows,
            encode_integer(0),
        ]
    )


class BrokenOnRead:
    """A store whose connection is lost after ``limit`` bytes of any archive."""

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with self._store.open(name) as stream:
            yield cast("BinaryIO", io.BufferedReader(_Lost(stream.read(self._limit))))


class _Lost(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self._data = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        if not self._data:
            raise StoreError("cannot read the object: the connection was reset")
        count = min(len(buffer), len(self._data))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


def tools_that_run(tools: ClientTools, folder: Path, statement: str) -> Path:
    """Client tools whose pg_restore goes on to run ``statement`` where it has restored."""
    says = f"pg_dump (PostgreSQL) {tools.major}.999"
    scripts = {
        "pg_dump": f'if [ "$1" = --version ]; then echo "{says}"; exit; fi\n'
        f'exec {tools.program("pg_dump")} "$@"',
        "pg_restore": f'{tools.program("pg_restore")} "$@" || exit\n'
        "for database; do :; done\n"
        f'{tools.program("psql")} "$database" -qc "{statement}" 2>/dev/null || true',
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder
