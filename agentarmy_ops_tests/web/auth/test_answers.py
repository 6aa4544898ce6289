"""How a refusal is said, and to whom."""

import html
import re

import pytest

from agentarmy_ops_tests.web.site import PAGE, VIEWER, Site, bearer


def test_a_browser_comes_back_to_where_it_wanted_to_go(token_site: Site) -> None:
    for target in ("/fleet", "/fleet?q=a%20b&page=2", "/a%2Fb?x=%23&y=%26", "/a%3Fb", "/%C3%A4?"):
        answer = token_site.get(target, headers=PAGE)
        assert answer.status_code == 303
        assert "www-authenticate" not in answer.headers
        page = token_site.get(answer.headers["location"])
        (back,) = re.findall('name="next" value="(.*)"', page.text)
        went = token_site.log_in(next=html.unescape(back))
        assert went.headers["location"] == target.removesuffix("?")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_what_is_looked_at_is_sent_to_the_login(token_site: Site, method: str) -> None:
    assert token_site.send(method, "/fleet", headers=PAGE).status_code == 401
    assert token_site.send("HEAD", "/fleet", headers=PAGE).status_code == 303


def test_a_refusal_that_no_login_mends_is_no_redirect(fresh_site: Site) -> None:
    assert fresh_site.get("/", headers={**PAGE, **bearer("wrong")}).status_code == 401
    assert fresh_site.get("/a//b", headers=PAGE).status_code == 400
    assert fresh_site.post("/", headers={**PAGE, **bearer(VIEWER)}).status_code == 403


def test_refusals_are_not_kept_and_have_the_shape_of_graphqls(token_site: Site) -> None:
    answer = token_site.post("/graphql")
    assert answer.headers["cache-control"] == "no-store"
    assert [list(error) for error in answer.json()["errors"]] == [["message"]]
