"""Self-contained HTML pages of a campaign or of a single finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import PurePath

import jinja2
from markupsafe import Markup

from clif.function import format_name
from reports.charts import over_time
from reports.heatmap import table
from reports.model import (
    BucketSummary,
    CampaignPage,
    CodeLine,
    Divergence,
    FindingPage,
    FunctionCode,
    ProofsPage,
)
from reports.text import code_block, code_span, prose, table_cell

#: The most bytes of a page for the details of findings.
DETAILS_BYTES = 1_600_000
#: The most buckets that are shown in detail: running each again takes up to a second.
DETAILS = 80
#: The most files of a bucket that are named.
_FILES = 8
#: The most buckets that are listed.
_ROWS = 1_200


@dataclass(frozen=True, slots=True)
class Detail:
    """A bucket with the rendered details of one of its findings; empty if the page was full.

    Attributes:
        number: of the finding on the page, from 1; part of its anchors.
    """

    number: int
    bucket: BucketSummary
    html: Markup


@cache
def environment() -> jinja2.Environment:
    """Return the templates; values are escaped in HTML, but not in Markdown."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=lambda name: name is not None and ".html" in name,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters["function"] = format_name
    found.filters["lines"] = str.splitlines
    found.filters["code"] = code_span
    found.filters["prose"] = prose
    found.filters["cell"] = table_cell
    found.filters["fence"] = code_block
    found.filters["listing"] = listing
    found.tests["contains"] = str.__contains__
    found.globals["groups"] = groups
    found.globals["place"] = place
    return found


def campaign_html(
    page: CampaignPage, detail: Callable[[BucketSummary], FindingPage], room: int = DETAILS_BYTES
) -> str:
    """Return the page of a campaign.

    Args:
        detail: returns the finding that is shown for a bucket. It is called for one bucket after
            the other until the details fill ``room`` bytes; the other buckets are only listed.
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


def proofs_html(page: ProofsPage) -> str:
    """Return the page of proofs."""
    return environment().get_template("proofs.html.j2").render(page=page)


def finding_html(page: FindingPage) -> str:
    """Return the page of a single finding."""
    template = environment().get_template("single.html.j2")
    return template.render(title=page.file, finding=finding_part(page), page=page)


def finding_part(page: FindingPage, number: int = 1) -> Markup:
    """Return the details of a finding, as a part of a page.

    Args:
        number: of the finding on the page; part of its anchors.
    """
    template = environment().get_template("finding.html.j2")
    return Markup(template.render(f=page, anchor=f"finding-{number}"))


def place(anchor: str, page: FindingPage, at: Divergence) -> str:
    """Return the anchor of the machine instruction where a run diverges; of the CLIF without it."""
    for number, code in enumerate(page.codes, 1):
        if (code.isa, code.function) == (at.isa, at.function):
            return f"{anchor}-code-{number}-{at.offset}"
    return f"{anchor}-clif-{at.clif_line}"


def _details(
    buckets: Iterable[BucketSummary], detail: Callable[[BucketSummary], FindingPage], room: int
) -> Iterable[Detail]:
    full = False
    for number, bucket in enumerate(buckets, 1):
        html = Markup("")
        if not full and number <= DETAILS:
            page = detail(bucket)
            bucket = _named_after(bucket, page)
            html = finding_part(page, number)
            room -= len(html.encode())
            full = room < 0
            if full:
                html = Markup("")
        yield Detail(number, bucket, html)


def listing(code: FunctionCode) -> str:
    """Return machine code as text, a line for each instruction."""
    return "\n".join(
        f"{line.offset:#06x}  {line.text}" + f"  ; {line.notes}" * bool(line.notes)
        for line in code.lines
    )


def _named_after(bucket: BucketSummary, page: FindingPage) -> BucketSummary:
    """Return a bucket with the name of what was found, if its file records no finding."""
    unnamed = bool(bucket.files) and bucket.name == PurePath(bucket.files[0]).stem
    if not unnamed or page.kind == "case":
        return bucket
    isa = " ".join(page.isas)
    return replace(bucket, name=page.bucket, kind=page.kind, isa=isa, known=page.known)


def groups(code: FunctionCode) -> list[tuple[int, Sequence[CodeLine]]]:
    """Group consecutive instructions by the CLIF line that they were compiled from."""
    return [(line, list(lines)) for line, lines in groupby(code.lines, key=lambda at: at.clif)]
