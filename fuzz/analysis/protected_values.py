"""The values that a mutation must leave alone, so that the case stays free of traps, bad accesses,
endless loops and observable nondeterministic NaNs.

For a proved hazard these are the values that its proof looks at: it goes back from the operands to
values of which nothing is known, since it cannot depend on those. For a hazard that is not proved
they are everything that it depends on, branches included. Where that leaves the main function, the
whole case is protected.
"""

from __future__ import annotations

from collections.abc import Iterable

from clif.function import Function, Inst, Value
from clif.throwing import may_throw
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.hazards import Hazard
from fuzz.analysis.ranges import Ranges
from fuzz.analysis.termination import FunctionLoops


class ProtectedValues:
    """The parts of a case that must not change.

    Attributes:
        values: neither their definitions nor their uses may be changed.
        control_flow: functions whose branches must stay.
        inputs: parameters of main whose arguments must stay.
        everything: no function and no input may be changed at all.

    Args:
        leaks: instructions that may make a nondeterministic NaN observable.
        address_constraints: values that addresses are compared with or masked by.
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
        self._sliced: set[Value] = set()
        for hazard in hazards:
            self._protect_hazard(hazard)
        for each in loops:
            self._protect_loops(each)
        self._protect_slice(address_constraints)
        # A valid case makes these NaNs canonical in some way that the analysis does not understand,
        # before the leak or after it.
        self.everything = self.everything or any(True for _ in leaks)

    def _protect_hazard(self, hazard: Hazard) -> None:
        if hazard.proved:
            for operand in hazard.operands:
                self._protect_known(operand)
        else:
            self._protect_all(hazard.function, hazard.operands)

    def _protect_loops(self, loops: FunctionLoops) -> None:
        if not loops.proved:
            self._protect_all(loops.function, ())
        for proof in loops.proofs:
            if proof.condition is not None:
                self._protect_counter(proof.condition)

    def _protect_counter(self, condition: Value) -> None:
        """Protect what the proof of a loop looks at: the comparison, its operands, and the step."""
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
                todo += [a for a in inst.args if self.ranges.is_known(a) or self._is_parameter(a)]

    def _steps(self, inst: Inst) -> bool:
        """Return whether an instruction may be the step of a loop counter."""
        return inst.opcode.name in ("iadd", "isub") and self._is_parameter(inst.args[0])

    def _is_parameter(self, value: Value) -> bool:
        return self.graph.definition(value) is None

    def _protect_known(self, value: Value) -> None:
        """Protect the values that the range of a value follows from."""
        todo = [value]
        while todo:
            value = todo.pop()
            if value in self.values or not self.ranges.is_known(value):
                continue
            self.values.add(value)
            todo += self._sources(value)

    def _sources(self, value: Value) -> list[Value]:
        """Return the values that a value is computed of, or that are passed for a parameter."""
        inst = self.graph.definition(value)
        if inst is not None:
            return inst.args
        return [a for a in self.graph.arguments(value) or () if isinstance(a, Value)]

    # --- hazards and loops that are not proved ---

    def _protect_all(self, function: Function, operands: Iterable[Value]) -> None:
        """Protect what operands depend on, and what decides whether they are used."""
        if function is not self.graph.case.main:
            self.everything = True
            return
        self._protect_slice(operands)
        if function not in self.control_flow:
            self.control_flow.add(function)
            for block in self.graph.index[function].order:
                last = block.instructions[-1]
                # The operands of a try_call do not decide which of its targets is next, unless
                # something throws: then much of the case does.
                if last.opcode.name in ("brif", "br_table"):
                    self._protect_slice(last.args)
                elif last.handlers and may_throw(self.graph.functions):
                    self.everything = True

    def _protect_slice(self, operands: Iterable[Value]) -> None:
        """Protect operands and everything that they are computed of."""
        todo = list(operands)
        while todo and not self.everything:
            value = todo.pop()
            if value in self._sliced:
                continue
            self._sliced.add(value)
            self.values.add(value)
            todo += self._dependencies(value)

    def _dependencies(self, value: Value) -> list[Value]:
        """Return what a value is computed of; protect the whole case if that is not only values."""
        inst = self.graph.definition(value)
        if inst is None:
            if value in self.graph.case.main.entry.params:
                self.inputs.add(value)
            elif self.graph.owner[value] is not self.graph.case.main:
                self.everything = True
        elif inst.opcode.flags & {"can_load", "is_call", "other_side_effects"}:
            self.everything = True
        return self._sources(value)
