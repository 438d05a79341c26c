"""``clif-fuzz triage``: which findings are one fault, and whose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, BadInput, complain
from fuzz.cli.files import emulated_isas, expand, load_cases
from fuzz.cli.options import json_option, write_json

if TYPE_CHECKING:
    from fuzz.minimize.child import ChildJudge
    from fuzz.triage.deduplicate import Entry, Fault, Folded


@click.command(
    epilog="""\b
  clif-fuzz triage findings/
  clif-fuzz triage findings/ --out minimal/ --json triage.json
"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the smallest case of each bucket there, with its blame.",
)
@click.option("--no-blame", is_flag=True, help="Only fold duplicates; do not ask who is to blame.")
@click.option(
    "--host",
    is_flag=True,
    help="Let this machine's CPU have a vote: generated code runs on it, in a child process.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a case may take before that is what is wrong with it.",
)
@json_option
def command(
    files: tuple[str, ...],
    out: Path | None,
    no_blame: bool,
    host: bool,
    timeout: float,
    json_file: str | None,
) -> int:
    """Minimise findings, fold those of one fault together, and say who is to blame.

    A folder stands for the .clif files in it. Exit code 1 if anything fails.
    """
    from rich.console import Console

    from fuzz.triage.deduplicate import fold

    judges, unreadable = {}, 0
    entries: list[Entry] = []
    for path in expand(files):
        try:
            for name, entry, judge in _entries(path, timeout):
                judges[name] = judge
                entries.append(entry)
        except BadInput as error:
            complain(error.format_message())
            unreadable += 1
    with Console(stderr=True).status("reading") as status:
        folded = fold(
            entries,
            lambda entry: judges[entry.name],
            observe=lambda entry: status.update(f"minimizing {entry.name}"),
        )
        if not no_blame:
            _blame(folded, host=host)
    if out is not None:
        _write(folded, out)
    if json_file is not None:
        write_json(_facts(folded, unreadable), json_file)
    if json_file != "-":
        _show(folded)
    return EXIT_FINDINGS if folded.faults else EXIT_CLEAN


def _entries(path: Path, timeout: float) -> Iterator[tuple[str, Entry, ChildJudge]]:
    """A file's cases, each with its judge."""
    from fuzz.differential.runner import PlainTrial
    from fuzz.minimize.child import ChildJudge
    from fuzz.minimize.interestingness import TrialJudge
    from fuzz.triage.deduplicate import Entry

    cases = load_cases(path)
    for case_file in cases:
        name = str(path) + f" %{case_file.case.main.name}" * (len(cases) > 1)
        judge = TrialJudge(PlainTrial(), emulated_isas(case_file, path), second=True)
        yield name, Entry(name, case_file.case), ChildJudge(judge, timeout)


def _blame(folded: Folded, *, host: bool) -> None:
    from backend.isa.registry import DEFAULT_ISAS
    from fuzz.triage.minimized import examine

    for fault in folded.faults:
        isas = fault.smallest.isas or DEFAULT_ISAS
        found = examine(fault.smallest, fault.symptom, isas, blame=True, host=host)
        fault.blame = found.blame


def _write(folded: Folded, out: Path) -> None:
    from backend.isa.registry import DEFAULT_ISAS
    from fuzz.differential.finding_file import check_directory, write_finding
    from fuzz.triage.minimized import examine, minimized_text

    try:
        check_directory(out)
        for fault in folded.faults:
            isas = fault.smallest.isas or DEFAULT_ISAS
            found = examine(fault.smallest, fault.symptom, isas, blame=False)
            write_finding(minimized_text(found.with_blame(fault.blame), isas), out)
    except OSError as error:
        raise BadInput(f"cannot write to {out}: {error.strerror}") from error


def _show(folded: Folded) -> None:
    for fault in folded.faults:
        for line in _lines(fault):
            click.echo(line)
    total = sum(len(fault.names) for fault in folded.faults)
    click.echo(f"{total} findings in {len(folded.faults)} buckets, {len(folded.healthy)} healthy")


def _lines(fault: Fault) -> Iterator[str]:
    yield f"{len(fault.names):4} x {fault.bucket}"
    yield from (f"       also {bucket}" for bucket in fault.ways)
    if fault.blame is not None:
        yield from (f"       {line}" for line in fault.blame.lines())
    shown = fault.names[:3]
    more = len(fault.names) - len(shown)
    yield f"       {', '.join(shown)}" + f" and {more} more" * bool(more)


def _facts(folded: Folded, unreadable: int) -> dict[str, object]:
    return {
        "findings": sum(len(fault.names) for fault in folded.faults),
        "buckets": [fault.to_json() for fault in folded.faults],
        "healthy": folded.healthy,
        "unreadable": unreadable,
    }
