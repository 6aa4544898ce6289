"""Split an archive of many schemas, while it streams, into one complete archive for each.

Everything of a part is as pg_dump wrote it: header, entries (with the dump ids they have in the
whole) and data blocks are passed on byte for byte. pg_dump orders data by schema, so that as a
rule one part is written after the other.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from agentarmy_ops.archive.data import DataBlock, Sink, read_blocks
from agentarmy_ops.archive.describe import Describer, Description, unexpected
from agentarmy_ops.archive.placement import place_entries
from agentarmy_ops.archive.primitives import Readable
from agentarmy_ops.archive.toc import TableOfContents, read_toc


@dataclass
class Part:
    """The archive of one schema, which ``sink`` has received whole when it is yielded."""

    schema: str
    description: Description


@dataclass
class _OpenPart:
    """A part that data is still expected for."""

    schema: str
    toc: TableOfContents
    describer: Describer
    sink: Sink | None = None

    def write_to(self, open_sink: Callable[[str], Sink]) -> Sink:
        """The part's sink, opened and begun with the table of contents when first asked for."""
        if self.sink is None:
            self.sink = open_sink(self.schema)
            self.sink(memoryview(self.toc.encode()))
        return self.sink

    def finish(self, open_sink: Callable[[str], Sink]) -> Part:
        self.write_to(open_sink)
        return Part(self.schema, self.describer.finish())


def split(
    stream: Readable, schemas: Collection[str], open_sink: Callable[[str], Sink]
) -> Iterator[Part]:
    """Split the archive of ``stream`` by schema; yields each part as soon as its last byte went
    to the sink that ``open_sink(schema)`` gave.

    A schema that is not in the archive is not yielded. What a sink raises ends the split: a part
    that may fail without the others must not let its sink raise.

    Raises:
        ArchiveError: the archive is damaged or cut short; the parts yielded before are whole.
        PlacementError: an entry belongs to no schema of the dump, or to several.
    """
    source, toc = read_toc(stream)
    waiting: dict[str, _OpenPart] = {}
    parts_of: dict[int, list[_OpenPart]] = {}
    for schema, entries in place_entries(toc, schemas).items():
        own = toc.with_entries(entries)
        part = waiting[schema] = _OpenPart(schema, own, Describer(own))
        for entry in entries:
            if entry.has_dumper:
                parts_of.setdefault(entry.dump_id, []).append(part)
    header = toc.header
    del toc  # each part keeps its own entries, until it is done
    for schema in [name for name, part in waiting.items() if part.describer.is_complete]:
        yield waiting.pop(schema).finish(open_sink)
    for block in read_blocks(source, header):
        parts = parts_of.pop(block.dump_id, [])
        if not parts:
            raise unexpected(block)
        for part in parts:
            part.write_to(open_sink)
        _take(block, parts)
        for part in parts:
            if part.describer.is_complete:
                yield waiting.pop(part.schema).finish(open_sink)
        parts.clear()
    for part in waiting.values():
        part.describer.finish()  # raises: it lacks data


def _take(block: DataBlock, parts: list[_OpenPart]) -> None:
    """Read a block for the parts it belongs to: one, or, with large objects, all."""
    sinks = [part.sink for part in parts if part.sink is not None]

    def to_all(raw: memoryview) -> None:
        for sink in sinks:
            sink(raw)

    tables = parts[0].describer.take(block, sinks[0] if len(sinks) == 1 else to_all)
    for part in parts[1:]:
        part.describer.took(block.dump_id, tables)
