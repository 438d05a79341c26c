"""``clif-fuzz triage``: which findings show one fault, and which part is at fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, BadInput, complain
from fuzz.cli.files import emulated_isas, expand, load_cases
from fuzz.cli.options import json_option, timeout_option, write_json

if TYPE_CHECKING:
    from fuzz.minimize.child import IsolatedTest
    from fuzz.triage.deduplicate import Deduplicated, DistinctFault, NamedCase


@click.command(
    epilog="""\b
  clif-fuzz triage findings/
  clif-fuzz triage findings/ --out minimal/ --json triage.json
"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the smallest case of each bucket there, with its attribution.",
)
@click.option(
    "--no-attribution", is_flag=True, help="Only deduplicate; do not look for the part at fault."
)
@click.option(
    "--host",
    is_flag=True,
    help="Run cases on this machine's CPU as well, in a child process.",
)
@timeout_option
@json_option
def command(
    files: tuple[str, ...],
    out: Path | None,
    no_attribution: bool,
    host: bool,
    timeout: float,
    json_file: str | None,
) -> int:
    """Minimise findings, merge those with one cause, and find the part at fault.

    FILE may be a folder, which stands for the .clif files below it. The part at fault, such as
    register allocation or an ISLE rule, is found by running variants of the case. The exit code is
    1 if any case fails.
    """
    from rich.console import Console

    from fuzz.triage.deduplicate import deduplicate

    tests, unreadable = {}, 0
    cases: list[NamedCase] = []
    for path in expand(files):
        try:
            for named, test in _cases_with_tests(path, timeout):
                tests[named.name] = test
                cases.append(named)
        except BadInput as error:
            complain(error.format_message())
            unreadable += 1
    with Console(stderr=True).status("reading") as status:
        found = deduplicate(
            cases,
            lambda named: tests[named.name],
            observe=lambda named: status.update(f"minimizing {named.name}"),
        )
        if not no_attribution:
            _attribute(found, host=host)
    if out is not None:
        _write(found, out)
    if json_file is not None:
        write_json(_facts(found, unreadable), json_file)
    if json_file != "-":
        _show(found)
    return EXIT_FINDINGS if found.faults else EXIT_CLEAN


def _cases_with_tests(path: Path, timeout: float) -> Iterator[tuple[NamedCase, IsolatedTest]]:
    """Yield a file's cases, each with an interestingness test."""
    from fuzz.differential.runner import PlainRunner
    from fuzz.minimize.child import IsolatedTest
    from fuzz.minimize.interestingness import FailureTest
    from fuzz.triage.deduplicate import NamedCase

    cases = load_cases(path)
    for case_file in cases:
        name = str(path) + f" %{case_file.case.main.name}" * (len(cases) > 1)
        test = FailureTest(PlainRunner(), emulated_isas(case_file, path), second=True)
        yield NamedCase(name, case_file.case), IsolatedTest(test, timeout)


def _attribute(found: Deduplicated, *, host: bool) -> None:
    from backend.isa.registry import DEFAULT_ISAS
    from fuzz.triage.minimized import examine

    for fault in found.faults:
        isas = fault.smallest.isas or DEFAULT_ISAS
        minimized = examine(fault.smallest, fault.failure, isas, attribute=True, host=host)
        fault.attribution = minimized.attribution


def _write(found: Deduplicated, out: Path) -> None:
    from backend.isa.registry import DEFAULT_ISAS
    from fuzz.differential.finding_file import check_directory, write_finding
    from fuzz.triage.minimized import examine, minimized_text

    try:
        check_directory(out)
        for fault in found.faults:
            isas = fault.smallest.isas or DEFAULT_ISAS
            minimized = examine(fault.smallest, fault.failure, isas, attribute=False)
            minimized = minimized.with_attribution(fault.attribution)
            write_finding(minimized_text(minimized, isas), out)
    except OSError as error:
        raise BadInput(f"cannot write to {out}: {error.strerror}") from error


def _show(found: Deduplicated) -> None:
    for fault in found.faults:
        for line in _lines(fault):
            click.echo(line)
    total = sum(len(fault.names) for fault in found.faults)
    click.echo(f"{total} findings in {len(found.faults)} buckets, {len(found.healthy)} healthy")


def _lines(fault: DistinctFault) -> Iterator[str]:
    yield f"{len(fault.names):4} x {fault.bucket}"
    yield from (f"       also {bucket}" for bucket in fault.aliases)
    if fault.attribution is not None:
        yield from (f"       {line}" for line in fault.attribution.lines())
    shown = fault.names[:3]
    more = len(fault.names) - len(shown)
    yield f"       {', '.join(shown)}" + f" and {more} more" * bool(more)


def _facts(found: Deduplicated, unreadable: int) -> dict[str, object]:
    return {
        "findings": sum(len(fault.names) for fault in found.faults),
        "buckets": [fault.to_json() for fault in found.faults],
        "healthy": found.healthy,
        "unreadable": unreadable,
    }
