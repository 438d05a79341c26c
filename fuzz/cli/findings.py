"""``clif-fuzz findings``: list the findings in folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, BadInput, complain
from fuzz.cli.options import json_option, write_json
from fuzz.differential.base_answer import Novelty

if TYPE_CHECKING:
    from fuzz.reporting.archive import FindingEntry
    from fuzz.reporting.finding_groups import FindingGroup

#: Files of a bucket that are listed without --all.
_SHOWN = 3


@click.command(
    epilog="""\b
  clif-fuzz findings findings
  clif-fuzz findings --new --all findings
  clif-fuzz findings --json - findings other-findings
"""
)
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--new", "only_new", is_flag=True, help="Leave known faults and old findings out.")
@click.option("--all", "all_files", is_flag=True, help="List every file, not three of a bucket.")
@json_option
def command(
    folders: tuple[str, ...], only_new: bool, all_files: bool, json_file: str | None
) -> int:
    """List the findings in folders by bucket, and which are known, old or minimised.

    Old findings are those that the base of their campaign (run --base) has, too.
    The files are read, not run: a campaign may be running there.
    """
    from fuzz.reporting.finding_groups import group_findings

    entries = [entry for folder in folders for entry in _entries(Path(folder))]
    groups = group_findings(entries)
    if only_new:
        groups = [group for group in groups if group.novelty is Novelty.NEW]
    if json_file is not None:
        write_json(_facts(groups), json_file)
    if json_file != "-":
        for group in groups:
            click.echo("\n".join(_lines(group, all_files)))
        click.echo(_total(groups))
    return EXIT_CLEAN


def _entries(folder: Path) -> Iterator[FindingEntry]:
    """Yield what the head of each finding's file says.

    Raises:
        BadInput: there is no such folder.
    """
    from dataclasses import replace

    from fuzz.differential.finding import MINIMIZED
    from fuzz.reporting.archive import read_header

    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    for path in sorted(folder.rglob("*.clif")):
        if MINIMIZED in path.relative_to(folder).parts[:-1]:
            continue
        try:
            entry = read_header(path)
        except (OSError, UnicodeDecodeError) as error:
            complain(f"{path}: {error}")
            continue
        yield replace(entry, file=str(path))


def _lines(group: FindingGroup, all_files: bool) -> Iterator[str]:
    from fuzz.reporting.finding_groups import rule_words

    yield f"{group.number:5} {group.novelty.value:5}  {group.bucket}"
    if group.rules:
        yield f"             {rule_words(group.rules)}"
    if group.minimized:
        yield f"             minimised: {group.minimized[0]}"
    shown = group.files if all_files else group.files[:_SHOWN]
    yield from (f"             {file}" for file in shown)
    if len(group.files) > len(shown):
        yield f"             and {len(group.files) - len(shown)} more"


def _counts(groups: list[FindingGroup]) -> dict[str, int]:
    return {
        "findings": sum(group.number for group in groups),
        "unique": len(groups),
        **{each.value: sum(group.novelty is each for group in groups) for each in Novelty},
        "minimized": sum(len(group.minimized) for group in groups),
    }


def _total(groups: list[FindingGroup]) -> str:
    counts = _counts(groups)
    return (
        f"{counts['findings']} findings in {counts['unique']} buckets "
        f"({counts['new']} new, {counts['known']} known, {counts['old']} old), "
        f"{counts['minimized']} minimised"
    )


def _facts(groups: list[FindingGroup]) -> dict[str, object]:
    return _counts(groups) | {"buckets": [group.to_json() for group in groups]}
