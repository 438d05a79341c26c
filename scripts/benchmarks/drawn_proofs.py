"""Proves drawn functions, and counts what becomes of them: no refutation may be false.

    python -m scripts.benchmarks.drawn_proofs [--cases N] [--seed N] [--query-seconds N]

The functions are those of the fuzz target ``prove``. What is refuted is printed with its case.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from time import process_time

import click

from fuzz.entropy import PrngEntropy
from fuzz.fuzz_targets.registry import TARGETS
from fuzz.generate import Generator
from fuzz.isle.director import rule_director
from fuzz.prove.machine.registry import MACHINES
from fuzz.prove.proof import MID_END, Prover, Status, subjects_of
from fuzz.prove.rule_proofs import finding_file


@click.command()
@click.option("--cases", default=10_000, show_default=True)
@click.option("--first", default=0, show_default=True, help="Number of the first case.")
@click.option("--seed", default=1, show_default=True)
@click.option("--query-seconds", default=0.3, show_default=True)
@click.option("--total-seconds", default=1.0, show_default=True)
def main(cases: int, first: int, seed: int, query_seconds: float, total_seconds: float) -> None:
    """Prove cases for the mid-end and each machine, and print counts."""
    options = replace(TARGETS["prove"].cases, isas=tuple(MACHINES))
    generator = Generator(options, rule_director(options))
    prover = Prover(query_seconds, total_seconds=total_seconds)
    counts: dict[str, Counter[str]] = {subject: Counter() for subject in (MID_END, *MACHINES)}
    start = process_time()
    for index in range(first, first + cases):
        case = generator.generate(PrngEntropy((seed, index)))
        for subject in subjects_of(case, MACHINES):
            proof = prover.prove(case, subject)
            reason = f": {proof.reason}" if proof.status is Status.UNDECIDED else ""
            counts[subject][f"{proof.status.value}{reason}"] += 1
            if proof.status is Status.REFUTED:
                click.echo(f"case {index}, {subject}: {proof.reason}\n{finding_file(proof)}")
        if (index + 1) % 1000 == 0:
            click.echo(f"{index + 1} cases, {process_time() - start:.0f} s of CPU time", err=True)
    click.echo(f"{cases} cases, {process_time() - start:.0f} s of CPU time")
    for subject, counted in counts.items():
        for outcome, number in counted.most_common():
            click.echo(f"  {subject}: {number} {outcome}")


if __name__ == "__main__":
    main()
