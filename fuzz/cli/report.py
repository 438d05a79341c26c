"""``clif-fuzz report``: HTML pages and Markdown of campaigns and findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, EXIT_NOT_FAILING, BadInput
from fuzz.cli.files import read_text

if TYPE_CHECKING:
    from fuzz.reporting.archive import Archive
    from reports.model import FindingPage


@click.command(
    epilog="""\b
  clif-fuzz report findings                     findings/report.html
  clif-fuzz report findings -o page.html --markdown issues
  clif-fuzz report crash.clif --markdown -      a finding, as the draft of an issue
"""
)
@click.argument("path", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    "output",
    type=click.Path(path_type=Path),
    help="The page to write; by default report.html in DIR, or beside FILE.",
)
@click.option(
    "--campaign",
    type=click.IntRange(1),
    help="The campaign's number; by default the folder's last one.",
)
@click.option(
    "--markdown",
    metavar="PATH",
    help="Write Markdown, too: a folder for a campaign; for a finding a file, or - for stdout.",
)
def command(path: Path, output: Path | None, campaign: int | None, markdown: str | None) -> int:
    """Make one self-contained HTML page of a campaign's folder, or of a single finding.

    The smallest case of each bucket is run again, and shown with the inputs that fail, the machine
    code beside its CLIF, and the commands that reproduce the failure. The exit code is 3 if a
    finding does not fail with this build as its file records; the page says so first.
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder")
    fails = True
    if path.is_dir():
        output = output or path / "report.html"
        _campaign(path, output, campaign, markdown)
    else:
        if campaign is not None:
            raise BadInput("--campaign needs a folder, not a file")
        output = output or path.with_suffix(".html")
        fails = _finding(path, output, markdown)
    if markdown != "-":
        click.echo(f"{output}")
    return EXIT_CLEAN if fails else EXIT_NOT_FAILING


def _finding(path: Path, output: Path, markdown: str | None) -> bool:
    """Write the page of a finding. Returns whether it failed as its file records."""
    from fuzz.reporting.child import PageProcess
    from reports.markdown import finding_markdown
    from reports.page import finding_html

    read_text(path)
    with PageProcess() as child:
        page = child.page(path)
    _write(output, finding_html(page))
    if markdown == "-":
        click.echo(finding_markdown(page), nl=False)
    elif markdown is not None:
        _write(Path(markdown), finding_markdown(page))
    return page.fails


def _campaign(path: Path, output: Path, number: int | None, markdown: str | None) -> None:
    from rich.console import Console

    from fuzz.reporting.campaign import campaign_page
    from fuzz.reporting.child import PageProcess
    from reports.model import BucketSummary, FindingPage
    from reports.page import campaign_html

    if markdown == "-":
        raise BadInput("--markdown - is for a single finding; name a folder for a campaign")
    archive = _archive(path, number)
    child = PageProcess()
    status = Console(stderr=True).status("reading the campaign")
    page = campaign_page(archive)
    details: dict[str, FindingPage] = {}  # by file

    def detail(bucket: BucketSummary) -> FindingPage:
        if not bucket.files:
            return FindingPage(
                "", bucket.kind, bucket.name, (bucket.isa,), problem="None of its files exists."
            )
        status.update(f"finding {len(details) + 1}: {bucket.name[:60]}")
        page = child.page(archive.folder / bucket.files[0])
        details[bucket.files[0]] = page
        return page

    with status, child:
        html = campaign_html(page, detail)
    _write(output, html)
    if markdown is not None:
        _write_markdown(Path(markdown), archive, details)


def _write_markdown(folder: Path, archive: Archive, details: dict[str, FindingPage]) -> None:
    """Write ``campaign.md``, and a file for each bucket that the page shows in detail."""
    from fuzz.reporting.campaign import campaign_page
    from reports.markdown import campaign_markdown, finding_markdown

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}") from error
    _write(folder / "campaign.md", campaign_markdown(campaign_page(archive)))
    for page in details.values():
        _write(folder / f"{Path(page.file).stem}.md", finding_markdown(page))


def _archive(path: Path, number: int | None) -> Archive:
    from fuzz.reporting.archive import ArchiveError, read_archive

    try:
        return read_archive(path, number)
    except ArchiveError as error:
        raise BadInput(str(error)) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
