"""As much of the Common Expression Language as IAM conditions of ours are written in.

https://cloud.google.com/iam/docs/conditions-overview; for ``extract``,
https://cloud.google.com/iam/docs/conditions-attribute-reference.
"""

import re
from types import SimpleNamespace

_STRING = re.compile(r"""("[^"]*"|'[^']*')""")


class _Text(str):
    """A string with the functions that conditions may call."""

    __slots__ = ()

    def startsWith(self, prefix: str) -> bool:  # noqa: N802 - as the language names it
        return self.startswith(prefix)

    def endsWith(self, suffix: str) -> bool:  # noqa: N802 - as the language names it
        return self.endswith(suffix)

    def extract(self, template: str) -> "_Text":
        """What stands for ``{name}`` in the first place where the template fits, or nothing."""
        before, _, rest = template.partition("{")
        after = rest.partition("}")[2]
        start = self.find(before)
        if start < 0:
            return _Text("")
        found = self[start + len(before) :]
        if not after:
            return _Text(found)
        end = found.find(after)
        return _Text(found[:end] if end >= 0 else "")


def holds(condition: str, **names: dict[str, str]) -> bool:
    """Whether a condition is true where ``names`` have these attributes:
    ``holds(condition, resource={"name": …, "type": …})``.

    Raises:
        SyntaxError: it is no condition, or has something of the language that is not known here.
    """
    parts = _STRING.split(" ".join(condition.split()))
    for place in range(0, len(parts), 2):  # between the strings
        part = parts[place].replace("&&", " and ").replace("||", " or ")
        if not re.fullmatch(r"[\w\s.,()!=]*", part):
            raise SyntaxError(f"not known here: {part}")
        parts[place] = re.sub(r"!(?!=)", " not ", part)
    values = {
        name: SimpleNamespace(**{key: _Text(value) for key, value in attributes.items()})
        for name, attributes in names.items()
    }
    code = compile("".join(parts).strip(), "<condition>", "eval")
    return bool(eval(code, {"__builtins__": {}}, values))  # noqa: S307 - text of this repository
