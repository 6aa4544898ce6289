"""The Dockerfile: hadolint, and what else is promised of it; each rule with a mistake it finds."""

import fnmatch
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

# A mistake: what to replace, with what, and the name of the rule that finds it.
PLANTED = [
    ("# No ENTRYPOINT:", 'ENTRYPOINT ["agentarmy-ops"]\n# No ENTRYPOINT:', "no entrypoint"),
    ("USER 10001:10001\n", "USER agentarmy\n", "user is a number"),
    ("USER 10001:10001\n", "", "user is a number"),
    (" --require-hashes --requirement /build/requirements.lock", " -r /build/requirements.lock",
     "hashes required"),
    ("--only-binary=:all: --require-hashes", "--require-hashes", "wheels only"),
    ("FROM ${BASE} AS wheel", "FROM debian:trixie AS wheel", "one base"),
    ("ARG BASE=python:3.12-slim", "ARG BASE=python:latest", "base has a tag"),
    ("COPY requirements.lock /build/\n", "COPY agentarmy_ops requirements.lock /build/\n",
     "code after dependencies"),
    ("age postgresql-client zstd", "age postgresql-client zstd gcc", "no compiler at the end"),
    ("&& rm -rf /var/lib/apt/lists/* /var/cache", "&& rm -rf /var/cache", "no package lists"),
    ("STOPSIGNAL SIGTERM\n", "STOPSIGNAL SIGKILL\n", "stops by SIGTERM"),
    ('CMD ["agentarmy-ops", "serve", "--host", "0.0.0.0"]',
     "CMD agentarmy-ops serve --host 0.0.0.0", "no shell before the role"),
    ("PYTHONDONTWRITEBYTECODE=1", "PYTHONDONTWRITEBYTECODE=", "writes no bytecode"),
]  # fmt: skip
HADOLINT = [
    ("WORKDIR /var/lib/agentarmy", "WORKDIR var", "DL3000"),
    ("apt-get install --yes --no-install-recommends gcc", "apt-get install --yes gcc", "DL3015"),
    (
        "apt-get install --yes --no-install-recommends age",
        "apt-get install --no-install-recommends age",
        "DL3014",
    ),
    ("USER 10001:10001\n", "USER root\n", "DL3002"),
    ("EXPOSE 3000", "EXPOSE 300000", "DL3011"),
    ("install --no-cache-dir --disable-pip-version-check --root", "install --root", "DL3042"),
    ("    && ls /dist/", "    | ls /dist/", "DL4006"),
    ("COPY agentarmy_ops /build/agentarmy_ops", "ADD agentarmy_ops /build/agentarmy_ops", "DL3020"),
]


def broken_rules(text: str) -> list[str]:
    """Our own rules that a Dockerfile breaks, by name."""
    stages = re.split(r"^(?=FROM )", text, flags=re.MULTILINE)
    head, bodies = stages[0], stages[1:]
    last = bodies[-1]
    code = " ".join(re.findall(r"^(?!#)(?:.*\\\n)*.*$", text, flags=re.MULTILINE))
    installs = [line for line in code.splitlines() if "--require-hashes" in line]
    dependencies = bodies[0]
    rules = {
        "no entrypoint": not re.search(r"^ENTRYPOINT", text, re.MULTILINE),
        "user is a number": re.findall(r"^USER (.*)$", last, re.MULTILINE)[-1:] == ["10001:10001"],
        "hashes required": all(
            "--require-hashes" in step
            for step in re.findall(r"^RUN (?:.*\\\n)*.*$", text, re.MULTILINE)
            if re.search(r"pip .*\binstall\b", step) and "--no-index" not in step
        ),
        "wheels only": len(installs) == code.count("--only-binary=:all:"),
        "one base": all(body.startswith("FROM ${BASE}") for body in bodies),
        "base has a tag": bool(re.search(r"^ARG BASE=python:3\.12-slim$", head, re.MULTILINE)),
        "code after dependencies": "agentarmy_ops" not in dependencies,
        "no compiler at the end": not re.search(r"\b(gcc|g\+\+|make|build-essential)\b", last),
        "no package lists": text.count("apt-get update")
        == text.count("&& rm -rf /var/lib/apt/lists/*"),
        "stops by SIGTERM": "STOPSIGNAL SIGTERM\n" in last,
        "no shell before the role": bool(re.search(r'^CMD \["agentarmy-ops"', last, re.MULTILINE)),
        "writes no bytecode": "PYTHONDONTWRITEBYTECODE=1" in last,
    }
    return [name for name, kept in rules.items() if not kept]


def hadolint(repository_root: Path, file: Path) -> str:
    done = subprocess.run(
        ["hadolint", "--config", repository_root / ".hadolint.yaml", file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def with_mistake(repository_root: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    def plant(old: str, new: str) -> Path:
        text = (repository_root / "Dockerfile").read_text()
        assert old in text
        (tmp_path / "Dockerfile").write_text(text.replace(old, new, 1))
        return tmp_path / "Dockerfile"

    return plant


def test_the_dockerfile_keeps_the_rules(repository_root: Path) -> None:
    assert broken_rules((repository_root / "Dockerfile").read_text()) == []


def test_hadolint_finds_nothing(repository_root: Path) -> None:
    assert hadolint(repository_root, repository_root / "Dockerfile") == ""


@pytest.mark.parametrize(("old", "new", "rule"), PLANTED)
def test_a_broken_rule_is_found(
    with_mistake: Callable[[str, str], Path], old: str, new: str, rule: str
) -> None:
    assert rule in broken_rules(with_mistake(old, new).read_text())


@pytest.mark.parametrize(("old", "new", "rule"), HADOLINT)
def test_hadolint_finds_a_mistake(
    repository_root: Path,
    with_mistake: Callable[[str, str], Path],
    old: str,
    new: str,
    rule: str,
) -> None:
    assert rule in hadolint(repository_root, with_mistake(old, new))


def in_context(lines: list[str], path: str) -> bool:
    """Whether a ``.dockerignore`` lets a path into the build: the last line that fits decides."""
    kept = True
    parents = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    for line in lines:
        pattern = line.removeprefix("!")
        # ** stands for any number of folders, none too.
        forms = {pattern, pattern.removeprefix("**/")}
        fits = any(
            fnmatch.fnmatchcase(part, form)
            or ("**" in pattern and fnmatch.fnmatchcase(Path(part).name, pattern[3:]))
            for part in parents
            for form in forms
        )
        if fits:
            kept = line.startswith("!")
    return kept


OUT = [
    ".git/config", ".env", ".env.example", ".venv/bin/python", ".agentarmy/secrets/key", "Makefile",
    "agentarmy_ops/.env", "agentarmy_ops/archive/_chunks.abi3.so", "docs/x.md", "bench/night.py",
    "agentarmy_ops_tests/conftest.py", "agentarmy_ops/__pycache__/errors.cpython-311.pyc",
    "deploy/terraform/terraform.tfstate", "deploy/cloudrun/environments/a.env", "key.json",
    "deploy/image/test.py", "requirements-bench.lock", "a-dump.zst", "deploy/dagster/x/.env",
]  # fmt: skip


def ignore_lines(repository_root: Path) -> list[str]:
    text = (repository_root / ".dockerignore").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_what_the_dockerfile_copies_is_in_the_context(repository_root: Path) -> None:
    lines = ignore_lines(repository_root)
    text = (repository_root / "Dockerfile").read_text()
    sources = [
        source
        for step in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for source in step.split()[:-1]
    ]
    assert len(sources) >= 8
    for source in sources:
        path = repository_root / source
        assert path.exists()
        assert in_context(lines, source)
        inner = [each for each in path.rglob("*") if each.suffix in {".py", ".c", ".sql", ".yaml"}]
        for each in inner:
            assert in_context(lines, str(each.relative_to(repository_root)))


@pytest.mark.parametrize("path", OUT)
def test_nothing_secret_or_heavy_is_in_the_context(repository_root: Path, path: str) -> None:
    lines = ignore_lines(repository_root)
    assert not in_context(lines, path)
    # The lines which keep it out are needed: with none of them it is in.
    needed = [line for line in lines if line.startswith("!")]
    assert in_context([*needed, f"!{path}"], path)


def test_everything_is_out_but_what_is_named(repository_root: Path) -> None:
    assert ignore_lines(repository_root)[0] == "*"


def test_only_one_more_setting_tells_the_image_from_the_checkout(repository_root: Path) -> None:
    """What is appended to dagster.yaml is in no way said there already."""
    added = (repository_root / "deploy/image/artifacts.yaml").read_text()
    keys = re.findall(r"^(\w+):", added, re.MULTILINE)
    assert keys == ["local_artifact_storage"]
    assert "local_artifact_storage" not in (repository_root / "dagster.yaml").read_text()
