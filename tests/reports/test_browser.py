"""Pages in a headless Chromium, where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reports.model import BucketSummary, FindingPage
from reports.page import campaign_html, finding_html
from tests.reports.browser import Browser, find_chromium
from tests.reports.test_page import CAMPAIGN, FINDING, HOSTILE, bucket

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.slow,
]

#: Elements that reach out of the window to the right, without those that scroll by themselves.
TOO_WIDE = """
[...document.querySelectorAll("body *")].filter(element => {
  if (element.closest(".scroll, pre, svg")?.matches(":scope") && !element.matches(".scroll, pre"))
    return false;
  for (let at = element.parentElement; at; at = at.parentElement)
    if (at.matches(".scroll, pre, svg")) return false;
  return element.getBoundingClientRect().right > innerWidth + 1;
}).map(element => element.outerHTML.slice(0, 120))
"""
#: Links whose target cannot be seen after following them.
DEAD = """
[...document.querySelectorAll("a[href]")].map(link => link.getAttribute("href")).filter(href => {
  if (!href.startsWith("#")) return true;
  const target = document.getElementById(href.slice(1));
  if (target === null) return true;
  location.hash = href;
  for (let at = target; at; at = at.parentElement)
    if (at.matches("details")) at.open = true;
  return target.getClientRects().length === 0;
})
"""


def long_finding() -> FindingPage:
    """A finding with long lines everywhere."""
    text = f"{HOSTILE} {'wide ' * 60}{'x' * 300}"
    clif = FINDING.clif + "".join(f"    v{n} = iadd v0, v0 ; {text}\n" for n in range(9))
    return replace(
        FINDING,
        file="x" * 200,
        bucket=text,
        clif=clif,
        explanation=(text,),
        says=(text,),
        attribution=(text,),
        problem=text,
        filetest=text,
    )


def pages(folder: Path) -> Iterator[Path]:
    """Write pages of all sorts."""
    several = tuple(map(bucket, range(1, 4)))
    wide = BucketSummary("y" * 300, "miscompile", "x86_64", False, ("z" * 200,), 1, 3.0)
    for name, html in {
        "finding": finding_html(FINDING),
        "long": finding_html(long_finding()),
        "campaign": campaign_html(replace(CAMPAIGN, buckets=several), lambda _: FINDING),
        "wide": campaign_html(
            replace(CAMPAIGN, title="t" * 200, buckets=(wide, *several)), lambda _: long_finding()
        ),
        "empty": campaign_html(CAMPAIGN, lambda _: FINDING),
    }.items():
        path = folder / f"{name}.html"
        path.write_text(html, encoding="utf-8")
        yield path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [500, 1280])
def test_pages_fit_and_links_land(browser: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    for page in pages(tmp_path):
        browser.open(page, width=width, dark=dark)
        browser.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert browser.evaluate(TOO_WIDE) == [], page.name
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, page.name
        assert browser.evaluate(DEAD) == [], page.name
    assert browser.messages == []


def test_the_test_sees_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<body><p style='width:900px'>wide</p><a href='#nowhere'>x</a>"
        "<script>console.log('said')</script>"
    )
    browser.open(page, width=500)
    assert len(browser.evaluate(TOO_WIDE)) == 1
    assert browser.evaluate(DEAD) == ["#nowhere"]
    assert "said" in browser.messages.pop()


def test_a_link_opens_the_finding_that_it_leads_to(browser: Browser, tmp_path: Path) -> None:
    several = tuple(map(bucket, range(1, 4)))
    page = tmp_path / "campaign.html"
    page.write_text(campaign_html(replace(CAMPAIGN, buckets=several), lambda _: FINDING))
    browser.open(page, width=1280)
    assert browser.evaluate("document.querySelectorAll('details.finding[open]').length") == 0
    browser.evaluate("location.hash = 'finding-2'")
    opened = "[...document.querySelectorAll('details.finding')].map(each => each.open)"
    assert browser.evaluate(opened) == [False, True, False]


def test_colours_follow_the_scheme(browser: Browser, tmp_path: Path) -> None:
    (page, *_) = pages(tmp_path)
    seen = set()
    for dark in (False, True):
        browser.open(page, width=1280, dark=dark)
        seen.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert seen == {"rgb(255, 255, 255)", "rgb(15, 18, 23)"}
