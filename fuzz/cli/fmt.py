"""``clif-fuzz fmt``: print cases as text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.isa.registry import DEFAULT_ISAS, ISAS
from fuzz.cases.case_options import CaseOptions
from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.files import load_cases
from fuzz.cli.options import (
    case_argument,
    extra_checks_option,
    mutants_option,
    read_seeds,
    seeds_option,
)

if TYPE_CHECKING:
    from clif.outcome import Outcomes
    from fuzz.cases.case import Case

_SEED = re.compile(r"\d+(:\d+)?")


@click.command(
    epilog="""\b
  clif-fuzz fmt 7            case 0 of seed 7
  clif-fuzz fmt 7:12         case 12 of seed 7
  clif-fuzz fmt 7:12 --seeds cases    the same of 'run --seed 7 --seeds cases'
  clif-fuzz fmt case.clif    the file's cases, with the interpreter's outcomes
  clif-fuzz fmt case.clif --mutate 10 --seed 3    the file's case after ten mutations
  clif-fuzz fmt --filetest findings/crash-*.clif > test.clif
"""
)
@click.argument("what", metavar="SEED[:CASE]|FILE")
@case_argument
@mutants_option
@extra_checks_option
@seeds_option
@click.option(
    "--filetest",
    is_flag=True,
    help="Print a filetest that Cranelift's own tools can run; memory becomes a stack slot.",
)
@click.option(
    "--mutate", "steps", type=click.IntRange(1), metavar="N", help="Apply N mutations first."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of --mutate."
)
def command(
    what: str,
    options: CaseOptions,
    seeds_folder: str | None,
    filetest: bool,
    steps: int | None,
    seed: int,
) -> int:
    """Print a generated case, or the cases of a file, with the outcomes of the interpreter.

    SEED:CASE is the case with index CASE (0 by default) of 'run --seed SEED' with the same options.
    """
    options = replace(options, seeds=read_seeds(seeds_folder, options.isas))
    for number, (case, named) in enumerate(_cases(what, options)):
        if steps is not None:
            case = _mutated(case, steps, seed, named or options.isas)
        if number:
            click.echo()
        click.echo(_text(case, named, filetest=filetest), nl=False)
    return EXIT_CLEAN


def _cases(what: str, options: CaseOptions) -> list[tuple[Case, tuple[str, ...]]]:
    """Return the cases, each with the ISAs that it names."""
    if not Path(what).exists() and _SEED.fullmatch(what):
        from fuzz.campaign.case_source import CaseSource

        seed, _, index = what.partition(":")
        return [(CaseSource(options, int(seed)).case(int(index or 0)), options.isas)]
    return [(found.case, found.isas) for found in load_cases(Path(what))]


def _mutated(case: Case, steps: int, seed: int, isas: tuple[str, ...]) -> Case:
    """Return the case after ``steps`` mutations, or fewer if no more apply."""
    from fuzz.entropy import PrngEntropy
    from fuzz.generate import Options
    from fuzz.mutate import mutator_of

    emulated = tuple(isa for isa in isas if isa in ISAS) or DEFAULT_ISAS
    mutator = mutator_of(Options(isas=emulated))
    mutant = mutator.mutate(case, PrngEntropy(seed), steps=steps)
    mutant.case.origin = f"{case.origin}, mutated: {', '.join(mutant.steps) or 'nothing'}"
    return mutant.case


def _text(case: Case, isas: tuple[str, ...], *, filetest: bool) -> str:
    from fuzz.cases.casefile import print_case
    from fuzz.cases.filetest_export import filetest_text

    expected, problem = _expected(case)
    if not filetest:
        return print_case(case, expected, isas=isas)
    if expected is None:
        raise BadInput(f"no expected values for a filetest: {problem}")
    return filetest_text(case, expected, isas)


def _expected(case: Case) -> tuple[Outcomes | None, str]:
    """Return the oracle's outcomes, or None and the reason."""
    from fuzz.differential.oracle import OracleError, interpreter

    try:
        return interpreter(case), ""
    except OracleError as error:
        return None, str(error)
