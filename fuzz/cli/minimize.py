"""``clif-fuzz minimize``: make a failing case as small as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.base import asker_for, base_option
from fuzz.cli.errors import (
    EXIT_CLEAN,
    EXIT_INTERRUPTED,
    BadInput,
    NotFailingHere,
    NotRunHere,
    complain,
    worse,
)
from fuzz.cli.files import emulated_isas, load_cases, read_text
from fuzz.cli.options import (
    engine_option,
    file_isas_option,
    json_option,
    read_options,
    timeout_option,
    write_json,
)
from fuzz.differential.finding import FindingKind

if TYPE_CHECKING:
    from clif.outcome import Region
    from fuzz.cases.case import Case
    from fuzz.cases.casefile import CaseFile
    from fuzz.differential.failure_signature import FailureSignature
    from fuzz.differential.recorded_failure import RecordedFailure
    from fuzz.minimize.engine import Minimizer, MinimizerProgress
    from fuzz.minimize.interestingness import InterestingnessTest
    from fuzz.triage.base.asker import BaseAsker


@click.command(
    epilog="""\b
  clif-fuzz minimize findings/crash-*.clif
  clif-fuzz minimize crash.clif -o small.clif
  clif-fuzz minimize crash.clif --predicate 'sh is-interesting.sh'
"""
)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where to write the result, - for stdout; by default FILE with the suffix .min.clif. "
    "With several files, a folder.",
)
@file_isas_option("ISAs to run the case on, instead of those that the file names.")
@click.option(
    "--predicate",
    metavar="CMD",
    help="Your own interestingness test: a case is kept if CMD with its file exits with 0.",
)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in FindingKind]),
    help="The kind of failure to keep; unsupported is an instruction that an ISA lacks.",
)
@base_option("Keep only what this Cranelift, a version or a folder, does not do as well.")
@read_options
@engine_option
@timeout_option
@json_option
def command(
    files: tuple[Path, ...],
    out: Path | None,
    isas: tuple[str, ...] | None,
    predicate: str | None,
    kind: str | None,
    base_name: str | None,
    drawn_inputs: int | None,
    memory: Region | None,
    timeout: float,
    json_file: str | None,
) -> int:
    """Make cases as small as possible while they still fail in the same way.

    Any kind of failure can be minimised: wrong values, traps, hangs, panics, crashes of the
    compiler. If a file records a failure, as those of findings do, it is that one. Of a file with
    several functions, the first that fails is taken. If it is interrupted, the smallest case so far
    is written. The exit code is 3 if a case does not fail with this build, or not as its file
    records, or if the Cranelift of --base fails on it in the same way.
    """
    if base_name is not None and predicate is not None:
        raise BadInput("--base does not go with --predicate, which alone says what is kept")
    asker = asker_for(base_name)
    several = len(files) > 1
    if several and out is not None:
        if str(out) == "-":
            raise BadInput("-o - is for one file")
        _make_folder(out)
    facts, code = [], EXIT_CLEAN
    for file in files:
        target = out or file.with_suffix(".min.clif")
        if several and out is not None:
            target = out / file.name
        try:
            own, interrupted = _minimize_file(
                file,
                target,
                partial(load_cases, drawn_inputs=drawn_inputs, memory=memory),
                isas,
                predicate,
                kind,
                timeout,
                asker,
                quiet="-" in (json_file, str(target)),
            )
        except (BadInput, NotFailingHere, NotRunHere) as error:
            if not several:
                raise
            complain(error.format_message())
            code = worse(code, error.exit_code)
            continue
        facts.append(own)
        if interrupted:
            code = EXIT_INTERRUPTED
            break
    if json_file is not None:
        write_json({"files": facts} if several else facts[0], json_file)
    return code


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}") from error


def _minimize_file(
    file: Path,
    target: Path,
    read: Callable[[Path], list[CaseFile]],
    isas: tuple[str, ...] | None,
    predicate: str | None,
    kind: str | None,
    timeout: float,
    asker: BaseAsker | None,
    *,
    quiet: bool,
) -> tuple[dict[str, object], bool]:
    """Minimise the case of a file, and write the result to another one.

    Args:
        read: reads the cases of the file.
        asker: asks the base; None without one.

    Returns:
        The facts for ``--json``, and whether it was interrupted.

    Raises:
        BadInput: the file cannot be read.
        NotFailingHere: the case does not fail.
        NotRunHere: it is for none of the emulated ISAs.
    """
    from fuzz.differential.recorded_failure import read_recorded_failure
    from fuzz.minimize.engine import Minimizer, NotFailing, describe
    from fuzz.minimize.registry import PASSES

    cases = read(file)
    isas = isas or emulated_isas(cases[0], file)
    recorded = None if predicate or kind else read_recorded_failure(read_text(file))
    test = _test(isas, predicate, kind, timeout, recorded)
    try:
        case, failure = _look(test, [found.case for found in cases], file, recorded)
        if asker is not None:
            test = _new_against(asker, test, case, failure, isas, file)
        restricted = test.restricted_to(failure)
        try:
            minimizer = Minimizer(restricted, PASSES)
            try:
                minimizer.start(case)
            except NotFailing as error:
                raise NotFailingHere(f"{file}: {error}") from error
            interrupted = _run(minimizer)
        finally:
            restricted.close()
    finally:
        test.close()
    small = minimizer.progress.case
    _write(small, failure, isas, target, attribute=not interrupted and predicate is None)
    if not quiet:
        click.echo(f"{file}: {failure}")
        click.echo(f"  before: {describe(case)}")
        click.echo(f"  after:  {describe(small)}, in {target}")
    return _facts(file, target, case, minimizer, failure), interrupted


def _test(
    isas: tuple[str, ...],
    predicate: str | None,
    kind: str | None,
    timeout: float,
    recorded: RecordedFailure | None,
) -> InterestingnessTest:
    from fuzz.differential.runner import CaseRunner
    from fuzz.minimize.child import IsolatedTest
    from fuzz.minimize.interestingness import FailureTest
    from fuzz.minimize.predicate import PredicateTest

    if predicate is not None:
        return PredicateTest(predicate, isas, timeout)
    wanted = None if kind is None else FindingKind(kind)
    test = FailureTest(CaseRunner(), isas, second=True, kind=wanted, recorded=recorded)
    return IsolatedTest(test, timeout)


def _look(
    test: InterestingnessTest, cases: Sequence[Case], file: Path, recorded: RecordedFailure | None
) -> tuple[Case, FailureSignature]:
    """Return the first case of a file that fails, and its failure.

    Raises:
        BadInput: the user's own test cannot be run.
        NotFailingHere: no case fails, or not as recorded.
    """
    from fuzz.minimize.predicate import PredicateError

    for case in cases:
        try:
            failure = test(case)
        except PredicateError as error:
            raise BadInput(str(error)) from error
        if failure is not None:
            return case, failure
    missing = f" here as the file records ({recorded})" if recorded else ""
    raise NotFailingHere(f"{file}: it does not fail{missing}: there is nothing to minimize")


def _new_against(
    asker: BaseAsker,
    test: InterestingnessTest,
    case: Case,
    failure: FailureSignature,
    isas: tuple[str, ...],
    file: Path,
) -> InterestingnessTest:
    """Return a test that does not accept what the base has, too.

    Raises:
        NotFailingHere: the base fails on the case itself.
    """
    from fuzz.triage.base.interestingness import NewAgainstBase

    if asker.has_too(case, isas, failure):
        raise NotFailingHere(f"{file}: the base fails in the same way: nothing new to minimize")
    return NewAgainstBase(test, asker, isas)


def _run(minimizer: Minimizer) -> bool:
    """Minimise, showing progress. Returns whether it was interrupted."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("minimizing") as status:

        def show(progress: MinimizerProgress) -> None:
            status.update(_progress_text(progress))

        minimizer.observe = show
        try:
            minimizer.run()
        except KeyboardInterrupt:
            return True
    return False


def _progress_text(progress: MinimizerProgress) -> str:
    from fuzz.minimize.engine import describe

    return (
        f"round {progress.rounds}, {progress.pass_name}: {describe(progress.case)}; "
        f"{progress.tested} of {progress.candidates} candidates tried, {progress.accepted} taken"
    )


def _write(
    case: Case, failure: FailureSignature, isas: tuple[str, ...], out: Path, *, attribute: bool
) -> None:
    from backend.whole_file import write_whole
    from fuzz.triage.minimized import examine, minimized_text

    text = minimized_text(examine(case, failure, isas, attribute=attribute), isas)
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    try:
        write_whole(text, out)
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror}") from error


def _facts(
    file: Path, target: Path, case: Case, minimizer: Minimizer, failure: FailureSignature
) -> dict[str, object]:
    from fuzz.minimize.order import instructions
    from fuzz.triage.bucket import bucket_of

    progress = minimizer.progress
    return {
        "file": str(file),
        "out": str(target),
        "failure": str(failure),
        "instructions": {"before": instructions(case), "after": instructions(progress.case)},
        "inputs": {"before": case.inputs.count, "after": progress.case.inputs.count},
        "rounds": progress.rounds,
        "candidates": progress.candidates,
        "tested": progress.tested,
        "taken": progress.accepted,
    } | bucket_of(progress.case, failure).to_json()
