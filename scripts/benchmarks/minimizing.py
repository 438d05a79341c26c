"""Measures minimising on faults that are injected into large generated cases.

    python -m scripts.benchmarks.minimizing [--faults N] [--seed N]

Two failing cases of each fault are minimised, and of each finding in ``corpus/cranelift`` and each
way in which a compiler breaks down. Printed are sizes before and after, CPU seconds, candidates
that were run, and how often both cases of one fault end as the same minimal case.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import click

from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.cases.run_lines import format_inputs
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.runner import CaseRunner
from fuzz.minimize.child import IsolatedTest
from fuzz.minimize.engine import Minimizer
from fuzz.minimize.interestingness import FailureTest, InterestingnessTest
from fuzz.minimize.order import instructions
from fuzz.minimize.registry import PASSES
from fuzz.selfcheck.registry import all_faults
from fuzz.triage.bucket import bucket_of
from scripts.benchmarks.compiler_breakdowns import Breakdown, BreakdownRunner, kind_of
from scripts.benchmarks.failing_cases import FailingCase, FailingCases, failing_case, large_cases
from scripts.benchmarks.transplant import transplant

_CORPUS = Path(__file__).resolve().parents[2] / "corpus" / "cranelift"
#: Seconds after which a compiler counts as endless.
_PATIENCE = 1.0
#: The kind of instruction that compilers break down over.
_BREAKDOWN_KIND = "imul.i32"


@dataclass(frozen=True, slots=True, eq=False)
class Minimizing:
    """One failing case, minimised.

    Attributes:
        case: the minimal case.
        seconds: CPU time.
        tested: candidates that were run.
        failure: the failure of the minimal case.
    """

    start: FailingCase
    case: Case
    seconds: float
    tested: int
    failure: FailureSignature

    @property
    def text(self) -> str:
        """The minimal case as text, without its origin."""
        case = self.case
        types = case.main.signature.param_types
        lines = format_inputs(case.main.name, types, case.inputs, None, canonical_nans=False)
        settings = (
            sorted(case.settings.items()),
            sorted((isa, flag) for isa, flags in case.isa_settings.items() for flag in flags),
        )
        return print_functions(case.functions) + "\n".join(lines) + str(settings)


def minimize(start: FailingCase, test: InterestingnessTest | None = None) -> Minimizing:
    """Minimise a failing case, and check that it still shows the same failure."""
    test = test or start.test()
    began = time.process_time()
    restricted = test.restricted_to(start.failure)
    minimizer = Minimizer(restricted, PASSES)
    minimizer.start(start.case)
    case = minimizer.run()
    seconds = time.process_time() - began
    failure = restricted(case)
    restricted.close()
    if failure is None or not failure.includes(start.failure):
        raise RuntimeError(f"{start.failure} has become {failure}")
    return Minimizing(start, case, seconds, minimizer.progress.tested, failure)


def _pairs(seed: int, faults: int) -> Iterator[list[Minimizing]]:
    for fault in islice(all_faults().values(), faults):
        yield [minimize(start) for start in _alike(FailingCases(seed).of_fault(fault))]
    if faults < len(all_faults()):
        return
    for path in sorted(_CORPUS.glob("*.clif")):
        yield [minimize(start) for start in _transplants(path, seed)]
    for breakdown in Breakdown:
        yield [
            minimize(start, IsolatedTest(start.test(), _PATIENCE))
            for start in _breakdowns(breakdown, seed)
        ]


def _alike(starts: Iterator[FailingCase]) -> list[FailingCase]:
    """Return the first case and the next one that shows the same failure on the same ISAs."""
    first = next(starts, None)
    if first is None:
        return []
    return [first, *islice((s for s in starts if s.failure == first.failure), 1)]


def _transplants(path: Path, seed: int) -> list[FailingCase]:
    """Put a real finding into two generated cases in which it still shows."""
    graft = read_case(path.read_text(), path.name).case
    run_case = CaseRunner()
    failure = FailureTest(run_case)(graft)
    assert failure is not None
    found: list[FailingCase] = []
    for host in large_cases(FailingCases(seed).source(), 200):
        case = transplant(host, graft)
        start = case and failing_case(path.stem, case, run_case, failure.isas)
        if start and start.failure.includes(failure):
            found.append(start)
        if len(found) == 2:
            break
    return found


def _breakdowns(breakdown: Breakdown, seed: int) -> list[FailingCase]:
    """Find two cases that a compiler breaks down over. They run in a child, which may die."""
    found: list[FailingCase] = []
    for case in large_cases(FailingCases(seed).source(), 400):
        insts = (inst for function in case.functions for inst in function.instructions())
        if any(kind_of(inst) == _BREAKDOWN_KIND for inst in insts):
            run_case = BreakdownRunner(breakdown, _BREAKDOWN_KIND)
            isas = case.emulated_isas
            test = IsolatedTest(FailureTest(run_case, isas), _PATIENCE)
            failure = test(case)
            test.close()
            if failure is not None:
                found.append(FailingCase(breakdown.value, case, run_case, failure, isas))
        if len(found) == 2:
            break
    return found


# --- printing ---


def _by_kind(results: Sequence[Minimizing]) -> dict[str, list[Minimizing]]:
    found: dict[str, list[Minimizing]] = defaultdict(list)
    for result in results:
        failure = result.start.failure
        kind = "" if failure.kind is None else failure.kind.value
        what = failure.what.partition(":")[0] if kind == "miscompile" else ""
        found[f"{kind} {what}".strip()].append(result)
    return found


def _print_pair(pair: Sequence[Minimizing]) -> None:
    for result in pair:
        before, after = instructions(result.start.case), instructions(result.case)
        click.echo(
            f"{result.start.fault:45.45} {before:4} -> {after:2} instructions  "
            f"{result.seconds:6.1f} s  {result.tested:5} tested  {result.start.failure}"[:150]
        )
    if len({result.text for result in pair}) > 1:
        click.echo("  two minimal cases:\n" + "\n".join(result.text for result in pair))


def _print_summary(results: Sequence[Minimizing]) -> None:
    sizes = [instructions(result.case) for result in results]
    click.echo(f"{len(results)} cases, {len({r.start.fault for r in results})} faults")
    for kind, members in sorted(_by_kind(results).items()):
        small = [instructions(r.case) for r in members]
        click.echo(
            f"  {kind:22} {len(members):3} cases, median {median(small)}, worst {max(small)}"
        )
    inputs = Counter(result.case.inputs.count for result in results)
    needed = Counter(len(bucket_of(result.case, result.failure).settings) for result in results)
    seconds = [result.seconds for result in results]
    click.echo(f"instructions after: median {median(sizes)}, worst {max(sizes)}")
    click.echo(f"inputs after: {dict(inputs)}; settings needed: {dict(needed)}")
    click.echo(f"CPU seconds: median {median(seconds):.1f}, worst {max(seconds):.1f}")
    click.echo(f"candidates tested: median {median(result.tested for result in results)}")


@click.command()
@click.option("--faults", default=1000, help="Only the first N faults of selfcheck, and no others.")
@click.option("--seed", default=7, show_default=True)
def main(faults: int, seed: int) -> None:
    """Measure minimising."""
    results: list[Minimizing] = []
    same = both = 0
    for pair in _pairs(seed, faults):
        results += pair
        both += len(pair) == 2
        same += len(pair) == 2 and pair[0].text == pair[1].text
        _print_pair(pair)
    _print_summary(results)
    click.echo(f"two cases, one minimal case: {same} of {both}; failure unchanged: all")


if __name__ == "__main__":
    main()
