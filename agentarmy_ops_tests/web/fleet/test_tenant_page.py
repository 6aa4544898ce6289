"""``/fleet/{slug}`` over HTTP."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import State, TenantOverview
from agentarmy_ops_tests.web.fleet.conftest import Show
from agentarmy_ops_tests.web.fleet.hostile import HOSTILE
from agentarmy_ops_tests.web.fleet.invented import fleet, nights, platform, tenant
from agentarmy_ops_tests.web.fleet.reading import Reading
from agentarmy_ops_tests.web.markup import Element, parse

VERIFIED, FAILED = Status.VERIFIED, Status.FAILED
MIB = 1 << 20
ACME = tenant(
    "acme",
    nights([2 * MIB, 3 * MIB, 4 * MIB], hours_ago=5.5, verdicts=[VERIFIED, FAILED]),
    name="Acme Robotics",
    backups=1234,
    stored_bytes=2 << 30,
)


def page_of(show: Show, one: TenantOverview) -> Element:
    answer = show(fleet(one)).get(f"/fleet/{one.slug}")
    assert answer.status_code == 200, answer.text
    return parse(answer.text)


def section(page: Element, heading: str) -> Element:
    (found,) = [
        each for each in page.all("section") if heading in {h2.text for h2 in each.all("h2")}
    ]
    return found


def facts(of: Element) -> dict[str, str]:
    names = [each.text for each in of.all("dt")]
    return dict(zip(names, [each.text for each in of.all("dd")], strict=True))


def objectives(page: Element) -> dict[str, tuple[str, str, str]]:
    """Figure, target, and how the tile looks."""
    return {
        tile.one("span", class_="name").text: (
            tile.one("span", class_="figure").text,
            tile.one("span", class_="details").text,
            tile.attributes["class"].removeprefix("tile").strip(),
        )
        for tile in section(page, "Objectives").all("li")
    }


def test_what_is_known_of_a_tenant(show: Show) -> None:
    page = page_of(show, ACME)
    assert ACME.latest
    assert page.one("h1").text == "acme active"
    assert page.one("head").one("title").text.startswith("acme · ")
    assert page.one("bdi").text == "Acme Robotics"
    taken, finished = (
        f"{moment:%Y-%m-%dT%H:%M:%SZ} (5 h ago)"
        for moment in (ACME.latest.taken_at, ACME.latest.finished_at)
    )
    assert facts(section(page, "Newest backup")) == {
        "Backup": ACME.latest.backup_id,
        "Taken": taken,
        "Finished": finished,
        "Took": "0.30 s",
        "Rows": f"{ACME.latest.rows:,}",
        "Size": "32.0 MiB",
        "Stored": "4.0 MiB (8.0 to 1)",
        "Encrypted": "with age",
        "All backups": "1,234, 2.0 GiB in the store",
    }
    assert facts(section(page, "Names")) == {
        "Slug": "acme",
        "Tenant id": ACME.tenant_id,
        "Schema": "tenant_acme",
    }
    assert page.all("p", class_="notice") == []


def test_the_targets_and_how_they_are_met(show: Show) -> None:
    assert objectives(page_of(show, ACME)) == {
        "Newest backup": ("5 h old", "Target: not older than 26 h ✓ met", "good"),
        "Newest backup that is verified (proven RPO)": (
            "2 d old", "Target: not older than 8 d ✓ met", "good",
        ),
        "Its measured restore (proven RTO)": ("0.70 s", "Target: at most 1 h ✓ met", "good"),
    }  # fmt: skip
    late = tenant("late", nights([9], hours_ago=900, verdicts=[VERIFIED]), restore=3700)
    assert list(objectives(page_of(show, late)).values()) == [
        ("37 d old", "Target: not older than 26 h ✕ missed", "warn"),
        ("37 d old", "Target: not older than 8 d ✕ missed", "warn"),
        ("1 h 1 min", "Target: at most 1 h ✕ missed", "warn"),
    ]
    assert list(objectives(page_of(show, tenant("new"))).values()) == [
        ("there is none", "Target: not older than 26 h ✕ missed", "warn"),
        ("there is none", "Target: not older than 8 d ✕ missed", "warn"),
        ("not measured", "Target: at most 1 h", ""),
    ]
    gone = replace(late, state=State.UNREGISTERED)
    assert [look for *_, look in objectives(page_of(show, gone)).values()] == ["", "", "warn"]


@pytest.mark.parametrize("state", State)
def test_a_state_that_is_not_the_usual_is_explained(show: Show, state: State) -> None:
    page = page_of(show, replace(ACME, state=state))
    assert page.one("h1").text == f"acme {state}"
    assert len(page.all("p", class_="warn")) == (state is not State.ACTIVE)
    tenants_page = "/assets/tenant?view=partitions&partition=acme"
    links = [a.attributes["href"] for a in section(page, "In Dagster").all("a")]
    gone = state in {State.MISSING, State.UNREGISTERED}
    assert (tenants_page not in links) is gone


def test_what_could_not_be_read_is_said(show: Show) -> None:
    page = page_of(show, replace(ACME, problem="the manifest is damaged", latest=None))
    assert page.one("p", class_="bad").text == "the manifest is damaged"
    assert facts(section(page, "Newest backup")) == {"All backups": "1,234, 2.0 GiB in the store"}


def test_the_history_as_a_picture_and_as_a_table(show: Show) -> None:
    page = page_of(show, ACME)
    plot = page.one("svg", class_="plot")
    described = plot.one("desc").text
    assert plot.attributes["aria-labelledby"].split() == ["plot-title", "plot-desc"]
    assert described.startswith("3 backups, from 2.0 MiB on ")
    assert described.endswith(": 1 verified, 1 failed, 1 not verified.")
    assert len(plot.all("circle", class_="verified")) == 1
    assert len(plot.all("path", class_="failed")) == 1
    assert len(plot.all("rect", class_="unverified")) == 1
    assert [text.text for text in plot.all("text")][:3] == ["0 B", "1.0 MiB", "2.0 MiB"]
    table = section(page, "Backups").one("table")
    assert table.one("caption").text.startswith("The newest 3 of 1,234 backups, newest first.")
    rows = [
        [row.one("th").text, *(cell.text for cell in row.all("td"))]
        for row in table.one("tbody").all("tr")
    ]
    newest, middle, oldest = reversed(ACME.history)
    assert [row[0] for row in rows] == [each.backup_id for each in (newest, middle, oldest)]
    assert rows[0][1:] == [
        f"{newest.taken_at:%Y-%m-%dT%H:%M:%SZ}",
        "5 h",
        "4.0 MiB",
        "not verified",
    ]
    assert [row[-1] for row in rows] == ["not verified", "✕ failed", "✓ verified"]


def test_all_backups_of_a_few(show: Show) -> None:
    few = tenant("few", nights([MIB, MIB]))
    table = section(page_of(show, few), "Backups").one("table")
    assert table.one("caption").text.startswith("All backups, newest first.")


def test_a_tenant_without_backups(show: Show) -> None:
    page = page_of(show, tenant("new"))
    headings = [each.text for each in page.all("h2")]
    assert headings == ["Objectives", "Newest backup", "Names", "In Dagster", "Commands"]
    assert "There is no backup." in section(page, "Newest backup").text


def test_commands_and_pages_of_dagster(show: Show) -> None:
    page = page_of(show, ACME)
    lines = [code.text for code in section(page, "Commands").one("dl").all("code")]
    assert lines[0] == "agentarmy-ops restore acme --dry-run"
    assert ACME.proof
    assert f"agentarmy-ops restore acme --backup {ACME.proof.backup_id}" in lines
    links = {a.text: a.attributes["href"] for a in section(page, "In Dagster").all("a")}
    assert links == {
        "Backups of this tenant": "/assets/tenant_backup?view=partitions&partition=acme",
        "Verifications of this tenant": (
            "/assets/restore_verification?view=partitions&partition=acme"
        ),
        "The tenant itself": "/assets/tenant?view=partitions&partition=acme",
        "All runs of backup_tenants": "/runs?q%5B0%5D=job%3Abackup_tenants",
        "All runs of verify_restores": "/runs?q%5B0%5D=job%3Averify_restores",
    }


def test_pages_of_the_documentation_that_are_named(show: Show, repository_root: Path) -> None:
    hint = section(page_of(show, ACME), "Commands").all("p")[-1]
    named = [code.text for code in hint.all("code")]
    assert named
    assert all((repository_root / name).exists() for name in named)


def test_the_platform_part(show: Show) -> None:
    """A tenant may be called platform; its page is another."""
    client = show(fleet(tenant("platform", name="Platform Ltd")))
    page = parse(client.get("/fleet/_platform").text)
    assert page.one("h1").text == "(platform) active"
    links = {a.text: a.attributes["href"] for a in section(page, "In Dagster").all("a")}
    assert links["Its backups"] == "/assets/platform_backup"
    assert not any("partition=" in link for link in links.values())
    assert "Tenant id" not in page.text
    assert all(
        "--platform" in code.text for code in section(page, "Commands").one("dl").all("code")
    )
    assert parse(client.get("/fleet/platform").text).one("bdi").text == "Platform Ltd"


def test_a_platform_part_that_was_never_backed_up(show: Show) -> None:
    never = platform(history=(), latest=None, proof=None, verdict=None, backups=0)
    client = show(fleet(platform=never))
    assert "There is no backup." in parse(client.get("/fleet/_platform").text).text


@pytest.mark.parametrize(
    "path",
    ["nobody", "ACME", "acme%20", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "..%2F..", "x" * 3000],
)
def test_nobody_of_that_name(show: Show, path: str) -> None:
    answer = show(fleet(ACME)).get(f"/fleet/{path}")
    assert answer.status_code == 404
    if answer.headers["content-type"].startswith("text/html"):
        page = parse(answer.text)
        assert page.all("script") == []
        (search,) = page.one("main").all("a")
        assert search.attributes["href"].startswith("/fleet?q=")
        assert len(search.attributes["href"]) < 1000


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_names_are_text_and_nothing_else(show: Show, name: str) -> None:
    plain = page_of(show, replace(ACME, name="x", problem="x"))
    page = page_of(show, replace(ACME, name=name, problem=name))
    assert [element.tag for element in page] == [element.tag for element in plain]
    assert page.one("bdi").text == " ".join(name.split())


def test_before_anything_was_read(client: httpx.Client, reading: Reading) -> None:
    assert client.get("/fleet/acme").status_code == 503
    reading.read(fleet(ACME))
    assert client.get("/fleet/acme").status_code == 200


def test_one_clock_for_all(show: Show) -> None:
    """A backup from a clock that is ahead is not older than nothing."""
    early = tenant("early", nights([9], hours_ago=-2))
    assert objectives(page_of(show, early))["Newest backup"][0] == "0 s old"
    assert early.history[0].taken_at - timedelta(hours=1) > fleet().read_at
