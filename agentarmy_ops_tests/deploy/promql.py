"""Which metrics and labels an expression of PromQL names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_NAME = re.compile(r"(?<![\w.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_WORDS = {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True)
class Selector:
    """A metric and the labels it is selected by."""

    metric: str
    labels: frozenset[str]


def selectors_of(expr: str) -> Iterator[Selector]:
    """Every metric of an expression, and what it is selected by."""
    rest = _GROUPING.sub(" ", re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", _without_strings(expr)))
    for metric, matchers in _SELECTOR.findall(rest):
        yield Selector(metric, frozenset(re.findall(r"(\w+)\s*[=!]", matchers)))
    for name in _NAME.findall(_SELECTOR.sub(" ", rest)):
        if name not in _WORDS:
            yield Selector(name, frozenset())


def grouping_labels_of(expr: str) -> set[str]:
    """Labels that an expression groups, joins or aggregates by."""
    found = _GROUPING.findall(_without_strings(expr))
    return {label.strip() for labels in found for label in labels.split(",") if label.strip()}


def _without_strings(expr: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)
