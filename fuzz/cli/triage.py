"""``clif-fuzz triage``: which findings show one fault, and which part is at fault."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clif.function import format_name
from fuzz.cli.base import asker_for, base_option
from fuzz.cli.errors import (
    EXIT_CLEAN,
    EXIT_FINDINGS,
    EXIT_INTERRUPTED,
    EXIT_NOT_FAILING,
    BadInput,
    NotRunHere,
    complain,
)
from fuzz.cli.files import emulated_isas, expand, load_cases, read_text
from fuzz.cli.options import engine_option, json_option, read_options, timeout_option, write_json
from reports.text import printable

if TYPE_CHECKING:
    from clif.outcome import Region
    from fuzz.cases.case import Case
    from fuzz.cases.casefile import CaseFile
    from fuzz.differential.failure_signature import FailureSignature
    from fuzz.minimize.child import IsolatedTest
    from fuzz.minimize.interestingness import InterestingnessTest
    from fuzz.triage.base.asker import BaseAsker
    from fuzz.triage.bucket import MinimalCase
    from fuzz.triage.deduplicate import Deduplicated, DistinctFault, NamedCase

#: Files of a bucket that are listed.
_SHOWN = 20


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
@base_option(
    "Leave out findings that this Cranelift, a version or a folder, has too, and keep minimising "
    "from ending at such a one."
)
@read_options
@engine_option
@timeout_option
@json_option
def command(
    files: tuple[str, ...],
    out: Path | None,
    no_attribution: bool,
    host: bool,
    base_name: str | None,
    drawn_inputs: int | None,
    memory: Region | None,
    timeout: float,
    json_file: str | None,
) -> int:
    """Minimise findings, merge those with one cause, and find the part at fault.

    FILE may be a folder, which stands for the .clif files below it, known faults, old findings and
    minimised ones aside. The part at fault, such as register allocation or an ISLE rule, is found
    by running variants of the case. Minimised findings are kept in the folder minimized beside the
    files, and not minimised again; so Ctrl-C loses nothing. The exit code is 1 if any case fails, 3
    if none does with this build as its file records.
    """
    from fuzz.triage.deduplicate import deduplicate

    asker = asker_for(base_name)
    entries, unreadable = _read_all(
        files, lambda path: _entries(path, load_cases(path, drawn_inputs, memory), timeout)
    )
    old = [] if asker is None else [n for n, entry in entries.items() if _is_old(entry, asker)]
    new = [entry for name, entry in entries.items() if name not in old]
    progress = _Progress(len(new))
    found = deduplicate(
        [entry.named for entry in new],
        lambda named: _test_of(entries[named.name], asker),
        kept=_KeptCases(entries, asker),
        rules_of=_suspected_rules,
        observe=progress.begin,
        done=progress.end,
    )
    if not no_attribution and not found.left:
        _attribute(found, host=host)
    if out is not None:
        _write(found, out)
    if json_file is not None:
        write_json(_facts(found, unreadable, old), json_file)
    if json_file != "-":
        for name in old:
            click.echo(f"       the base has it, too: {name}")
        _show(found)
        if asker is not None:
            click.echo(f"{len(old)} old, which the base has, too")
    if found.left:
        return EXIT_INTERRUPTED
    if found.faults:
        return EXIT_FINDINGS
    return EXIT_NOT_FAILING if found.healthy else EXIT_CLEAN


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """A case of a file.

    Attributes:
        text: the file's contents.
        minimized: the path for the minimised case.
    """

    named: NamedCase
    test: IsolatedTest
    file: Path
    text: str
    minimized: Path


def _read_all(
    files: Iterable[str], read: Callable[[Path], Iterator[_Entry]]
) -> tuple[dict[str, _Entry], int]:
    """Read the cases of all files.

    Args:
        read: reads the cases of one.

    Returns:
        The cases by name, and how many files could not be read, or are not run here.
    """
    entries: dict[str, _Entry] = {}
    unreadable = 0
    for path in _expand(files):
        try:
            entries |= {entry.named.name: entry for entry in read(path)}
        except (BadInput, NotRunHere) as error:
            complain(error.format_message())
            unreadable += 1
    return entries, unreadable


def _expand(names: Iterable[str]) -> Iterator[Path]:
    """Yield files by name; a folder stands for the findings below it."""
    from fuzz.triage.minimized_files import leave_out_own

    for name in names:
        paths, folder = expand([name]), Path(name)
        if folder.is_dir():
            paths, known = leave_out_own(paths, folder)
            if known:
                complain(f"{folder}: leaves out {known} findings of known faults, or old ones")
            if not paths:
                raise BadInput(f"{folder}: no new findings in this folder")
        yield from paths


def _entries(path: Path, cases: Sequence[CaseFile], timeout: float) -> Iterator[_Entry]:
    from fuzz.differential.recorded_failure import read_recorded_failure
    from fuzz.differential.runner import CaseRunner
    from fuzz.minimize.child import IsolatedTest
    from fuzz.minimize.interestingness import FailureTest
    from fuzz.triage.deduplicate import NamedCase
    from fuzz.triage.minimized_files import minimized_path

    text = read_text(path)
    recorded = read_recorded_failure(text)
    for case_file in cases:
        function = case_file.case.main.name if len(cases) > 1 else ""
        name = f"{path} {format_name(function)}" if function else str(path)
        isas = emulated_isas(case_file, path)
        test = FailureTest(CaseRunner(), isas, second=True, recorded=recorded)
        yield _Entry(
            NamedCase(name, case_file.case),
            IsolatedTest(test, timeout),
            path,
            text,
            minimized_path(path, function),
        )


def _is_old(entry: _Entry, asker: BaseAsker) -> bool:
    """Return whether the base fails on the case of a finding in the same way."""
    from fuzz.differential.base_answer import BaseStatus

    test = entry.test.test
    answer = asker.ask(entry.named.case, test.isas, test.recorded)
    return answer.status is BaseStatus.FAILS


def _test_of(entry: _Entry, asker: BaseAsker | None) -> InterestingnessTest:
    from fuzz.triage.base.interestingness import NewAgainstBase

    if asker is None:
        return entry.test
    return NewAgainstBase(entry.test, asker, entry.test.test.isas)


class _KeptCases:
    """The files of minimised findings."""

    def __init__(self, entries: Mapping[str, _Entry], asker: BaseAsker | None) -> None:
        self._entries = entries
        self._asker = asker
        self._problem = ""

    def load(self, named: NamedCase) -> MinimalCase | None:
        """Return the minimal case of a finding if there is one."""
        from fuzz.triage.minimized_files import load_minimized

        entry = self._entries[named.name]
        saved = load_minimized(entry.minimized, entry.text)
        if saved is None:
            return None
        recorded = entry.test.test.recorded
        failure = saved.minimal.failure
        if not (
            recorded is None or recorded.is_shown_by(failure) or recorded.may_be_caused_by(failure)
        ):
            return None  # another failure of the case was minimised
        isas = entry.test.test.isas
        if self._asker is not None and self._asker.has_too(saved.minimal.case, isas, failure):
            return None  # it was minimised without the base, to what that has, too
        return saved.minimal

    def save(self, named: NamedCase, minimal: MinimalCase) -> None:
        """Write the file; if that fails, say so once."""
        from backend.isa.registry import DEFAULT_ISAS
        from fuzz.triage.minimized import examine
        from fuzz.triage.minimized_files import save_minimized

        entry = self._entries[named.name]
        isas = minimal.case.isas or DEFAULT_ISAS
        minimized = examine(minimal.case, minimal.failure, isas, attribute=False)
        minimized = minimized.with_rules(minimal.rules)
        try:
            save_minimized(minimized, isas, entry.file, entry.text, entry.minimized)
        except OSError as error:
            if not self._problem:
                self._problem = f"{entry.minimized.parent}: {error.strerror}"
                complain(f"minimised findings cannot be kept: {self._problem}")


def _suspected_rules(case: Case, failure: FailureSignature) -> frozenset[str]:
    from fuzz.differential.runner import CaseRunner
    from fuzz.triage.minimized import suspected_rules

    return suspected_rules(case, failure, CaseRunner())


class _Progress:
    """Says on stderr which finding is being minimised, and into which bucket each one falls."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def begin(self, named: NamedCase) -> None:
        """Note that a finding is being minimised; only a terminal shows it."""
        if sys.stderr.isatty():
            self._write(f"{self._done + 1} of {self._total}: minimising {named.name}", end="\r")

    def end(self, named: NamedCase, bucket: str) -> None:
        """Note the bucket of a finding; it is empty if the finding does not fail."""
        self._done += 1
        self._write(f"{self._done} of {self._total}: {named.name}: {bucket or 'does not fail'}")

    def _write(self, text: str, end: str = "\n") -> None:
        clear = "\x1b[K" if sys.stderr.isatty() else ""
        sys.stderr.write(f"{clear}{printable(text)}{end}")
        sys.stderr.flush()


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
    left = f", {len(found.left)} not looked at" * bool(found.left)
    for name in found.healthy:
        click.echo(f"       does not fail here, or not as it records: {name}")
    click.echo(
        f"{total} findings in {len(found.faults)} buckets, {len(found.healthy)} healthy{left}"
    )
    if found.left:
        click.echo("interrupted: the same command goes on")


def _lines(fault: DistinctFault) -> Iterator[str]:
    from fuzz.reporting.finding_groups import rule_words

    yield f"{len(fault.names):4} x {fault.bucket}"
    yield from (f"       also {bucket}" for bucket in fault.aliases)
    if fault.rules:
        yield f"       {rule_words(sorted(fault.rules))}"
    if fault.attribution is not None:
        yield from (f"       {line}" for line in fault.attribution.lines())
    yield from (f"       {name}" for name in fault.names[:_SHOWN])
    more = len(fault.names) - _SHOWN
    if more > 0:
        yield f"       and {more} more (--json lists them)"


def _facts(found: Deduplicated, unreadable: int, old: Sequence[str]) -> dict[str, object]:
    return {
        "findings": sum(len(fault.names) for fault in found.faults),
        "buckets": [fault.to_json() for fault in found.faults],
        "healthy": found.healthy,
        "old": list(old),
        "left": found.left,
        "unreadable": unreadable,
    }
