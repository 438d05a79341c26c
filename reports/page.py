"""A campaign, or a single finding, as one HTML page that needs nothing else to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import jinja2
from markupsafe import Markup

from reports.charts import over_time
from reports.heatmap import table
from reports.model import Bucket, CampaignPage, Code, CodeLine, FindingPage

#: Bytes of a page that details of findings may take.
DETAILS_BYTES = 1_600_000
#: Buckets that are shown in detail: each takes up to a second.
DETAILS = 80
#: Files of a bucket that are named.
_FILES = 8
#: Buckets that have a row of their own.
_ROWS = 1_200


@dataclass(frozen=True, slots=True)
class Detail:
    """A bucket with the rendered details of one of its findings; empty where there was no room."""

    bucket: Bucket
    html: Markup


@cache
def environment() -> jinja2.Environment:
    """The templates, escaping what goes into HTML and nothing else."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=lambda name: name is not None and ".html" in name,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters["lines"] = str.splitlines
    found.globals["groups"] = groups
    return found


def campaign_html(
    page: CampaignPage, detail: Callable[[Bucket], FindingPage], room: int = DETAILS_BYTES
) -> str:
    """The page of a campaign.

    ``detail`` gives the finding that stands for a bucket. It is asked for one bucket after the
    other, until ``room`` bytes are used up: the others are listed without details.
    """
    details = list(_details(page.buckets, detail, room))
    shown = sum(bool(entry.html) for entry in details)
    template = environment().get_template("campaign.html.j2")
    return template.render(
        page=page,
        charts=[Markup(svg) for svg in over_time(page.samples)],
        heat=table(page.coverage) if page.coverage.cases else None,
        details=details[:_ROWS],
        unlisted=max(0, len(details) - _ROWS),
        shown=shown,
        most_files=_FILES,
        longest=max((seconds for _, seconds in page.stages), default=0.0),
    )


def finding_html(page: FindingPage) -> str:
    """A page of one finding."""
    template = environment().get_template("single.html.j2")
    return template.render(title=page.file, finding=finding_part(page), page=page)


def finding_part(page: FindingPage) -> Markup:
    """The details of a finding, to be put into a page."""
    return Markup(environment().get_template("finding.html.j2").render(f=page))


def _details(
    buckets: Iterable[Bucket], detail: Callable[[Bucket], FindingPage], room: int
) -> Iterable[Detail]:
    full = False
    for number, bucket in enumerate(buckets):
        html = Markup("")
        if not full and number < DETAILS:
            html = finding_part(detail(bucket))
            room -= len(html.encode())
            full = room < 0
            if full:
                html = Markup("")
        yield Detail(bucket, html)


def groups(code: Code) -> list[tuple[int, Sequence[CodeLine]]]:
    """The instructions of a function, those together that came of the same CLIF line."""
    return [(line, list(lines)) for line, lines in groupby(code.lines, key=lambda at: at.clif)]
