"""``clif-fuzz minimize``: the smallest case that still shows the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, EXIT_INTERRUPTED, BadInput
from fuzz.cli.files import emulated_isas, load_cases
from fuzz.cli.options import json_option, split_isas, write_json

if TYPE_CHECKING:
    from fuzz.cases.case import Case
    from fuzz.cases.casefile import CaseFile
    from fuzz.differential.failure_signature import Symptom
    from fuzz.minimize.engine import Minimizer, Progress
    from fuzz.minimize.interestingness import Bench


@click.command(
    epilog="""\b
  clif-fuzz minimize findings/crash-*.clif
  clif-fuzz minimize crash.clif -o small.clif
  clif-fuzz minimize crash.clif --predicate 'sh is-interesting.sh'
"""
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write the result; FILE with .min.clif by default, - for stdout.",
)
@click.option(
    "--isa",
    "isas",
    default=None,
    callback=lambda c, p, value: None if value is None else split_isas(c, p, value),
    metavar="ISA,...",
    help="ISAs to try it on, instead of those that the file names.",
)
@click.option(
    "--predicate",
    metavar="CMD",
    help="A test of your own: a case is interesting if CMD, with its file, exits with 0.",
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
    file: Path,
    out: Path | None,
    isas: tuple[str, ...] | None,
    predicate: str | None,
    timeout: float,
    json_file: str | None,
) -> int:
    """Make a failing case as small as it gets while it fails in the same way.

    Any kind of failure will do: wrong values, traps, hangs, panics, the death of the compiler. What
    was reached is written when it is interrupted, too. Exit code 2 for a case that does not fail.
    """
    from fuzz.minimize.engine import Minimizer, NotFailing, describe
    from fuzz.minimize.registry import PASSES

    case_file = only_case(file)
    case = case_file.case
    isas = isas or emulated_isas(case_file, file)
    judge = _judge(isas, predicate, timeout)
    try:
        symptom = _look(judge, case, file)
        fixed = judge.fixed_on(symptom)
        try:
            minimizer = Minimizer(fixed, PASSES)
            try:
                minimizer.start(case)
            except NotFailing as error:
                raise BadInput(f"{file}: {error}") from error
            interrupted = _run(minimizer)
        finally:
            fixed.close()
    finally:
        judge.close()
    small = minimizer.progress.case
    target = out or file.with_suffix(".min.clif")
    _write(small, symptom, isas, target, blame=not interrupted and predicate is None)
    facts = _facts(file, target, case, minimizer, symptom)
    if json_file is not None:
        write_json(facts, json_file)
    if "-" not in (json_file, str(target)):
        click.echo(f"{file}: {symptom}")
        click.echo(f"  before: {describe(case)}")
        click.echo(f"  after:  {describe(small)}, in {target}")
    return EXIT_INTERRUPTED if interrupted else EXIT_CLEAN


def only_case(file: Path) -> CaseFile:
    """The case of a file. Raises BadInput, also where there are several."""
    cases = load_cases(file)
    if len(cases) > 1:
        names = ", ".join(f"%{found.case.main.name}" for found in cases)
        raise BadInput(f"{file}: run commands of several functions: {names}")
    return cases[0]


def _judge(isas: tuple[str, ...], predicate: str | None, timeout: float) -> Bench:
    from fuzz.differential.runner import PlainTrial
    from fuzz.minimize.child import ChildJudge
    from fuzz.minimize.interestingness import TrialJudge
    from fuzz.minimize.predicate import PredicateJudge

    if predicate is not None:
        return PredicateJudge(predicate, isas, timeout)
    return ChildJudge(TrialJudge(PlainTrial(), isas, second=True), timeout)


def _look(judge: Bench, case: Case, file: Path) -> Symptom:
    """What the case shows. Raises BadInput if it is nothing."""
    from fuzz.minimize.predicate import PredicateError

    try:
        symptom = judge(case)
    except PredicateError as error:
        raise BadInput(str(error)) from error
    if symptom is None:
        raise BadInput(f"{file}: it does not fail: there is nothing to minimize")
    return symptom


def _run(minimizer: Minimizer) -> bool:
    """Minimises, showing how it goes; whether it was interrupted."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("minimizing") as status:

        def show(progress: Progress) -> None:
            status.update(_progress_text(progress))

        minimizer.observe = show
        try:
            minimizer.run()
        except KeyboardInterrupt:
            return True
    return False


def _progress_text(progress: Progress) -> str:
    from fuzz.minimize.engine import describe

    return (
        f"round {progress.rounds}, {progress.pass_name}: {describe(progress.case)}; "
        f"{progress.judged} of {progress.candidates} candidates tried, {progress.accepted} taken"
    )


def _write(case: Case, symptom: Symptom, isas: tuple[str, ...], out: Path, *, blame: bool) -> None:
    from backend.whole_file import write_whole
    from fuzz.triage.minimized import examine, minimized_text

    text = minimized_text(examine(case, symptom, isas, blame=blame), isas)
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    try:
        write_whole(text, out)
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror}") from error


def _facts(
    file: Path, target: Path, case: Case, minimizer: Minimizer, symptom: Symptom
) -> dict[str, object]:
    from fuzz.minimize.order import instructions
    from fuzz.triage.bucket import bucket_of

    progress = minimizer.progress
    return {
        "file": str(file),
        "out": str(target),
        "symptom": str(symptom),
        "instructions": {"before": instructions(case), "after": instructions(progress.case)},
        "inputs": {"before": case.inputs.count, "after": progress.case.inputs.count},
        "rounds": progress.rounds,
        "candidates": progress.candidates,
        "judged": progress.judged,
        "taken": progress.accepted,
    } | bucket_of(progress.case, symptom).to_json()
