"""``clif-fuzz report``: a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.files import read_text

if TYPE_CHECKING:
    from fuzz.reporting.archive import Archive
    from reports.model import FindingPage


@click.command(
    epilog="""\b
  clif-fuzz report findings                     findings/report.html
  clif-fuzz report findings -o page.html --markdown issues
  clif-fuzz report crash.clif --markdown -      a finding, as the text of an issue
"""
)
@click.argument("path", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The page; report.html in DIR, or beside FILE, if not given.",
)
@click.option("--campaign", type=click.IntRange(1), help="Number of the campaign, if not the last.")
@click.option(
    "--markdown",
    metavar="PATH",
    help="Also as Markdown: a folder for a campaign's buckets, a file or - for a finding.",
)
def command(path: Path, output: Path | None, campaign: int | None, markdown: str | None) -> int:
    """Make one self-contained HTML page of a campaign's folder, or of a single finding.

    Each bucket's smallest case is run again for it, and shown with the inputs that fail, the
    machine code beside its CLIF, and the commands that show it again.
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder")
    if path.is_dir():
        output = output or path / "report.html"
        _campaign(path, output, campaign, markdown)
    else:
        if campaign is not None:
            raise BadInput("--campaign goes with a folder")
        output = output or path.with_suffix(".html")
        _finding(path, output, markdown)
    if markdown != "-":
        click.echo(f"{output}")
    return EXIT_CLEAN


def _finding(path: Path, output: Path, markdown: str | None) -> None:
    from fuzz.reporting.child import Child
    from reports.markdown import finding_markdown
    from reports.page import finding_html

    read_text(path)
    with Child() as child:
        page = child.page(path)
    _write(output, finding_html(page))
    if markdown == "-":
        click.echo(finding_markdown(page), nl=False)
    elif markdown is not None:
        _write(Path(markdown), finding_markdown(page))


def _campaign(path: Path, output: Path, number: int | None, markdown: str | None) -> None:
    from rich.console import Console

    from fuzz.reporting.campaign import campaign_page
    from fuzz.reporting.child import Child
    from reports.model import Bucket, FindingPage
    from reports.page import campaign_html

    if markdown == "-":
        raise BadInput("--markdown of a folder needs a folder")
    archive = _archive(path, number)
    child = Child()
    status = Console(stderr=True).status("reading the campaign")
    page = campaign_page(archive)
    details: dict[str, FindingPage] = {}

    def detail(bucket: Bucket) -> FindingPage:
        if not bucket.files:
            return FindingPage(
                "", bucket.kind, bucket.name, (bucket.isa,), problem="No file of it is there."
            )
        status.update(f"finding {len(details) + 1}: {bucket.name[:60]}")
        details[bucket.name] = child.page(archive.folder / bucket.files[0])
        return details[bucket.name]

    with status, child:
        html = campaign_html(page, detail)
    _write(output, html)
    if markdown is not None:
        _write_markdown(Path(markdown), archive, details)


def _write_markdown(folder: Path, archive: Archive, details: dict[str, FindingPage]) -> None:
    """``campaign.md``, and a file for each bucket that the page has details of."""
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
