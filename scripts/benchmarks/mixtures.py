"""Compares mixtures of new functions, siblings and configurations, by turns in one process.

    python -m scripts.benchmarks.mixtures --configurations 1,2,4 --siblings 0,3
        [--inputs N,...] [--seed S] [--first CASE] [--seconds CPU]

Each combination of the options runs cases of the seed until its CPU seconds are used up. After each
doubling of the time a line says how many cases and compilations there were, and what they covered.
At the end each is compared with the first one: compilations in a CPU second, and the geometric mean
over the ISLE rules of the cases in a CPU second in which a rule fired and that were compared; the
same for rare rules, which fired in at most five cases of the first combination.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from time import process_time_ns
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray

from backend.cranelift.edge_counters import CoveredEdges, counters
from backend.cranelift.fired_rules import FiredRules
from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.garbage_collection import GarbageCollection
from fuzz.cases.case_options import CAMPAIGN_OPTIONS, CaseOptions
from fuzz.differential.pipeline import Pipeline
from fuzz.survey.coverage import rule_counts_of_run

#: So many cases of one combination run before it is the next one's turn.
_TURN: Final = 16
#: A rule that fires in at most so many cases of the first combination is rare.
_RARE: Final = 5
#: What is added to a count of cases, so that none is zero.
_SMOOTHED: Final = 0.3


@dataclass(slots=True)
class Mixture:
    """One combination of the options, and what its cases did so far.

    Attributes:
        seconds: CPU time.
        fired: for each rule the cases in which it fired.
    """

    options: CaseOptions
    source: CaseSource
    pipeline: Pipeline
    fired: NDArray[np.int64]
    edges: CoveredEdges = field(default_factory=CoveredEdges)
    cases: int = 0
    compilations: int = 0
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """The options that mixtures differ in."""
        asked = self.options
        return (
            f"{asked.configurations} configurations, {asked.siblings} siblings, "
            f"{asked.inputs} inputs"
        )

    def rates(self) -> NDArray[np.float64]:
        """Return for each rule the cases in a CPU second in which it fired."""
        return np.asarray((self.fired + _SMOOTHED) / self.seconds, np.float64)

    def run_case(self, index: int) -> None:
        """Run one case, and count it."""
        began = process_time_ns()
        verdict = self.pipeline.check(self.source.case(index))
        self.seconds += (process_time_ns() - began) / 1e9
        self.edges.collect()
        compared = [run for run in verdict.runs if run.outcomes is not None]
        self.cases += 1
        self.compilations += len(compared)
        rules = sorted({number for run in compared for number in run.fired})
        self.fired[rules] += 1

    def describe(self) -> str:
        """Return the counts and the coverage in one line."""
        counts, _ = rule_counts_of_run(self.edges.pack())
        rules = ", ".join(str(fired) for fired, _ in (counts or {}).values())
        edges = int(np.count_nonzero(self.edges.covered))
        return (
            f"{self.seconds:6.1f} s  {self.cases:7} cases {self.compilations:7} compilations "
            f"{edges:6} edges  rules {rules}  {self.label}"
        )


def compare(mixture: Mixture, first: Mixture) -> str:
    """Return how a mixture compares with the first one, in one line."""
    mine, others = mixture.rates(), first.rates()
    fired = (mixture.fired + first.fired) > 0
    rare = fired & (first.fired <= _RARE)
    ratio = (mixture.compilations / mixture.seconds) / (first.compilations / first.seconds)
    return (
        f"{mixture.label}: compilations {ratio:.2f}, rules {_mean_ratio(mine, others, fired):.2f}, "
        f"rare rules {_mean_ratio(mine, others, rare):.2f}"
    )


def _mean_ratio(
    mine: NDArray[np.float64], others: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> float:
    return float(np.exp(np.mean(np.log(mine[chosen] / others[chosen])))) if chosen.any() else 1.0


def measure(mixtures: list[Mixture], first: int, seconds: float) -> Iterator[str]:
    """Run cases of mixtures by turns, and yield a line after each doubling of their CPU time."""
    due = dict.fromkeys(range(len(mixtures)), seconds / 8)
    with GarbageCollection() as garbage:
        while due:
            for number in list(due):
                mixture = mixtures[number]
                counters().fill(0)  # what other mixtures covered
                for _ in range(_TURN):
                    garbage.collect_if_due()
                    mixture.run_case(first + mixture.cases)
                if mixture.seconds >= due[number]:
                    yield mixture.describe()
                    due[number] *= 2
                if mixture.seconds >= seconds:
                    del due[number]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


@click.command()
@click.option("--configurations", default=str(CAMPAIGN_OPTIONS.configurations), metavar="N,...")
@click.option("--siblings", default=str(CAMPAIGN_OPTIONS.siblings), metavar="N,...")
@click.option("--inputs", default=str(CAMPAIGN_OPTIONS.inputs), metavar="N,...")
@click.option("--seed", default=1, show_default=True)
@click.option("--first", default=0, show_default=True, help="Index of the first case.")
@click.option("--seconds", default=40.0, show_default=True, help="CPU seconds for each.")
def main(
    configurations: str, siblings: str, inputs: str, seed: int, first: int, seconds: float
) -> None:
    """Compare mixtures of new functions, siblings and configurations."""
    fired_rules = FiredRules.of_build()
    if fired_rules is None:
        raise click.ClickException("this build cannot tell which rules fire")
    mixtures = []
    for several, more, rows in product(*map(_numbers, (configurations, siblings, inputs))):
        options = replace(CAMPAIGN_OPTIONS, configurations=several, siblings=more, inputs=rows)
        pipeline = Pipeline(options.isas, fired_rules=fired_rules)
        fired = np.zeros(len(fired_rules.names), np.int64)
        mixtures.append(Mixture(options, CaseSource(options, seed), pipeline, fired))
    for line in measure(mixtures, first, seconds):
        click.echo(line)
    for mixture in mixtures:
        click.echo(compare(mixture, mixtures[0]))


if __name__ == "__main__":
    main()
