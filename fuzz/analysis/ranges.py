"""Ranges of integers, addresses and floats, found by following definitions backwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clif.function import Inst, StackSlot, Value
from clif.memory_access import accessed_bytes
from fuzz.analysis import float_ranges, intervals
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.float_ranges import Bounds
from fuzz.analysis.intervals import REGION, Interval, Intervals

#: Definitions that are followed from one value on.
_DEPTH = 60
_COUNTS = frozenset({"clz", "cls", "ctz", "popcnt"})
_SELECTS = frozenset({"select", "select_spectre_guard"})
_ZERO_EXTENDING_LOADS = frozenset({"uload8", "uload16", "uload32"})


class Ranges:
    """The ranges of the values of a case, computed when they are asked for and then kept."""

    def __init__(self, graph: CallGraph) -> None:
        self.graph = graph
        self._ints: dict[Value, Intervals] = {}
        self._floats: dict[Value, Bounds | None] = {}
        self._depth = 0
        region = graph.case.inputs.region
        if region is not None:
            param = graph.case.main.entry.params[region.param]
            self._ints[param] = (Interval(REGION, 0, 0),)

    def of(self, value: Value) -> Intervals:
        """Return the intervals that an integer lies in."""
        if value in self._ints:
            return self._ints[value]
        # A value that depends on itself, around a loop, may be anything; so may one at the end of a
        # very long chain of definitions.
        self._ints[value] = intervals.full(value.type)
        if self._depth > _DEPTH:
            return self._ints.pop(value)
        self._depth += 1
        found = self._find(value)
        self._depth -= 1
        if intervals.is_full(found, value.type):
            found = intervals.full(value.type)
        self._ints[value] = found
        return found

    def is_known(self, value: Value) -> bool:
        """Return whether anything is known of a value, so that a proof may depend on it."""
        if value.type.is_float:
            return self.float_of(value) is not None
        return not intervals.is_full(self.of(value), value.type)

    def _find(self, value: Value) -> Intervals:
        if value.type.is_float or value.type.is_vector:
            return None
        inst = self.graph.definition(value)
        if inst is None:
            return self._incoming(value)
        name, type_ = inst.opcode.name, value.type
        if name == "iconst":
            return intervals.constant(inst.imm & type_.mask)
        if name == "stack_addr" and isinstance(inst.ref, StackSlot):
            return (Interval(inst.ref, inst.offset, inst.offset),)
        if name in _ZERO_EXTENDING_LOADS:
            return (Interval(None, 0, (1 << 8 * accessed_bytes(inst.opcode, type_)) - 1),)
        if name in _COUNTS:
            return (Interval(None, 0, type_.bits),)
        return self._computed(inst, name, value)

    def _computed(self, inst: Inst, name: str, value: Value) -> Intervals:
        args, type_ = inst.args, value.type
        if name in _SELECTS:
            return intervals.join([self.of(args[1]), self.of(args[2])])
        if name in ("uextend", "sextend", "ireduce"):
            return intervals.resize(name, type_, args[0].type, self.of(args[0]))
        if name == "icmp" and not args[0].type.is_vector:
            return intervals.compare(inst.cond, args[0].type, self.of(args[0]), self.of(args[1]))
        if name in ("fcmp", "vany_true", "vall_true"):
            return (Interval(None, 0, 1),)
        if name == "bmask":
            return (Interval(None, 0, 0), Interval(None, type_.mask, type_.mask))
        if len(args) == 2 and len(inst.results) == 1:
            return intervals.binary(name, type_, self.of(args[0]), self.of(args[1]))
        return None

    def _incoming(self, param: Value) -> Intervals:
        arguments = self.graph.arguments(param)
        if not arguments:
            return intervals.full(param.type)
        return intervals.join([self.of(a) if isinstance(a, Value) else None for a in arguments])

    # --- floats ---

    def float_of(self, value: Value) -> Bounds | None:
        """Return the bounds of a float.

        Returns:
            None if the float may be a NaN, or if nothing is known of it.
        """
        if value in self._floats:
            return self._floats[value]
        self._floats[value] = None
        inst = self.graph.definition(value)
        if inst is not None and self._depth < _DEPTH:
            self._depth += 1
            self._floats[value] = self._find_float(inst, value)
            self._depth -= 1
        return self._floats[value]

    def _find_float(self, inst: Inst, value: Value) -> Bounds | None:
        name, args, type_ = inst.opcode.name, inst.args, value.type
        if type_.is_vector:
            return None
        if name == f"{type_.name}const":
            return float_ranges.of_bits(inst.imm, type_)
        if name in ("fcvt_from_uint", "fcvt_from_sint"):
            return self._from_integer(name, args[0], value)
        if name in _EXTREMES:
            return _EXTREMES[name](self.float_of(args[0]), self.float_of(args[1]))
        if name in _SELECTS and self._replaces_nans(inst):
            return Bounds(None, None) if self.float_of(args[1]) is not None else None
        if len(args) == 1:
            return float_ranges.rounded(name, self.float_of(args[0]))
        return None

    def _from_integer(self, name: str, operand: Value, value: Value) -> Bounds | None:
        found = self.of(operand)
        signed = name == "fcvt_from_sint"
        bounds = intervals.signed_hull(found, operand.type) if signed else intervals.hull(found)
        if bounds is None or operand.type.is_vector:
            return None
        return float_ranges.of_integers(*bounds, value.type)

    def _replaces_nans(self, inst: Inst) -> bool:
        """Return whether an instruction replaces NaNs: ``select(fcmp uno x, x; y; x)``."""
        test = self.graph.definition(inst.args[0])
        return (
            test is not None
            and test.opcode.name == "fcmp"
            and test.cond == "uno"
            and test.args[0] is test.args[1]
            and test.args[0] is inst.args[2]
        )


_EXTREMES: Final[dict[str, Callable[[Bounds | None, Bounds | None], Bounds | None]]] = {
    "fmax": float_ranges.maximum,
    "fmin": float_ranges.minimum,
}
