"""``/fleet`` over HTTP."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import Fleet, State
from agentarmy_ops.web.fleet.query import Column
from agentarmy_ops_tests.fix_backups import Backups
from agentarmy_ops_tests.observability.fleet.conftest import reader_of
from agentarmy_ops_tests.web.fleet.conftest import Show
from agentarmy_ops_tests.web.fleet.hostile import HOSTILE
from agentarmy_ops_tests.web.fleet.invented import fleet, large_fleet, nights, platform, tenant
from agentarmy_ops_tests.web.fleet.reading import Reading
from agentarmy_ops_tests.web.markup import Element, parse

VERIFIED, FAILED = Status.VERIFIED, Status.FAILED
MIB = 1 << 20
DASH = "\u2013"
MIXED = fleet(
    tenant("acme", nights([3 * MIB, 4 * MIB], verdicts=[VERIFIED]), name="Acme Robotics"),
    tenant("bad", nights([MIB], verdicts=[FAILED])),
    tenant("late", nights([MIB, MIB], hours_ago=300, verdicts=[VERIFIED, VERIFIED]), restore=4000),
    tenant("new"),
    tenant("gone", nights([MIB], hours_ago=900, verdicts=[VERIFIED]), state=State.UNREGISTERED),
    tenant("lost", state=State.MISSING, problem="the newest manifest is damaged"),
    store_bytes=5 << 30,
    seconds=1.5,
)


def page_of(client: httpx.Client, path: str = "/fleet") -> Element:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return parse(answer.text)


def rows_of(page: Element) -> dict[str, list[str]]:
    """The cells of each row of the table by the first one's link."""
    return {
        row.one("th").one("a").text: [cell.text for cell in row.all("td")]
        for body in page.all("tbody")
        for row in body.all("tr")
    }


def tiles_of(page: Element) -> dict[str, Element]:
    return {
        tile.one("span", class_="name").text: tile
        for tile in page.one("ul", aria_label="Summary").all("li")
    }


def test_what_is_shown_of_each_tenant(show: Show) -> None:
    rows = rows_of(page_of(show(MIXED)))
    assert rows == {
        "(platform)": [
            "active", "5 h", "80.0 KiB", "640.0 KiB",
            "stored size of 5 backups: from 80.0 KiB to 80.0 KiB ±0 %",
            "✓ verified", "0.70 s", "Dagster",
        ],
        "acme": [
            "active", "5 h", "4.0 MiB", "32.0 MiB",
            "stored size of 2 backups: from 3.0 MiB to 4.0 MiB +33 %",
            "✓ verified", "0.70 s", "Dagster",
        ],
        "bad": ["active", "5 h", "1.0 MiB", "8.0 MiB", "", "✕ failed overdue", DASH, "Dagster"],
        "gone": [
            "unregistered", "37 d", "1.0 MiB", "8.0 MiB", "", "✓ verified", "0.70 s", "Dagster",
        ],
        "late": [
            "active", "12 d stale", "1.0 MiB", "8.0 MiB",
            "stored size of 2 backups: from 1.0 MiB to 1.0 MiB ±0 %",
            "✓ verified overdue", "1 h 6 min slow", "Dagster",
        ],
        "lost": ["missing", "none", DASH, DASH, "", DASH, DASH, "Dagster"],
        "new": ["active", "never", DASH, DASH, "", DASH, DASH, "Dagster"],
    }  # fmt: skip


def test_who_a_row_is_about_and_where_its_links_lead(show: Show) -> None:
    page = page_of(show(MIXED))
    first, acme, *_ = (row for body in page.all("tbody") for row in body.all("tr"))
    assert first.one("th").one("a").attributes["href"] == "/fleet/_platform"
    assert [a.attributes["href"] for a in acme.all("a")] == [
        "/fleet/acme",
        "/assets/tenant_backup?view=partitions&partition=acme",
    ]
    assert acme.one("bdi").text == "Acme Robotics"
    taken = MIXED.by_slug["acme"].history[-1].taken_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert acme.one("time").attributes == {"datetime": taken, "title": taken}
    assert [each.text for each in page.all("span", class_="problem")] == [
        "the newest manifest is damaged"
    ]


def test_the_fleet_in_figures(show: Show) -> None:
    tiles = tiles_of(page_of(show(MIXED)))
    shown = {name: tile.text.removeprefix(name).strip() for name, tile in tiles.items()}
    assert shown.pop("Read").endswith(" ago which took 1.50 s")
    assert shown == {
        "Tenants": "6 4 active 1 missing 1 unregistered",
        "Backed up": "50 % in the last 26 h 1 stale 1 never backed up",
        "Proven": "25 % in the last 8 d 3 overdue",
        "Failed": "1 did not restore",
        "Store": "5.0 GiB 11 backups",
    }
    classes = {name: tile.attributes["class"].split() for name, tile in tiles.items()}
    assert {name: each[1:] for name, each in classes.items()} == {
        "Tenants": ["broad"],
        "Backed up": ["warn"],
        "Proven": ["warn"],
        "Failed": ["bad"],
        "Store": [],
        "Read": [],
    }


def test_each_figure_leads_to_those_it_counts(show: Show) -> None:
    client = show(MIXED)
    for tile in tiles_of(page_of(client)).values():
        for link in tile.all("a"):
            number = link.text.split()[0]
            count = len(rows_of(page_of(client, link.attributes["href"])))
            expected = {"in": {"Backed": 2, "Proven": 1}, "did": {"Failed": 1}}
            name = tile.text.split()[0]
            assert count == (int(number) if number.isdigit() else expected[number][name])


def test_a_fleet_that_is_well_is_green(show: Show) -> None:
    well = fleet(tenant("acme", nights([9], verdicts=[VERIFIED])))
    tiles = tiles_of(page_of(show(well)))
    for name in ("Backed up", "Proven", "Failed"):
        assert tiles[name].attributes["class"] == "tile good"
    assert "100 %" in tiles["Proven"].text


def test_all_but_one_is_not_100_percent(show: Show) -> None:
    tenants = [tenant(f"t-{n:04d}", nights([9])) for n in range(2000)]
    tiles = tiles_of(page_of(show(fleet(*tenants, tenant("late", nights([9], hours_ago=99))))))
    assert tiles["Backed up"].one("span", class_="figure").text == "99.9 %"
    assert tiles["Backed up"].one("span", class_="details").text == "in the last 26 h 1 stale"


def test_nobody_yet(show: Show) -> None:
    page = page_of(show(fleet(platform=platform(history=(), latest=None, proof=None))))
    assert list(rows_of(page)) == ["(platform)"]
    assert page.one("p", role="status").text == "No tenant fits."
    assert tiles_of(page)["Backed up"].one("span", class_="figure").text == "-"
    assert tiles_of(page)["Backed up"].attributes["class"] == "tile"


def test_search_filter_and_sort_together(show: Show) -> None:
    page = page_of(show(MIXED), "/fleet?q=a&state=active&sort=stored&order=desc")
    assert list(rows_of(page)) == ["acme", "bad", "late"]
    (sorted_,) = [th for th in page.all("th") if "aria-sort" in th.attributes]
    assert (sorted_.text, sorted_.attributes["aria-sort"]) == ("Stored", "descending")
    assert page.one("input").attributes["value"] == "a"
    chosen = {
        select.attributes["name"]: option.attributes["value"]
        for select in page.all("select")
        for option in select.all("option")
        if "selected" in option.attributes
    }
    assert chosen == {"state": "active", "sort": "stored", "order": "desc"}
    assert page.one("p", role="status").text == "3 tenants"
    links = {a.text: a.attributes["href"] for a in page.all("a")}
    assert links["Show all"] == "/fleet?sort=stored&order=desc"
    assert links["These as JSON"] == "/fleet.json?q=a&state=active&sort=stored&order=desc"
    assert links["Size"] == "/fleet?q=a&state=active&sort=plain"


def test_every_heading_sorts(show: Show) -> None:
    client = show(MIXED)
    headings = page_of(client).one("thead").all("a")
    assert len(headings) == len(Column)
    for heading in headings:
        page = page_of(client, heading.attributes["href"])
        (sorted_,) = [th for th in page.all("th") if "aria-sort" in th.attributes]
        assert sorted_.text == heading.text


def test_pages(show: Show) -> None:
    client = show(large_fleet(250, 2))
    slugs = []
    for number in (1, 2, 3):
        page = page_of(client, f"/fleet?page={number}")
        pages = page.one("nav", aria_label="Pages")
        assert pages.one("a", aria_current="page").text == str(number)
        rows = list(rows_of(page))
        slugs += rows
    assert (rows_of(page_of(client, "/fleet?page=99"))) == rows_of(page)
    assert page.one("p", role="status").text == f"201{DASH}250 of 250 tenants"
    assert slugs == ["(platform)", *sorted(set(slugs) - {"(platform)"})]
    assert len(slugs) == 251
    assert {a.text: a.attributes["href"] for a in pages.all("a")} == {
        "Previous": "/fleet?page=2", "1": "/fleet", "2": "/fleet?page=2", "3": "/fleet?page=3"
    }  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_names_are_text_and_nothing_else(show: Show, name: str) -> None:
    client = show(fleet(tenant("acme", nights([9, 9]), name=name, problem=name), problems=[name]))
    plain = page_of(
        show(fleet(tenant("acme", nights([9, 9]), name="x", problem="x"), problems="x"))
    )
    reading = show(fleet(tenant("acme", nights([9, 9]), name=name, problem=name), problems=[name]))
    page = page_of(reading)
    assert [element.tag for element in page] == [element.tag for element in plain]
    shown = [each for each in page.all("span", class_="title") if each.text]
    assert shown[1].attributes["title"] == name
    assert shown[1].text == " ".join(name.split())
    assert client.get("/fleet.json").json()["tenants"][0]["name"] == name


@pytest.mark.parametrize("search", HOSTILE.values(), ids=HOSTILE)
def test_a_search_is_text_and_nothing_else(show: Show, search: str) -> None:
    client = show(MIXED)
    plain = parse(client.get("/fleet", params={"q": "nothing"}).text)
    page = parse(client.get("/fleet", params={"q": search}).text)
    assert [element.tag for element in page] == [element.tag for element in plain]
    assert page.one("input").attributes["value"] == search.strip()[:200]


@pytest.mark.parametrize("path", ["/fleet", "/fleet.json"])
@pytest.mark.parametrize("query", ["state=x", "sort=name", "order=up", "page=0", "verdict=error"])
def test_what_makes_no_sense_is_refused_in_a_line(show: Show, path: str, query: str) -> None:
    answer = show(MIXED).get(f"{path}?{query}")
    assert answer.status_code == 400
    name = query.partition("=")[0]
    if path == "/fleet.json":
        assert answer.json()["error"].startswith(name)
    else:
        line = parse(answer.text).one("main").all("p")[0].text
        assert line.startswith(name)


@pytest.mark.parametrize("query", ["q=%ff%00", "q=a&q=b", "&&&", "q", "=", "%", "page=1&page=x"])
def test_no_query_is_an_error_of_the_server(show: Show, query: str) -> None:
    assert show(MIXED).get(f"/fleet?{query}").status_code in {200, 400}


def test_before_the_first_reading(client: httpx.Client, reading: Reading) -> None:
    for path in ("/fleet", "/fleet/acme", "/fleet/_platform"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        page = parse(answer.text)
        assert page.one("meta", http_equiv="refresh").attributes["content"] == "3"
        assert "being read for the first time" in page.text
    assert client.get("/fleet.json").json() == {"error": "not read yet"}
    reading.read("cannot list file:///backups: it is not there")
    answer = client.get("/fleet")
    assert answer.status_code == 503
    assert "cannot list file:///backups: it is not there" in parse(answer.text).text
    answer = client.get("/fleet.json")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json() == {"error": "cannot list file:///backups: it is not there"}
    reading.read(MIXED)
    assert client.get("/fleet").status_code == 200


def test_a_reading_that_fails_leaves_the_last_one_and_says_so(
    client: httpx.Client, reading: Reading
) -> None:
    reading.read(replace(MIXED, read_at=datetime.now(UTC) - timedelta(minutes=7)))
    reading.read("cannot list <the store>")
    for path in ("/fleet", "/fleet/acme"):
        notice = page_of(client, path).one("div", class_="bad").text
        assert "The last reading failed." in notice
        assert "7 min old. cannot list <the store>" in notice
    assert client.get("/fleet.json").json()["error"] == "cannot list <the store>"
    reading.read(replace(MIXED, read_at=datetime.now(UTC)))
    assert page_of(client).all("div", class_="notice") == []


def test_a_reading_that_does_not_come_is_noticed(show: Show) -> None:
    """By default the fleet is read each minute; this one takes four times 60 seconds to read."""
    quick = replace(MIXED, seconds=1)
    slow = replace(MIXED, seconds=60)
    for read, minutes, late in (
        (quick, 2, False),
        (quick, 4, True),
        (slow, 14, False),
        (slow, 16, True),
    ):
        page = page_of(show(replace(read, read_at=datetime.now(UTC) - timedelta(minutes=minutes))))
        assert bool(page.all("div", class_="warn")) is late, (read.seconds, minutes)
        if late:
            assert f"What is shown is {minutes} min old" in page.one("div", class_="warn").text


@pytest.mark.parametrize(("count", "first", "items"), [(1, "1 thing", 1), (12, "12 things", 11)])
def test_problems_that_concern_all(show: Show, count: int, first: str, items: int) -> None:
    problems = [f"row {number} is bad" for number in range(count)]
    read: Fleet = replace(MIXED, read_at=datetime.now(UTC), problems=problems)
    notice = page_of(show(read)).one("div", class_="warn")
    assert notice.text.startswith(f"{first} could not be read: row 0 is bad")
    assert len(notice.all("li")) == items
    if count > 10:
        assert notice.text.endswith("row 9 is bad and 2 more, which /fleet.json lists")


def test_a_newer_reading_is_shown_at_once(client: httpx.Client, reading: Reading) -> None:
    reading.read(fleet(tenant("acme")))
    assert list(rows_of(page_of(client))) == ["(platform)", "acme"]
    reading.read(fleet(tenant("globex")))
    assert list(rows_of(page_of(client))) == ["(platform)", "globex"]
    assert client.get("/fleet/acme").status_code == 404


def test_pages_that_come_after_the_first_reading(
    reading: Reading, request: pytest.FixtureRequest
) -> None:
    reading.read(MIXED)
    client: httpx.Client = request.getfixturevalue("client")
    assert "acme" in rows_of(page_of(client))


def test_json(show: Show) -> None:
    client = show(MIXED)
    whole = client.get("/fleet.json").json()
    assert set(whole) == {"read_at", "error", "problems", "store_bytes", "platform", "tenants"}
    assert whole["platform"]["tenant_id"] == "platform"
    assert [each["slug"] for each in whole["tenants"]] == sorted(MIXED.by_slug)
    acme, known = whole["tenants"][0], MIXED.by_slug["acme"]
    assert known.latest
    assert known.proof
    assert acme == {
        "tenant_id": known.tenant_id,
        "slug": "acme",
        "name": "Acme Robotics",
        "schema_name": "tenant_acme",
        "state": "active",
        "backups": 2,
        "stored_bytes": 7 * MIB,
        "newest_backup_at": known.history[-1].taken_at.isoformat(),
        "freshness": "fresh",
        "verdict": "verified",
        "latest": {
            "backup_id": known.latest.backup_id,
            "taken_at": known.latest.taken_at.isoformat(),
            "finished_at": known.latest.finished_at.isoformat(),
            "rows": known.latest.rows,
            "plain_bytes": 32 * MIB,
            "stored_bytes": 4 * MIB,
            "backup_seconds": 0.3,
            "encrypted": True,
        },
        "proof": {
            "backup_id": known.proof.backup_id,
            "taken_at": known.proof.taken_at.isoformat(),
            "verified_at": known.proof.verified_at.isoformat(),
            "restore_seconds": 0.7,
        },
        "proof_age": "current",
        "problem": None,
    }
    new = whole["tenants"][-1]
    assert (new["newest_backup_at"], new["latest"], new["proof"]) == (None, None, None)
    found = client.get("/fleet.json?verdict=verified&sort=age&order=desc").json()["tenants"]
    assert [each["slug"] for each in found] == ["gone", "late", "acme"]
    everybody = show(large_fleet(150, 1)).get("/fleet.json?page=2").json()["tenants"]
    assert len(everybody) == 150


def test_a_slash_at_the_end(client: httpx.Client) -> None:
    answer = client.get("/fleet/")
    assert (answer.status_code, answer.headers["location"]) == (308, "/fleet")


def test_nothing_is_changed_by_any_method(show: Show) -> None:
    client = show(MIXED)
    for path in ("/fleet", "/fleet.json", "/fleet/acme"):
        assert client.head(path).status_code == 200
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert client.request(method, path).status_code == 405


def test_a_fleet_that_is_really_there(
    backups: Backups, reading: Reading, client: httpx.Client
) -> None:
    """Read from a registry and a store."""
    reading.read(reader_of(backups.lab).read())
    rows = rows_of(page_of(client))
    assert list(rows) == ["(platform)", "acme", "globex"]
    assert rows["acme"][0] == "active"
    assert "not verified" in rows["acme"][5]
    manifest = backups.manifests["acme"]
    text = page_of(client, "/fleet/acme").text
    assert manifest.backup_id in text
    assert "Rows 420" in text
