"""What must stay as it is, for traps, accesses, loops and NaN payloads that rest on it.

Of a proved hazard that is the part of its operands' computation that the proof looks at: it ends
where nothing is known of a value, for then nothing is needed of it. Of the others it is all that
they depend on, branches included. Where that leaves the function, everything is locked.
"""

from __future__ import annotations

from collections.abc import Iterable

from clif.function import Function, Inst, Value
from fuzz.analysis.hazards import Hazard
from fuzz.analysis.program import Program
from fuzz.analysis.ranges import Ranges
from fuzz.analysis.termination import LoopFacts


class Locks:
    """The values that must not change.

    Attributes:
        values: neither their definitions nor their uses may be changed.
        control: functions whose branches must stay.
        inputs: parameters of main whose arguments must stay.
        everything: nothing of the functions and inputs may be changed at all.
    """

    def __init__(
        self,
        ranges: Ranges,
        hazards: Iterable[Hazard],
        loops: Iterable[LoopFacts],
        leaks: Iterable[Inst],
        facts_of_addresses: Iterable[Value] = (),
    ) -> None:
        self.ranges = ranges
        self.program: Program = ranges.program
        self.values: set[Value] = set()
        self.control: set[Function] = set()
        self.inputs: set[Value] = set()
        self.everything = self.program.recursive
        self._whole: set[Value] = set()
        for hazard in hazards:
            self._lock_hazard(hazard)
        for facts in loops:
            self._lock_loops(facts)
        self._lock_slice(facts_of_addresses)
        # In a good case these payloads are closed after all, in a way that is not known here: by
        # instructions behind the leak as well as before it.
        self.everything = self.everything or any(True for _ in leaks)

    def fixes(self, inst: Inst) -> bool:
        """Whether the instruction computes something that is locked."""
        return self.everything or any(result in self.values for result in inst.results)

    def _lock_hazard(self, hazard: Hazard) -> None:
        if hazard.proved:
            for operand in hazard.operands:
                self._lock_known(operand)
        else:
            self._lock_all(hazard.function, hazard.operands)

    def _lock_loops(self, facts: LoopFacts) -> None:
        if not facts.proved:
            self._lock_all(facts.function, ())
        for proof in facts.proofs:
            if proof.condition is not None:
                self._lock_counter(proof.condition)

    def _lock_counter(self, condition: Value) -> None:
        """The comparison, both of its operands, the step: as far as the proof looks."""
        self.values.add(condition)
        test = self.program.definition(condition)
        assert test is not None
        todo = list(test.args)
        while todo:
            value = todo.pop()
            if value in self.values:
                continue
            inst = self.program.definition(value)
            if inst is None:
                self.values.add(value)
                arguments = self.program.arguments(value) or []
                todo += [a for a in arguments if isinstance(a, Value)]
            elif self.ranges.is_known(value) or self._steps(inst):
                self.values.add(value)
                todo += [a for a in inst.args if self.ranges.is_known(a) or self._is_carried(a)]

    def _steps(self, inst: Inst) -> bool:
        return inst.opcode.name in ("iadd", "isub") and self._is_carried(inst.args[0])

    def _is_carried(self, value: Value) -> bool:
        return self.program.definition(value) is None

    def _lock_known(self, value: Value) -> None:
        todo = [value]
        while todo:
            value = todo.pop()
            if value in self.values or not self.ranges.is_known(value):
                continue
            self.values.add(value)
            todo += self._sources(value)

    def _sources(self, value: Value) -> list[Value]:
        inst = self.program.definition(value)
        if inst is not None:
            return inst.args
        return [a for a in self.program.arguments(value) or () if isinstance(a, Value)]

    # --- what is not proved ---

    def _lock_all(self, function: Function, operands: Iterable[Value]) -> None:
        if function is not self.program.case.main:
            self.everything = True
            return
        self._lock_slice(operands)
        if function not in self.control:
            self.control.add(function)
            for block in self.program.index[function].order:
                last = block.instructions[-1]
                # Where calls go back to does not depend on their operands: nothing throws.
                if last.opcode.name in ("brif", "br_table"):
                    self._lock_slice(last.args)

    def _lock_slice(self, operands: Iterable[Value]) -> None:
        todo = list(operands)
        while todo and not self.everything:
            value = todo.pop()
            if value in self._whole:
                continue
            self._whole.add(value)
            self.values.add(value)
            todo += self._behind(value)

    def _behind(self, value: Value) -> list[Value]:
        inst = self.program.definition(value)
        if inst is None:
            if value in self.program.case.main.entry.params:
                self.inputs.add(value)
            elif self.program.owner[value] is not self.program.case.main:
                self.everything = True
        elif inst.opcode.flags & {"can_load", "is_call", "other_side_effects"}:
            self.everything = True
        return self._sources(value)
