"""The blocks of our Terraform files, read by their layout, which ``terraform fmt`` sees to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TERRAFORM = Path(__file__).parents[2] / "deploy/terraform"
_BLOCK = re.compile(r"^(\w+)((?: \"[^\"]+\")*) \{\n(.*?)^\}$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of the outermost level: ``kind "label" "label" { body }``."""

    kind: str
    labels: tuple[str, ...]
    body: str
    file: str

    def argument(self, name: str) -> str | None:
        """The text of an argument of the block itself that is written in one line."""
        found = re.search(rf"^  {name} += (.*)$", self.body, re.MULTILINE)
        return found[1] if found else None


def blocks(kind: str, folder: Path = TERRAFORM) -> Iterator[Block]:
    """All blocks of a kind, in the order of the files' names."""
    for path in sorted(folder.glob("*.tf")):
        for found in _BLOCK.finditer(path.read_text()):
            if found[1] == kind:
                labels = tuple(re.findall(r'"([^"]+)"', found[2]))
                yield Block(kind, labels, found[3], path.name)


def text(folder: Path = TERRAFORM) -> str:
    """All files, without comments."""
    lines = "\n".join(path.read_text() for path in sorted(folder.glob("*.tf"))).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))
