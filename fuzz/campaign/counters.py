"""Counting cases. There are hundreds a second, so this must be fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Final

import numpy as np

from clif.function import Inst
from clif.opcodes import Opcode
from clif.types import Type
from fuzz.campaign.case_source import MadeCase
from fuzz.campaign.statistics import Statistics
from fuzz.cases.case import Case, effective_settings
from fuzz.differential.verdict import Verdict

_Pair = tuple[Opcode, Type | None]
#: Called for every instruction of every case, so it must be no Python function.
_PAIR: Callable[[Inst], _Pair] = attrgetter("opcode", "type")


class RuleCounters:
    """For each ISA and ISLE rule: in how many cases the rule fired, and for how many inputs.

    Args:
        names: of the rules, by the numbers that ``backend.cranelift.fired_rules`` gives them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names: Final = names
        self._noted: dict[str, tuple[list[Sequence[int]], list[int]]] = {}

    def note(self, isa: str, fired: Sequence[int], inputs: int) -> None:
        """Count a case that was compared on an ISA.

        Args:
            fired: the numbers of the rules that fired, each once.
            inputs: how many inputs the case has.
        """
        noted = self._noted.get(isa)
        if noted is None:
            noted = self._noted[isa] = [], []
        noted[0].append(fired)
        noted[1].append(inputs)

    def move_to(self, statistics: Statistics) -> None:
        """Add the counts to statistics, and start again from zero."""
        for isa, (fired, inputs) in self._noted.items():
            every = np.fromiter(chain.from_iterable(fired), np.intp)
            weights = np.repeat(inputs, list(map(len, fired)))
            cases = np.bincount(every, minlength=len(self._names))
            weighted = np.bincount(every, weights, len(self._names)).astype(np.int64)
            rules = np.flatnonzero(cases)
            names = [self._names[rule] for rule in rules.tolist()]
            for table, numbers in (
                (statistics.rule_cases, cases),
                (statistics.rule_inputs, weighted),
            ):
                found = Counter(dict(zip(names, numbers[rules].tolist(), strict=True)))
                table.setdefault(isa, Counter()).update(found)
        self._noted.clear()


def count_origin(statistics: Statistics, made: MadeCase) -> None:
    """Add to statistics what a case has of seed cases, and how it was mutated."""
    if made.seed_use is not None:
        statistics.seeded[made.seed_use.value] += 1
    mutant = made.mutant
    if mutant is None:
        return
    statistics.mutants += 1
    statistics.mutations.update(mutant.steps)
    for (name, reason), number in mutant.rolled_back.items():
        statistics.rolled_back[f"{name}: {reason.value}"] += number


def count_case(statistics: Statistics, case: Case, verdict: Verdict, index: int) -> None:
    """Add a case and its verdict to statistics.

    Args:
        index: of the case, which is kept as an example if the case is rejected.
    """
    pairs = _pairs_of(case)
    statistics.cases += 1
    statistics.instructions += pairs.total()
    for (opcode, _), number in pairs.items():
        statistics.opcodes[opcode.name] += number
    statistics.executions += verdict.executions
    statistics.hangs += verdict.hangs
    statistics.trapping_cases += case.trapping
    if verdict.second is not None:
        statistics.cross_checked += verdict.second.compared
        statistics.unsupported.update(verdict.second.reasons())
    for reason in verdict.rejected:
        statistics.note_rejected(reason, index)
    if verdict.expected is not None and verdict.expected.traps:
        statistics.traps.update(verdict.expected.traps.values())
        if not case.trapping:
            statistics.unintended_traps += len(verdict.expected.traps)
    for stage, nanoseconds in enumerate(verdict.stage_ns):
        statistics.stage_ns[stage] += nanoseconds
    _count_runs(statistics, case, verdict, pairs)


def _count_runs(
    statistics: Statistics, case: Case, verdict: Verdict, pairs: Counter[_Pair]
) -> None:
    compiled = [run for run in verdict.runs if run.compiled]
    if compiled:
        statistics.live_instructions += compiled[0].live_instructions
    optimised = [
        effective_settings(each).get("opt_level") != "none" for each in case.configurations()
    ]
    generated = pairs.total()
    compared = set()
    for run in compiled:
        statistics.compile_ns[run.isa] += run.compile_ns
        statistics.emulate_ns[run.isa] += run.emulate_ns
        if run.outcomes is not None:
            compared.add(run.isa)
            statistics.compilations += 1
            statistics.executions_by_isa[run.isa] += case.inputs.count
        if optimised[run.configuration]:
            statistics.note_liveness(generated, run.live_instructions)
    names = [_pair_name(*pair) for pair in pairs]
    for isa in compared:
        statistics.note_opcode_types(isa, names)


def _pairs_of(case: Case) -> Counter[_Pair]:
    """Return how often the case has each (opcode, type)."""
    blocks = (block.instructions for function in case.functions for block in function.blocks)
    return Counter(map(_PAIR, chain.from_iterable(blocks)))


@cache
def _pair_name(opcode: Opcode, type_: Type | None) -> str:
    return opcode.name if type_ is None else f"{opcode.name}.{type_.name}"
