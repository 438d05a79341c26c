"""Counts of cases, of which there are hundreds a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clif.function import Inst
from clif.opcodes import Opcode
from clif.types import Type
from fuzz.campaign.statistics import Statistics
from fuzz.cases.case import Case, effective_settings
from fuzz.differential.pipeline import Verdict

_Counts = NDArray[np.int64]
_Kind = tuple[Opcode, Type | None]
#: Every instruction of every case is asked for it.
_KIND: Callable[[Inst], _Kind] = attrgetter("opcode", "type")


class RuleCounters:
    """In how many cases each rule fired, and with how many inputs, by ISA.

    Args:
        names: of the rules, by the numbers that ``backend.cranelift.fired_rules`` tells.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names: Final = names
        self._counts: dict[str, _Counts] = {}

    def note(self, isa: str, fired: Sequence[int], inputs: int) -> None:
        """Counts a case that was compared on an ISA. ``fired`` names each rule once."""
        counts = self._counts.get(isa)
        if counts is None:
            counts = self._counts[isa] = np.zeros((2, len(self._names)), np.int64)
        rules = np.array(fired, np.intp)
        counts[0, rules] += 1
        counts[1, rules] += inputs

    def move_to(self, statistics: Statistics) -> None:
        """Adds what was counted since the last time."""
        for isa, counts in self._counts.items():
            rules = np.flatnonzero(counts[0])
            names = [self._names[rule] for rule in rules.tolist()]
            for table, numbers in zip(
                (statistics.rule_cases, statistics.rule_inputs), counts[:, rules], strict=True
            ):
                found = Counter(dict(zip(names, numbers.tolist(), strict=True)))
                table.setdefault(isa, Counter()).update(found)
        self._counts.clear()


def count_case(statistics: Statistics, case: Case, verdict: Verdict, index: int) -> None:
    """Adds one case to the counts."""
    kinds = _kinds_of(case)
    generated = kinds.total()
    statistics.cases += 1
    statistics.instructions += generated
    for (opcode, _), number in kinds.items():
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
    _note_runs(statistics, case, verdict, kinds)


def _note_runs(statistics: Statistics, case: Case, verdict: Verdict, kinds: Counter[_Kind]) -> None:
    compiled = [run for run in verdict.runs if run.compiled]
    if compiled:
        statistics.live_instructions += compiled[0].live_instructions
    optimised = effective_settings(case).get("opt_level") != "none"
    generated = kinds.total()
    pairs = [_pair(*kind) for kind in kinds]
    for run in compiled:
        statistics.compile_ns[run.isa] += run.compile_ns
        statistics.emulate_ns[run.isa] += run.emulate_ns
        if run.outcomes is not None:
            statistics.executions_by_isa[run.isa] += case.inputs.count
            statistics.note_pairs(run.isa, pairs)
        if optimised:
            statistics.note_liveness(generated, run.live_instructions)


def _kinds_of(case: Case) -> Counter[_Kind]:
    blocks = (block.instructions for function in case.functions for block in function.blocks)
    return Counter(map(_KIND, chain.from_iterable(blocks)))


@cache
def _pair(opcode: Opcode, type_: Type | None) -> str:
    return opcode.name if type_ is None else f"{opcode.name}.{type_.name}"
