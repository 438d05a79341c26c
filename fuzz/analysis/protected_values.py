"""What must stay as it is, for traps, accesses, loops and NaN payloads that rest on it.

Of a proved hazard that is the part of its operands' computation that the proof looks at: it ends
where nothing is known of a value, for then nothing is needed of it. Of the others it is all that
they depend on, branches included. Where that leaves the function, everything is locked.
"""

from __future__ import annotations

from collections.abc import Iterable

from clif.function import Function, Inst, Value
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.hazards import Hazard
from fuzz.analysis.ranges import Ranges
from fuzz.analysis.termination import FunctionLoops


class ProtectedValues:
    """The values that must not change.

    Attributes:
        values: neither their definitions nor their uses may be changed.
        control_flow: functions whose branches must stay.
        inputs: parameters of main whose arguments must stay.
        everything: nothing of the functions and inputs may be changed at all.
    """

    def __init__(
        self,
        ranges: Ranges,
        hazards: Iterable[Hazard],
        loops: Iterable[FunctionLoops],
        leaks: Iterable[Inst],
        address_constraints: Iterable[Value] = (),
    ) -> None:
        self.ranges = ranges
        self.graph: CallGraph = ranges.graph
        self.values: set[Value] = set()
        self.control_flow: set[Function] = set()
        self.inputs: set[Value] = set()
        self.everything = self.graph.recursive
        self._whole: set[Value] = set()
        for hazard in hazards:
            self._protect_hazard(hazard)
        for facts in loops:
            self._protect_loops(facts)
        self._protect_slice(address_constraints)
        # In a good case these payloads are closed after all, in a way that is not known here: by
        # instructions behind the leak as well as before it.
        self.everything = self.everything or any(True for _ in leaks)

    def fixes(self, inst: Inst) -> bool:
        """Whether the instruction computes something that is locked."""
        return self.everything or any(result in self.values for result in inst.results)

    def _protect_hazard(self, hazard: Hazard) -> None:
        if hazard.proved:
            for operand in hazard.operands:
                self._protect_known(operand)
        else:
            self._protect_all(hazard.function, hazard.operands)

    def _protect_loops(self, facts: FunctionLoops) -> None:
        if not facts.proved:
            self._protect_all(facts.function, ())
        for proof in facts.proofs:
            if proof.condition is not None:
                self._protect_counter(proof.condition)

    def _protect_counter(self, condition: Value) -> None:
        """The comparison, both of its operands, the step: as far as the proof looks."""
        self.values.add(condition)
        test = self.graph.definition(condition)
        assert test is not None
        todo = list(test.args)
        while todo:
            value = todo.pop()
            if value in self.values:
                continue
            inst = self.graph.definition(value)
            if inst is None:
                self.values.add(value)
                arguments = self.graph.arguments(value) or []
                todo += [a for a in arguments if isinstance(a, Value)]
            elif self.ranges.is_known(value) or self._steps(inst):
                self.values.add(value)
                todo += [a for a in inst.args if self.ranges.is_known(a) or self._is_carried(a)]

    def _steps(self, inst: Inst) -> bool:
        return inst.opcode.name in ("iadd", "isub") and self._is_carried(inst.args[0])

    def _is_carried(self, value: Value) -> bool:
        return self.graph.definition(value) is None

    def _protect_known(self, value: Value) -> None:
        todo = [value]
        while todo:
            value = todo.pop()
            if value in self.values or not self.ranges.is_known(value):
                continue
            self.values.add(value)
            todo += self._sources(value)

    def _sources(self, value: Value) -> list[Value]:
        inst = self.graph.definition(value)
        if inst is not None:
            return inst.args
        return [a for a in self.graph.arguments(value) or () if isinstance(a, Value)]

    # --- what is not proved ---

    def _protect_all(self, function: Function, operands: Iterable[Value]) -> None:
        if function is not self.graph.case.main:
            self.everything = True
            return
        self._protect_slice(operands)
        if function not in self.control_flow:
            self.control_flow.add(function)
            for block in self.graph.index[function].order:
                last = block.instructions[-1]
                # Where calls go back to does not depend on their operands: nothing throws.
                if last.opcode.name in ("brif", "br_table"):
                    self._protect_slice(last.args)

    def _protect_slice(self, operands: Iterable[Value]) -> None:
        todo = list(operands)
        while todo and not self.everything:
            value = todo.pop()
            if value in self._whole:
                continue
            self._whole.add(value)
            self.values.add(value)
            todo += self._behind(value)

    def _behind(self, value: Value) -> list[Value]:
        inst = self.graph.definition(value)
        if inst is None:
            if value in self.graph.case.main.entry.params:
                self.inputs.add(value)
            elif self.graph.owner[value] is not self.graph.case.main:
                self.everything = True
        elif inst.opcode.flags & {"can_load", "is_call", "other_side_effects"}:
            self.everything = True
        return self._sources(value)
