"""Write what the documentation repeats of the code; tests compare it with what is there.

``python -m agentarmy_ops_tests.docs.generate``, in the repository's folder.
"""

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.verdict import Verdict
from agentarmy_ops.offboarding.records import Certificate
from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.deploy.access import access_table
from agentarmy_ops_tests.docs.attacks import attacks_table

_HEAD = """\
# Every setting, with its default. All are optional: with none set, everything runs on embedded
# servers below AGENTARMY_HOME; ENVIRONMENT=production refuses that. Copy this file to .env and
# remove the # before what you change. More in docs/configuration.md.
#
# What other programs read (DAGSTER_HOME, PORT, ...) has no effect here: they read the environment
# only. docs/configuration.md lists it; make and agentarmy-ops do without.
"""
_TABLE = re.compile(r"(<!-- settings: begin[^\n]*-->\n).*(<!-- settings: end -->)", re.DOTALL)


def _default(field: FieldInfo) -> str:
    value = field.default.value if isinstance(field.default, Enum) else field.default
    return "" if value is None else str(value)


def _settings() -> Iterator[tuple[str, str, str]]:
    """Variable, default and description of each setting."""
    for name, field in Settings.model_fields.items():
        yield name.upper(), _default(field), field.description or ""


def env_example(_: str) -> str:
    """``.env.example``."""
    blocks = [_HEAD]
    for name, default, description in _settings():
        value = f'"{default}"' if " " in default else default
        blocks.append(f"{textwrap.indent(textwrap.fill(description, 98), '# ')}\n#{name}={value}\n")
    return "\n".join(blocks)


def settings_table(current: str) -> str:
    """``docs/configuration.md`` with its table of settings replaced."""
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, default, description in _settings():
        rows.append(f"| `{name}` | {f'`{default}`' if default else 'unset'} | {description} |")
    table = "\n".join(rows) + "\n"
    return _TABLE.sub(lambda found: found.group(1) + table + found.group(2), current)


def _schema(model: type[BaseModel]) -> Callable[[str], str]:
    def schema(_: str) -> str:
        content = model.model_json_schema(mode="serialization")
        dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        return json.dumps({**dialect, **content}, indent=2) + "\n"

    return schema


#: Path in the repository: its text, given what it holds now.
GENERATED: dict[str, Callable[[str], str]] = {
    ".env.example": env_example,
    "docs/configuration.md": settings_table,
    "docs/infrastructure.md": access_table,
    "docs/security.md": attacks_table,
    "docs/schemas/manifest.schema.json": _schema(Manifest),
    "docs/schemas/verdict.schema.json": _schema(Verdict),
    "docs/schemas/certificate.schema.json": _schema(Certificate),
}


def main() -> None:
    """Write all of :data:`GENERATED` below the working directory."""
    for name, generate in GENERATED.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generate(path.read_text() if path.exists() else ""))


if __name__ == "__main__":
    main()
