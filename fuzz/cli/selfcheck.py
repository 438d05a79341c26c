"""``clif-fuzz selfcheck``: whether injected faults are detected, and whether engines agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from fuzz.cases.case_options import CaseOptions
from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, BadInput
from fuzz.cli.files import warn_about_cache
from fuzz.cli.options import case_argument, json_option, write_json
from fuzz.cli.prove import require_solver

T = TypeVar("T")


@click.command(
    epilog="""\b
  clif-fuzz selfcheck
  clif-fuzz selfcheck --fault store-dropped --fault trap-code --cases 500
  clif-fuzz selfcheck --engines --cases 200
  clif-fuzz selfcheck --engines --host
  clif-fuzz selfcheck --sleigh --cases 200
"""
)
@case_argument
@click.option(
    "--cases",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Number of cases within which each fault must be detected; with --engines, of those whose "
    "instructions are run.",
)
@click.option(
    "--fault",
    "names",
    multiple=True,
    metavar="NAME",
    help="Inject only this fault; may be repeated.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the cases."
)
@click.option("--list", "list_only", is_flag=True, help="Print the faults, and do nothing else.")
@click.option(
    "--engines",
    is_flag=True,
    help="Run every instruction form that Cranelift emits, with special and random operands, on "
    "every two engines, and list where they differ.",
)
@click.option(
    "--host",
    is_flag=True,
    help="With --engines, run them on this machine's CPU as well, in a confined process.",
)
@click.option(
    "--sleigh",
    is_flag=True,
    help="Run every instruction form as proofs take it, and on an engine, and list where they "
    "differ.",
)
@json_option
def command(
    options: CaseOptions,
    cases: int,
    names: tuple[str, ...],
    seed: int,
    list_only: bool,
    engines: bool,
    host: bool,
    sleigh: bool,
    json_file: str | None,
) -> int:
    """Inject faults one after the other, and check that each is detected.

    A fault changes what is compiled, the machine code, or what it does, as a fault of Cranelift
    or of the emulator would. The exit code is 1 if one is missed.

    With --engines nothing is injected: single instructions are run on every two engines that there
    are, and the registers and the memory after them are compared. The exit code is 1 for a
    difference that no known fault of an engine explains, and for an instruction that two decoders
    do not find alike. With --sleigh they are run on each ISA's usual engine, and by SLEIGH with the
    meanings of ours that proofs of machine code use; the exit code is 1 if one of them is wrong.
    """
    if sleigh:
        return _sweep_sleigh(options, seed, cases, json_file)
    if engines:
        return _sweep_engines(options, seed, cases, json_file, host=host)
    if host:
        raise BadInput("--host is for --engines")
    from fuzz.selfcheck.check import check_faults
    from fuzz.selfcheck.registry import all_faults

    faults = all_faults()
    unknown = [name for name in names if name not in faults]
    if unknown:
        raise BadInput(f"no fault named '{unknown[0]}'; --list shows them all")
    chosen = [fault for name, fault in faults.items() if not names or name in names]
    if list_only:
        for fault in chosen:
            click.echo(f"{fault.name:30} {fault.summary}")
        return EXIT_CLEAN
    warn_about_cache()
    quiet = json_file == "-"
    outcomes = []
    for outcome in check_faults(chosen, options, seed=seed, cases=cases):
        outcomes.append(outcome)
        if not quiet:
            verdict = f"{outcome.cases:5} cases" if outcome.caught else "MISSED     "
            click.echo(
                f"{outcome.fault.name:30} {verdict} ({outcome.injected} with it)  "
                f"{outcome.bucket or outcome.fault.summary}"
            )
            if outcome.problem:
                click.echo(f"{'':30} problem: {outcome.problem}")
    caught = sum(outcome.caught for outcome in outcomes)
    worst = max((outcome.cases for outcome in outcomes), default=0)
    if not quiet:
        click.echo(f"{caught} of {len(outcomes)} faults caught, within {worst} cases each")
    if json_file is not None:
        facts = {
            "seed": seed,
            "cases": cases,
            "caught": caught,
            "missed": len(outcomes) - caught,
            "faults": [outcome.to_json() for outcome in outcomes],
        }
        write_json(facts, json_file)
    return EXIT_CLEAN if caught == len(outcomes) else EXIT_FINDINGS


def _sweep_engines(
    options: CaseOptions, seed: int, cases: int, json_file: str | None, *, host: bool
) -> int:
    """Run single instructions on every two engines, and print where they differ."""
    from fuzz.selfcheck.engine_sweep import lines, sweep_all, to_json

    sweeps = sweep_all(options, seed=seed, cases=cases, host=host)
    results = _print_sweeps(sweeps, lines, json_file)
    if not results:
        raise BadInput("there is one engine only; 'support --engines' says how others are had")
    _write_sweeps(list(map(to_json, results)), seed, cases, json_file)
    bad = any(result.unexplained or result.undecided for result in results)
    return EXIT_FINDINGS if bad else EXIT_CLEAN


def _sweep_sleigh(options: CaseOptions, seed: int, cases: int, json_file: str | None) -> int:
    """Run single instructions as proofs take them, and print which are wrong."""
    require_solver()
    from fuzz.selfcheck.sleigh_sweep import lines, sweep_machines, to_json

    sweeps = sweep_machines(options, seed=seed, cases=cases)
    results = _print_sweeps(sweeps, lines, json_file)
    _write_sweeps(list(map(to_json, results)), seed, cases, json_file)
    return EXIT_FINDINGS if any(result.wrong for result in results) else EXIT_CLEAN


def _print_sweeps(
    sweeps: Iterable[T], lines: Callable[[T], Iterable[str]], json_file: str | None
) -> list[T]:
    """Print what sweeps come to, each as soon as it is done, and return it."""
    results = []
    for result in sweeps:
        results.append(result)
        if json_file != "-":
            click.echo("\n".join(lines(result)))
    return results


def _write_sweeps(
    sweeps: list[dict[str, Any]], seed: int, cases: int, json_file: str | None
) -> None:
    if json_file is not None:
        write_json({"seed": seed, "cases": cases, "sweeps": sweeps}, json_file)
