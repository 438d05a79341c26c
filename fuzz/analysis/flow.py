"""Data flow of addresses and of nondeterministic NaNs.

Both are sets of values that are propagated along definitions, branch arguments, calls and returns.

- *Addresses*, and what is computed of them, differ between executors. They must not get into
  results, memory or conditions: mutations leave them alone, and use them for nothing.
- *Nondeterministic NaNs* (``clif.nan_payload``): their bits must not get into integers or memory.
  The instructions where they may are ``leaks``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from clif.function import External, Function, Handler, Inst, Signature, Value
from clif.nan_payload import NanEffect, has_nondeterministic_nans, nan_effect_of
from clif.opcodes import Format
from clif.throwing import PAYLOAD, is_of_thrower
from clif.uses import Use
from fuzz.analysis.call_graph import CallGraph, try_call_arguments
from fuzz.cases.case import has_canonical_nans

_SOURCES = frozenset(
    {
        "stack_addr",
        "dynamic_stack_addr",
        "func_addr",
        "symbol_value",
        "tls_value",
        "get_frame_pointer",
        "get_stack_pointer",
        "get_return_address",
        "get_pinned_reg",
        "get_exception_handler_address",
    }
)
#: Whether an instruction's results are in a set if the operand at a position is.
Passes = Callable[[Inst, int], bool]


def _spread(graph: CallGraph, found: set[Value], passes: Passes) -> None:
    """Add all values to a set that the values in it flow to."""
    todo = list(found)

    def add(value: Value) -> None:
        if value not in found:
            found.add(value)
            todo.append(value)

    while todo:
        value = todo.pop()
        for use in graph.index[graph.owner[value]].uses[value]:
            for reached in _reached(graph, use, passes):
                add(reached)


def _reached(graph: CallGraph, use: Use, passes: Passes) -> Iterator[Value]:
    """Iterate over the values that a value flows to by one use of it."""
    if isinstance(use.target, Handler):  # an unwinder compares it
        return
    if use.target is not None:
        yield use.target.block.params[use.position]
        return
    inst = use.inst
    callee = graph.callee.get(id(inst))
    if callee is not None:
        at = use.position - (inst.opcode.format in (Format.CALL_INDIRECT, Format.TRY_CALL_INDIRECT))
        if at >= 0:
            yield callee.entry.params[at]
    elif "is_call" in inst.opcode.flags:
        yield from _thrown(graph, inst, use.position)
    elif passes(inst, use.position):
        yield from inst.results
    if inst.opcode.name == "return":
        function = graph.owner[inst.args[use.position]]
        yield from _call_results(graph, function, use.position)


def _thrown(graph: CallGraph, call: Inst, position: int) -> Iterator[Value]:
    """Iterate over what the argument of a call is in handlers, if it is a word of a payload."""
    signature = call.ref.signature if isinstance(call.ref, External) else call.ref
    if not isinstance(signature, Signature) or not is_of_thrower(signature):
        return
    at = position - (len(call.args) - PAYLOAD)
    for function in graph.functions:
        for _, _, inst in graph.index[function].instructions():
            for target, place, word in try_call_arguments(inst):
                if word == f"exn{at}":
                    yield target.block.params[place]


def _call_results(graph: CallGraph, function: Function, position: int) -> Iterator[Value]:
    """Iterate over what a returned value is in the callers: for a tail call, in their callers."""
    seen: set[Function] = set()
    todo = [function]
    while todo:
        callee = todo.pop()
        if callee in seen:
            continue
        seen.add(callee)
        for site in graph.calls[callee]:
            if "is_return" in site.inst.opcode.flags:
                todo.append(site.caller)
            elif site.inst.results:
                yield site.inst.results[position]
            for target, at, word in try_call_arguments(site.inst):
                if word == f"ret{position}":
                    yield target.block.params[at]


# --- addresses ---


def addresses(graph: CallGraph) -> set[Value]:
    """Return the values that depend on where an object or a function lies in memory."""
    found: set[Value] = set()
    region = graph.case.inputs.region
    if region is not None:
        found.add(graph.case.main.entry.params[region.param])
    for function in graph.functions:
        if function in graph.escaping:
            found.update(function.entry.params)
        for _, _, inst in graph.index[function].instructions():
            if inst.opcode.name in _SOURCES:
                found.update(inst.results)
            if "is_call" in inst.opcode.flags:
                found.update(_unknown_results(graph, inst))
    _spread(graph, found, _computes)
    if region is not None and region.pointers:
        found.update(value for value in _loaded(graph) if value.type.bits >= 64)
        _spread(graph, found, _computes)
    if _are_stored(graph, found):
        found.update(_loaded(graph))
        _spread(graph, found, _computes)
    return found


#: Opcodes that compute an address of an address, and reveal nothing of it.
_ADDRESSING: Final = frozenset(
    {"iadd", "isub", "ishl", "imul", "uextend", "sextend", "ireduce", "select"}
)


def address_constraints(graph: CallGraph, found: set[Value]) -> Iterator[Value]:
    """Iterate over the values that addresses are compared with or masked by.

    In a valid case such an instruction has the same result wherever the object lies (the low bits
    of an aligned address, say); with another value it might not.
    """
    for function in graph.functions:
        for _, _, inst in graph.index[function].instructions():
            if inst.opcode.flags or inst.opcode.name in _ADDRESSING:
                continue
            if any(arg in found for arg in inst.args):
                yield from (arg for arg in inst.args if arg not in found)


def _are_stored(graph: CallGraph, found: set[Value]) -> bool:
    """Return whether an address is stored, so that any load may read it."""
    return any(
        inst.opcode.format in (Format.STORE, Format.STORE_NO_OFFSET) and inst.args[0] in found
        for function in graph.functions
        for _, _, inst in graph.index[function].instructions()
    )


def _loaded(graph: CallGraph) -> Iterator[Value]:
    for function in graph.functions:
        for _, _, inst in graph.index[function].instructions():
            if "can_load" in inst.opcode.flags:
                yield from inst.results


def _computes(inst: Inst, _: int) -> bool:
    return not inst.opcode.flags & {"can_load", "is_call"}


def _unknown_results(graph: CallGraph, inst: Inst) -> Iterator[Value]:
    """Iterate over the results of a call that may be anything: those of an unknown callee.

    What an exception brings was thrown by the case itself.
    """
    if id(inst) in graph.callee:
        return
    yield from inst.results
    for target, at, word in try_call_arguments(inst):
        if word.startswith("ret"):
            yield target.block.params[at]


# --- nondeterministic NaNs ---


def _float_results(inst: Inst) -> Iterator[Value]:
    """Iterate over the results of a call that may be NaNs."""
    yield from (result for result in inst.results if has_nondeterministic_nans(result.type))
    for target, at, _ in try_call_arguments(inst):
        if has_nondeterministic_nans(target.block.params[at].type):
            yield target.block.params[at]


class NondeterministicNans:
    """The values that may be nondeterministic NaNs.

    Attributes:
        leaks: the instructions that may make the bits of one observable.
    """

    def __init__(self, graph: CallGraph) -> None:
        self.graph = graph
        self.values: set[Value] = set()
        self.leaks: list[Inst] = []
        if has_canonical_nans(graph.case):
            return
        self._collect()
        if self.values:
            _spread(graph, self.values, self._passes)
            self._find_leaks()

    def _collect(self) -> None:
        for function in self.graph.functions:
            if function in self.graph.escaping:
                self.values.update(
                    p for p in function.entry.params if has_nondeterministic_nans(p.type)
                )
            for _, _, inst in self.graph.index[function].instructions():
                self.values.update(self._sources(inst))

    def _sources(self, inst: Inst) -> Iterator[Value]:
        """Iterate over the results that may be nondeterministic NaNs whatever the operands are."""
        flags = inst.opcode.flags
        if "is_call" in flags:
            if id(inst) not in self.graph.callee:
                yield from _float_results(inst)
            return
        floats = not flags and inst.results and has_nondeterministic_nans(inst.results[0].type)
        if floats and self._nan_effect(inst) is NanEffect.PRODUCES:
            yield from inst.results

    def _nan_effect(self, inst: Inst) -> NanEffect:
        return nan_effect_of(inst.opcode, tuple(arg.type for arg in inst.args))

    def _passes(self, inst: Inst, position: int) -> bool:
        if not any(has_nondeterministic_nans(result.type) for result in inst.results):
            return False
        effect = self._nan_effect(inst)
        if effect is NanEffect.EXPOSES_SIGN:
            return position == 0
        return effect is NanEffect.PROPAGATES and not self.canonicalises(inst)

    def _find_leaks(self) -> None:
        for function in self.graph.functions:
            for _, _, inst in self.graph.index[function].instructions():
                if inst.args and self._leaks(inst):
                    self.leaks.append(inst)

    def _leaks(self, inst: Inst) -> bool:
        flags = inst.opcode.flags
        if flags & {"is_call", "is_return"}:
            return False
        positions = [n for n, arg in enumerate(inst.args) if arg in self.values]
        if not positions:
            return False
        if "can_store" in flags:
            return True
        effect = self._nan_effect(inst)
        if effect is NanEffect.EXPOSES_SIGN:
            return positions[-1] > 0
        return effect is NanEffect.EXPOSES and not self.canonicalises(inst)

    def canonicalises(self, inst: Inst) -> bool:
        """Return whether an instruction replaces NaNs by a known value.

        That is a ``select`` by ``fcmp uno x, x``, or for vectors a ``bitselect`` by its bits.
        """
        if len(inst.args) != 3:
            return False
        test, nan, value = inst.args
        name = inst.opcode.name
        if name == "bitselect":
            cast = self.graph.definition(test)
            if cast is None or cast.opcode.name != "bitcast":
                return False
            test = cast.args[0]
        elif name not in ("select", "select_spectre_guard"):
            return False
        comparison = self.graph.definition(test)
        return (
            comparison is not None
            and comparison.opcode.name == "fcmp"
            and comparison.cond == "uno"
            and comparison.args == [value, value]
            and nan not in self.values
        )
