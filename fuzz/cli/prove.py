"""``clif-fuzz prove``: what Cranelift makes of functions, for all inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fuzz.cases.touched_rules import NOTHING_TOUCHED
from fuzz.cli.change import read_touched
from fuzz.cli.counts import counts_of_run
from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, BadInput
from fuzz.cli.files import check_out, expand, load_cases
from fuzz.cli.options import (
    Duration,
    engine_option,
    jobs_option,
    json_option,
    out_option,
    read_options,
    split_names,
    without_aliases,
    write_json,
)
from reports.text import printable

if TYPE_CHECKING:
    from clif.outcome import Region
    from fuzz.cases.case import Case
    from fuzz.prove.proof import Proof
    from fuzz.prove.rule_proofs import FragmentProof, RuleProof
    from fuzz.survey.rules import RunCounts

#: How many rules of each kind are named that were not proved.
_SHOWN: Final = 10


def _split_subjects(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    require_solver()
    from fuzz.prove.proof import SUBJECTS

    return split_names(without_aliases(value), SUBJECTS, "subject") if value else SUBJECTS


def _split_solvers(
    _: click.Context, __: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    require_solver()
    from fuzz.prove.solvers import installed

    return split_names(value, installed(), "solver") if value else None


def require_solver() -> None:
    """Complain if the extra for proofs is not installed.

    Raises:
        BadInput: it is not.
    """
    try:
        import pypcode  # noqa: F401
        import z3  # noqa: F401
    except ImportError as error:
        raise BadInput(f"proofs need the extra 'prove': {error}") from error


@click.command(
    epilog="""\b
  clif-fuzz prove add.clif                       what becomes of its functions
  clif-fuzz prove --subject mid-end corpus/opcodes/select
  clif-fuzz prove --rules --jobs 2 --json p.json all rules, at all types that they fire for
  clif-fuzz prove --since main                   those that a change touches
"""
)
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--rules", is_flag=True, help="Prove the fragments of all ISLE rules.")
@click.option(
    "--since",
    metavar="REV",
    help="Prove the fragments of the rules that differ from a revision, release or folder, as for "
    "'run'.",
)
@click.option(
    "--subject",
    "subjects",
    callback=_split_subjects,
    metavar="NAME,...",
    help="What is to be proved right: mid-end (the optimised CLIF) and ISAs (machine code). "
    "[default: all]",
)
@click.option(
    "--query-seconds",
    "seconds",
    type=Duration(0.01),
    default=5.0,
    show_default=True,
    help="How long the solvers may think about one query.",
)
@click.option(
    "--solver",
    "solvers",
    callback=_split_solvers,
    metavar="NAME,...",
    help="Solvers to ask in turn: z3, bitwuzla, cvc5. [default: those installed]",
)
@click.option(
    "--variants",
    type=click.IntRange(1, 8),
    default=8,
    show_default=True,
    help="How many fragments of each rule to prove.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page about the rules: proved at which types, and why not.",
)
@click.option(
    "--against",
    "run_file",
    metavar="FILE",
    help="Show on that page how often a run compared them; a file written by 'run --json'.",
)
@jobs_option
@read_options
@engine_option
@out_option
@json_option
def command(
    paths: tuple[str, ...],
    rules: bool,
    since: str | None,
    subjects: tuple[str, ...],
    seconds: float,
    solvers: tuple[str, ...] | None,
    variants: int,
    html_file: Path | None,
    run_file: str | None,
    jobs: int,
    drawn_inputs: int | None,
    memory: Region | None,
    out: str,
    json_file: str | None,
) -> int:
    """Prove that Cranelift is right about a function for all inputs, or find an input for which it
    is not.

    A function is compared with what the mid-end makes of it, and with its machine code, as
    formulas that an SMT solver decides. What comes out is proved, refuted, or undecided with the
    reason. A refutation is run: it counts only if the interpreter and the emulator differ on it,
    and is then a finding like any other. Proofs are kept, so that asking again costs little, also
    after an interruption.

    A file's settings and ISA flags hold for its functions; a folder stands for all .clif files
    below it. The exit code is 1 if anything is refuted that no known fault explains.
    """
    if bool(paths) == (rules or since is not None):
        raise BadInput("prove takes either files, or --rules or --since")
    if (html_file is not None and paths) or (run_file is not None and html_file is None):
        raise BadInput("--html is for --rules and --since, and --against for --html")
    if paths:
        return _prove_files(paths, subjects, seconds, solvers, drawn_inputs, memory, json_file)
    counts = None if run_file is None else counts_of_run(run_file)[0]
    exit_code, found = _prove_rules(
        since, subjects, seconds, solvers, variants, jobs, out, json_file
    )
    if html_file is not None:
        _write_page(found, counts, html_file)
    return exit_code


# --- files ---


def _prove_files(
    paths: Sequence[str],
    subjects: Sequence[str],
    seconds: float,
    solvers: Sequence[str] | None,
    drawn_inputs: int | None,
    memory: Region | None,
    json_file: str | None,
) -> int:
    from fuzz.prove.proof import Prover, Status
    from fuzz.prove.store import ProofStore

    prover = Prover(seconds, solvers, ProofStore.of_user())
    facts: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    unexplained = False
    for path in expand(paths):
        for case in _functions(path, drawn_inputs, memory):
            for subject in subjects:
                if case.isas and subject in _isas() and not case.is_for(subject):
                    continue
                proof = prover.prove(case, subject)
                counts[proof.status] += 1
                facts.append(_to_json(path, case, subject, proof))
                if proof.finding is not None:
                    unexplained |= not proof.finding.known
                if json_file != "-":
                    click.echo("\n".join(_lines(path, case, subject, proof)))
    if json_file is not None:
        write_json({"counts": counts, "functions": facts}, json_file)
    if json_file != "-":
        click.echo(", ".join(f"{counts[status]} {status.value}" for status in Status))
    return EXIT_FINDINGS if unexplained else EXIT_CLEAN


def _isas() -> Iterable[str]:
    from fuzz.prove.machine.registry import MACHINES

    return MACHINES


def _functions(path: Path, drawn_inputs: int | None, memory: Region | None) -> list[Case]:
    """Return a case for each function of a file, with the functions that it calls."""
    from dataclasses import replace

    from fuzz.cases.case import no_inputs, reachable_functions

    found = {}
    for case_file in load_cases(path, drawn_inputs, memory):
        case = case_file.case
        for function in case.functions:
            if function.name in found:
                continue
            callees = reachable_functions(function, case.functions)
            inputs = case.inputs if function is case.main else no_inputs(function)
            found[function.name] = replace(
                case, functions=[function, *callees], inputs=inputs, alternatives=()
            )
    return list(found.values())


def _lines(path: Path, case: Case, subject: str, proof: Proof) -> list[str]:
    from clif.function import format_name

    known = " (a known fault)" if proof.finding is not None and proof.finding.known else ""
    name = format_name(case.main.name)
    lines = [f"{path}: {name} {subject}: {proof}{known}"]
    if proof.finding is not None:
        lines += [f"  {line}" for line in proof.finding.explanation]
    return [printable(line) for line in lines]


def _to_json(path: Path, case: Case, subject: str, proof: Proof) -> dict[str, Any]:
    finding = proof.finding
    return {
        "file": str(path),
        "function": case.main.name,
        "subject": subject,
        "status": proof.status,
        "reason": proof.reason,
        "seconds": round(proof.seconds, 3),
        "solvers": proof.solvers,
        "stored": proof.stored,
        "finding": None if finding is None else finding.bucket,
        "explanation": [] if finding is None else list(finding.explanation),
        "known": finding is not None and finding.known,
    }


# --- rules ---


def _prove_rules(
    since: str | None,
    subjects: Sequence[str],
    seconds: float,
    solvers: Sequence[str] | None,
    variants: int,
    jobs: int,
    out: str,
    json_file: str | None,
) -> tuple[int, list[RuleProof]]:
    """Prove the rules; return the exit code, and what is known of each."""
    from backend.cranelift.cranelift_name import cranelift_name
    from backend.cranelift.isle import IsleError
    from fuzz.prove.machine.registry import MACHINES
    from fuzz.prove.rule_proofs import prove_rules, questions

    touched = read_touched(since, tuple(MACHINES))
    if since is not None and not touched:
        return EXIT_CLEAN, []
    try:
        asked = questions(subjects, variants, touched or NOTHING_TOUCHED)
    except IsleError as error:
        raise BadInput(str(error)) from error
    check_out(out)
    refuted: list[FragmentProof] = []

    def report(done: int, proof: FragmentProof | None) -> None:
        if proof is not None and proof.text:
            refuted.append(proof)
        if done * 20 // len(asked) != (done - 1) * 20 // len(asked):
            click.echo(f"{done} of {len(asked)} fragments", err=True)

    found = prove_rules(asked, jobs, seconds, solvers, touched, report)
    files = {proof.question: _write(proof, Path(out)) for proof in refuted}
    if json_file is not None:
        rules = [rule.to_json() for rule in found]
        write_json({"cranelift": cranelift_name(), "rules": rules}, json_file)
    if json_file != "-":
        for subject in subjects:
            mine = [rule for rule in found if rule.subject == subject]
            if mine:
                click.echo("\n".join(_summary(subject, mine)))
        for proof in refuted:
            known = ", a known fault" if proof.known else ""
            click.echo(f"refuted{known}: {proof.question.rule} at {proof.type}: {proof.bucket}")
            click.echo(f"  {files[proof.question]}")
    unexplained = any(not proof.known for proof in refuted)
    return EXIT_FINDINGS if unexplained else EXIT_CLEAN, found


def _write_page(rules: Sequence[RuleProof], counts: RunCounts | None, file: Path) -> None:
    from backend.whole_file import write_whole
    from fuzz.reporting.proofs import proofs_page
    from fuzz.survey.rules import RunCounts
    from reports.page import proofs_html

    try:
        write_whole(proofs_html(proofs_page(rules, counts or RunCounts({}, {}))), file)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    click.echo(str(file), err=True)


def _write(proof: FragmentProof, out: Path) -> Path:
    from fuzz.differential.finding import KNOWN_FAULTS
    from fuzz.differential.finding_file import write_finding

    return write_finding(proof.text, out / KNOWN_FAULTS if proof.known else out)


def _summary(subject: str, rules: Sequence[RuleProof]) -> list[str]:
    """Return lines about a subject's rules: how many are proved, by kind of value, and why not."""
    from fuzz.prove.proof import Status
    from fuzz.prove.rule_proofs import ProvedRules, kind_of

    counted = ProvedRules(rules)
    firing, fragments = counted.firing, counted.fragments
    one, every = counted.at_one_type, counted.at_all_types
    proved = sum(proof.status is Status.PROVED for proof in fragments)
    lines = [
        (
            f"{subject}: of {len(firing)} rules that fragments fire ({len(rules)} in all), "
            f"{one} proved at one type or more ({_percent(one, firing)}), {every} at all of their "
            f"types ({_percent(every, firing)}), {counted.refuted} refuted"
        ),
        (
            f"  {proved} of {len(fragments)} fragments proved; "
            f"{sum(proof.seconds for proof in fragments):.0f} s of thinking"
        ),
    ]
    kinds = Counter((kind_of(proof), proof.status) for proof in fragments)
    for kind in sorted({kind for kind, _ in kinds}):
        counts = ", ".join(f"{kinds[kind, s]} {s.value}" for s in Status if kinds[kind, s])
        lines.append(f"  {kind}: {counts}")
    reasons = counted.undecided.most_common(_SHOWN)
    return lines + [f"  undecided, {n}: {why}" for why, n in reasons]


def _percent(number: int, of: Sequence[object]) -> str:
    return f"{100 * number / max(1, len(of)):.1f}%"
