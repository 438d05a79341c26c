"""``clif-fuzz status``: look at campaigns, running or not."""

from __future__ import annotations

from pathlib import Path

import click

from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.options import json_option, write_json
from fuzz.reporting.campaign_status import CampaignStatus, StatusError, read_status


@click.command(
    epilog="""\b
  clif-fuzz status findings
  clif-fuzz status --json - campaigns/*
"""
)
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    metavar="DIR...",
    type=click.Path(path_type=Path),
)
@json_option
def command(folders: tuple[Path, ...], json_file: str | None) -> int:
    """Show how the latest campaign of each folder is going, without disturbing it."""
    try:
        found = [read_status(folder) for folder in folders]
    except StatusError as error:
        raise BadInput(str(error)) from error
    if json_file is not None:
        write_json({"campaigns": [status.to_json() for status in found]}, json_file)
    if json_file != "-":
        for status in found:
            _show(status)
        if len(found) > 1:
            _show_total(found)
    return EXIT_CLEAN


def _show(status: CampaignStatus) -> None:
    click.echo(f"{status.folder}: {status.state}, seed {status.seed}, {status.jobs} job(s)")
    click.echo(
        f"  {duration(status.seconds)} run, last saved {duration(status.saved_ago)} ago, "
        f"{status.cases} cases, {status.executions} executions"
    )
    click.echo(
        f"  lately {status.cases_rate:.0f} cases/s, {status.executions_rate:.0f} executions/s"
    )
    click.echo(
        f"  {status.edges} edges of Cranelift, the last new one {duration(status.stale_seconds)} "
        "before the last save"
    )
    click.echo(
        f"  findings {status.findings} in {status.buckets} buckets{_against(status)}, known faults "
        f"{status.known_faults}, hangs {status.hangs}, rejected {status.rejected}, "
        f"worker deaths {status.deaths}"
    )
    if status.error:
        click.echo(f"  it failed: {status.error}")


def _against(status: CampaignStatus) -> str:
    if not status.base:
        return ""
    left = f", {status.not_asked} not asked about" * bool(status.not_asked)
    return f", old {status.old} (base {status.base}{left})"


def _show_total(found: list[CampaignStatus]) -> None:
    running = sum(status.running for status in found)
    click.echo(
        f"together: {running} of {len(found)} running, "
        f"{sum(status.cases for status in found)} cases, "
        f"{sum(status.cases_rate for status in found if status.running):.0f} cases/s, "
        f"{sum(status.findings for status in found)} findings"
    )


def duration(seconds: float) -> str:
    """Return a number of seconds as ``12 s``, ``3 min 20 s`` or ``5 h 3 min``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
