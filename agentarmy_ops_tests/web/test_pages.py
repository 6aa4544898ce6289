"""What all pages of the gateway share."""

import re
from pathlib import Path

import pytest

import agentarmy_ops.web.pages
from agentarmy_ops_tests.web.site import Site

_STYLES = Path(agentarmy_ops.web.pages.__file__).parent / "static" / "base.css"
_LIGHT, _DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", _STYLES.read_text(), re.DOTALL)
)
_TEXTS = [
    (name, ground) for name in ("text", "muted", "accent") for ground in ("background", "surface")
]
_TEXTS += [
    (name, ground) for name in ("good", "warn", "bad") for ground in ("surface", f"{name}-surface")
]
_TEXTS += [("on-accent", "accent")]


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    shares = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(scheme: dict[str, str], one: str, other: str) -> float:
    dark, light = sorted((_luminance(scheme[one]), _luminance(scheme[other])))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [_LIGHT, _DARK], ids=["light", "dark"])
def test_everything_can_be_read(scheme: dict[str, str]) -> None:
    low = {pair for pair in _TEXTS if _contrast(scheme, *pair) < 4.5}
    low |= {
        ("control", ground)
        for ground in ("background", "surface")
        if _contrast(scheme, "control", ground) < 3
    }
    assert low == set()


def test_both_schemes_name_the_same_colours() -> None:
    assert _LIGHT.keys() == _DARK.keys()


def test_the_login_page_needs_nothing_but_open_files(token_site: Site) -> None:
    page = token_site.get("/login").text
    needed = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert len(needed) == 3
    assert [token_site.get(path).status_code for path in needed] == [200] * 3
    assert "<script" not in page
    assert " style=" not in page
