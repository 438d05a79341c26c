"""``clif-fuzz run``: the main job."""

from __future__ import annotations

import secrets
import sys

import click

from fuzz.campaign import Campaign, Result
from fuzz.cli.errors import (
    EXIT_CLEAN,
    EXIT_FINDINGS,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    complain,
)
from fuzz.cli.files import check_out
from fuzz.cli.options import (
    amount_options,
    case_options,
    jobs_option,
    json_option,
    mutants_option,
    out_option,
    write_json,
)
from fuzz.cli.status import StatusLine
from fuzz.cli.summary import print_summary, to_json
from fuzz.plan import ORACLE_NAMES, CaseOptions, Plan, Source


@click.command(
    epilog="""\b
Without --seconds and --cases it runs until Ctrl-C.
  clif-fuzz run --seconds 60
  clif-fuzz run --seed 7 --cases 1000 --jobs 2 --out findings --json facts.json
"""
)
@case_options
@mutants_option
@click.option(
    "--source",
    type=click.Choice([source.value for source in Source]),
    default=Source.GENERATOR.value,
    show_default=True,
    help="With rules, each case is small and about one ISLE rule, all of them in turn.",
)
@amount_options
@jobs_option
@out_option
@click.option(
    "--oracle",
    type=click.Choice(ORACLE_NAMES),
    default="interp",
    show_default=True,
    help="Who is right: our interpreter, Cranelift's, or ours with Cranelift's compared as well.",
)
@json_option
def command(
    isas: tuple[str, ...],
    inputs: int,
    instructions: int,
    trapping_share: float,
    without: frozenset[str],
    mutant_share: float,
    source: str,
    seconds: float | None,
    cases: int | None,
    jobs: int,
    seed: int | None,
    out: str,
    oracle: str,
    json_file: str | None,
) -> int:
    """Make cases, compile them for each ISA, run them, and compare every outcome.

    Known faults of the emulator and of the second oracle are counted, with one file as an example
    of each; they do not make the exit code 1.
    """
    plan = Plan(
        CaseOptions(
            isas, inputs, instructions, trapping_share, mutant_share, without, Source(source)
        ),
        seed=secrets.randbits(32) if seed is None else seed,
        cases=cases,
        seconds=seconds,
        jobs=jobs,
        oracle=oracle,
        out=out,
    )
    check_out(out)
    status = StatusLine(plan)
    result = Campaign(plan, status.show).run()
    status.clear()
    _save_unwritten(result)
    if json_file is not None:
        write_json(to_json(plan, result), json_file)
    if json_file != "-":
        print_summary(plan, result)
    return _exit_code(result)


def _save_unwritten(result: Result) -> None:
    """The last resort for a finding that no disk takes: stderr."""
    for text in result.unwritten:
        sys.stderr.write(text)
    if result.error:
        complain(result.error)


def _exit_code(result: Result) -> int:
    if result.error:
        return EXIT_USAGE
    if result.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FINDINGS if any(not found.known for found in result.findings) else EXIT_CLEAN
