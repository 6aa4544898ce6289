"""The names a copy of a tenant must not hold, and what it holds instead."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from agentarmy_ops.archive.difference import entry_name
from agentarmy_ops.archive.fingerprint import text
from agentarmy_ops.archive.toc import TableOfContents, TocEntry
from agentarmy_ops.backups.manifest import TenantFacts

COMMENT = b"COMMENT"
# Where the old names can be replaced.
MENDED = frozenset({b"FUNCTION", b"PROCEDURE", b"POLICY"})


@dataclass(frozen=True)
class Renaming:
    """Old names and the new one of each; names are in small letters."""

    names: Mapping[str, str]

    @classmethod
    def of(cls, old: TenantFacts, new: TenantFacts) -> "Renaming":
        """What a copy of ``old`` is called as ``new``: its schema, and its id where that is
        another one."""
        names = {old.schema_name: new.schema_name, **cls.of_id(old, new).names}
        return cls(names)

    @classmethod
    def of_id(cls, old: TenantFacts, new: TenantFacts) -> "Renaming":
        """The id alone, in the two forms that PostgreSQL reads; nothing where it is kept."""
        if old.id == new.id:
            return cls({})
        return cls({str(old.id): str(new.id), old.id.hex: new.id.hex})

    def _pattern(self) -> re.Pattern[str]:
        words = "|".join(map(re.escape, self.names)) or "(?!)"
        # A whole word, or one after an escape of E'...'. SQL folds case where it is not quoted.
        return re.compile(rf"(?:(?<![\w$])|(?<=\\[bfnrt]))(?:{words})(?![\w$])", re.IGNORECASE)

    def apply(self, sql_text: str) -> str:
        """The text with each old name, as a whole word, replaced."""
        return self._pattern().sub(lambda found: self.names[found.group().lower()], sql_text)

    def is_in(self, sql_text: str) -> bool:
        """Whether the text has an old name as a whole word."""
        return self._pattern().search(sql_text) is not None

    def named_in(self, toc: TableOfContents, wanted: Callable[[TocEntry], bool]) -> Iterator[str]:
        """Of the wanted entries, those whose definition has an old name: ``TABLE users``."""
        for entry in toc.entries:
            if wanted(entry) and self.is_in(text(entry.definition)):
                yield entry_name(text(entry.desc), "", text(entry.tag))
