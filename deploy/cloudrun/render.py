#!/usr/bin/env python3
"""Write the files for gcloud: the templates beside this file, filled in for an environment.

    python deploy/cloudrun/render.py staging --image ...@sha256:... --output DIR

$NAME in a template is a value of environments/<environment>.env, or the image. A line that ends in
"# optional" stays only if the variable it sets is named in OPTIONAL. All files are written or none.
Needs nothing but Python 3.11. More in docs/cloud-run.md.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
_IMAGE = re.compile(r"[a-z0-9][a-z0-9./:_-]*[a-z0-9]@sha256:[0-9a-f]{64}")
_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
# Values are put between quotes or after a colon: none of them needs what YAML could read otherwise.
_VALUE = re.compile(r"[A-Za-z0-9@:/._,+-]*")
_OPTIONAL = re.compile(r"\s*- \{name: ([A-Z0-9_]+), .*\}  # optional")
_PLACEHOLDER = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)\}?")


class RefusedError(Exception):
    """Nothing was written; the message is one line that says why."""


def read_environment(file: Path) -> dict[str, str]:
    """The values of an ``.env`` file, as they stand there."""
    values: dict[str, str] = {}
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        raise RefusedError(f"there is no {file}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise RefusedError(f"{file.name}:{number}: expected NAME=value")
        name, value = match.groups()
        if name in values:
            raise RefusedError(f"{file.name}:{number}: {name} is there twice")
        if name != "OPTIONAL" and not _VALUE.fullmatch(value):
            raise RefusedError(f"{file.name}:{number}: {name} may not have quotes or spaces")
        values[name] = value
    return values


def render(templates: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The files by name.

    Raises:
        RefusedError: a placeholder has no value, a value no placeholder, or an optional variable
            is in no template.
    """
    wanted = set(values.get("OPTIONAL", "").split())
    offered: set[str] = set()
    used: set[str] = set()
    files: dict[str, str] = {}
    for name, text in templates.items():
        lines = []
        for number, line in enumerate(text.splitlines(), start=1):
            optional = _OPTIONAL.fullmatch(line)
            used.update(_PLACEHOLDER.findall(line))
            if optional:
                offered.add(optional[1])
                if optional[1] not in wanted:
                    continue
            lines.append(_filled(f"{name}:{number}", line, values))
        files[name] = "\n".join(lines) + "\n"
    if unknown := wanted - offered:
        raise RefusedError(f"OPTIONAL: no template sets {', '.join(sorted(unknown))}")
    if unknown := values.keys() - used - {"OPTIONAL"}:
        raise RefusedError(f"no template has a place for {', '.join(sorted(unknown))}")
    return files


def _filled(where: str, line: str, values: Mapping[str, str]) -> str:
    for name in _PLACEHOLDER.findall(line):
        if not values.get(name):
            raise RefusedError(f"{where}: {name} is not set")
    try:
        return Template(line).substitute(values)
    except (KeyError, ValueError):
        raise RefusedError(f"{where}: $ without a name in capitals; a $ itself is $$") from None


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write all files or none: into a folder beside it first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if (folder / name).is_dir():
            raise RefusedError(f"{folder / name} is a folder")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".render-") as work:
        for name, text in files.items():
            (Path(work) / name).write_text(text)
        for name in files:
            (Path(work) / name).replace(folder / name)


def rendered(environment: str, image: str) -> dict[str, str]:
    """The files of an environment by name.

    Raises:
        RefusedError: the image has no digest, or the environment's values do not fit the templates.
    """
    if not _IMAGE.fullmatch(image):
        raise RefusedError("--image: name it by digest, ...@sha256: and 64 hexadecimal digits")
    values = read_environment(HERE / "environments" / f"{environment}.env")
    if values.get("ENVIRONMENT") != environment:
        raise RefusedError(f"{environment}.env: ENVIRONMENT is not {environment}")
    templates = {file.name: file.read_text() for file in sorted(HERE.glob("*.yaml"))}
    return render(templates, {**values, "IMAGE": image})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description="Fill in the Cloud Run files of an environment.")
    parser.add_argument("environment", help="staging or production: a file of environments/")
    parser.add_argument("--image", required=True, help="the image, by digest: ...@sha256:...")
    parser.add_argument("--output", required=True, type=Path, help="where the files are written")
    given = parser.parse_args(arguments)
    try:
        files = rendered(given.environment, given.image)
        write(files, given.output)
    except (RefusedError, OSError) as error:
        sys.stderr.write(f"render.py: {error}\n")
        return 1
    sys.stdout.writelines(f"{given.output / name}\n" for name in files)
    return 0


if __name__ == "__main__":
    sys.exit(main())
