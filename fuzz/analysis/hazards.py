"""Hazards: instructions that could trap or access memory out of bounds, and proofs that they do
not.

A hazard is *proved* if the ranges of its operands rule the trap out, whatever the rest of the case
does. Of the others nothing is known but that the case does not trap as it is, so everything that
they depend on must stay as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from clif.function import Function, Inst, StackSlot, Value
from clif.memory_access import Access, access_of
from fuzz.analysis import float_ranges, intervals
from fuzz.analysis.access import Span, is_within, region_size, spans
from fuzz.analysis.ranges import Ranges

#: The least and the greatest distance from the region, in bytes, at which the generator puts
#: accesses that are meant to trap.
NEAREST, FARTHEST = 4096, 60000
#: The most bytes of such an access below the region.
_MARGIN = 16


@dataclass(frozen=True, slots=True, eq=False)
class Hazard:
    """An instruction that could trap or access what it must not.

    Attributes:
        operands: those that decide whether it does.
        proved: whether their ranges show that it does not.
    """

    function: Function
    inst: Inst
    operands: tuple[Value, ...]
    proved: bool


def find_hazards(ranges: Ranges) -> Iterator[Hazard]:
    """Iterate over the hazards of a case: in a trapping case memory accesses and calls only, since
    traps are allowed there."""
    graph = ranges.graph
    readonly = readonly_end(ranges)
    trapping = graph.case.trapping
    for function in graph.reachable:
        overlapping = overlapping_regions(function, ranges)
        for _, _, inst in graph.index[function].instructions():
            flags = inst.opcode.flags
            if flags & {"can_load", "can_store"}:
                yield _memory_hazard(function, inst, ranges, readonly, inst in overlapping)
            elif "can_trap" in flags and not trapping:
                yield _trap_hazard(function, inst, ranges)
            elif "is_call" in flags:
                yield from _call_hazard(function, inst, ranges)


# --- memory ---


def _memory_hazard(
    function: Function, inst: Inst, ranges: Ranges, readonly: int, overlapping: bool
) -> Hazard:
    access = access_of(inst)
    if access is None:
        return Hazard(function, inst, tuple(inst.args), False)
    safe = not overlapping and is_safe(access, ranges, readonly)
    return Hazard(function, inst, (access.address,), safe)


def overlapping_regions(function: Function, ranges: Ranges) -> set[Inst]:
    """Return the accesses that may touch bytes which the function accesses with another alias
    region."""
    if len(function.alias_regions) < 2:
        return set()
    named: list[tuple[Inst, list[Span] | None]] = []
    for inst in function.instructions():
        access = access_of(inst) if inst.flags.alias_region is not None else None
        if access is not None:
            named.append((inst, spans(access, ranges)))
    found: set[Inst] = set()
    for (one, its_spans), (other, other_spans) in combinations(named, 2):
        if one.flags.alias_region != other.flags.alias_region and _may_meet(its_spans, other_spans):
            found |= {one, other}
    return found


def _may_meet(spans: list[Span] | None, others: list[Span] | None) -> bool:
    if spans is None or others is None:
        return True
    return any(
        a.base == b.base and a.low < b.high and b.low < a.high for a in spans for b in others
    )


def is_safe(access: Access, ranges: Ranges, readonly: int) -> bool:
    """Return whether an access stays in its objects, and out of the read-only bytes if it writes.

    In a trapping case it may also lie where certainly nothing is mapped: then it traps.
    """
    found = spans(access, ranges)
    if found is None:
        return False
    return all(_is_safe(span, access, ranges, readonly) for span in found)


def _is_safe(span: Span, access: Access, ranges: Ranges, readonly: int) -> bool:
    size = region_size(ranges)
    if is_within(span, size):
        in_region = not isinstance(span.base, StackSlot)
        return not (access.writes and in_region and span.low < readonly)
    return ranges.graph.case.trapping and _is_unmapped(span, size)


def _is_unmapped(span: Span, size: int) -> bool:
    """Return whether a span lies where the generator puts accesses that are meant to trap."""
    if isinstance(span.base, StackSlot):
        return False
    above = span.low >= NEAREST + size and span.high <= FARTHEST
    below = span.high <= -NEAREST - size + _MARGIN and span.low >= -FARTHEST
    return above or below


def readonly_end(ranges: Ranges) -> int:
    """Return how many bytes at the region's start loads with the flag ``readonly`` rely on not
    being written."""
    end = 0
    for function in ranges.graph.reachable:
        for _, _, inst in ranges.graph.index[function].instructions():
            if inst.flags.readonly:
                end = max(end, _readonly_span(inst, ranges))
    return end


def _readonly_span(inst: Inst, ranges: Ranges) -> int:
    access = access_of(inst)
    found = spans(access, ranges) if access is not None else None
    if found is None:
        return region_size(ranges)
    return max(span.high for span in found)


# --- calls ---


def _call_hazard(function: Function, inst: Inst, ranges: Ranges) -> Iterator[Hazard]:
    """Return the hazard of a call whose callee is unknown, or no function of the case."""
    if id(inst) not in ranges.graph.callee:
        yield Hazard(function, inst, tuple(inst.args), False)


# --- traps ---

Proof = Callable[[Inst, Ranges], bool]


def _trap_hazard(function: Function, inst: Inst, ranges: Ranges) -> Hazard:
    rule = PROOFS.get(inst.opcode.name)
    operands = tuple(inst.args)
    if rule is None:
        return Hazard(function, inst, operands, False)
    proof, needed = rule
    if needed is not None:
        operands = tuple(inst.args[n] for n in needed)
    return Hazard(function, inst, operands, proof(inst, ranges))


def _excludes_zero(inst: Inst, ranges: Ranges) -> bool:
    return _excludes(inst.args[1], 0, ranges)


def _excludes(value: Value, number: int, ranges: Ranges) -> bool:
    """Return whether a value is certainly another number."""
    if value.type.is_vector:
        return False
    found = ranges.of(value)
    return found is not None and all(
        i.base is None and not i.low <= number <= i.high for i in found
    )


def _cannot_overflow(inst: Inst, ranges: Ranges) -> bool:
    type_ = inst.args[0].type
    return _excludes_zero(inst, ranges) and _excludes(inst.args[1], type_.mask, ranges)


def _sum_fits(inst: Inst, ranges: Ranges) -> bool:
    a, b = (intervals.hull(ranges.of(arg)) for arg in inst.args)
    return a is not None and b is not None and a[1] + b[1] <= inst.args[0].type.mask


def _is_not_zero(inst: Inst, ranges: Ranges) -> bool:
    return _excludes(inst.args[0], 0, ranges)


def _is_zero(inst: Inst, ranges: Ranges) -> bool:
    return intervals.hull(ranges.of(inst.args[0])) == (0, 0)


def _converts(inst: Inst, ranges: Ranges) -> bool:
    operand, result = inst.args[0], inst.result
    if operand.type.is_vector or result.type.is_vector:
        return False
    signed = inst.opcode.name == "fcvt_to_sint"
    return float_ranges.fits(ranges.float_of(operand), result.type, signed=signed)


#: For each opcode that may trap: the proof that it does not, and the operands that the proof looks
#: at (None for all).
PROOFS: Final[dict[str, tuple[Proof, tuple[int, ...] | None]]] = {
    "udiv": (_excludes_zero, (1,)),
    "urem": (_excludes_zero, (1,)),
    "srem": (_excludes_zero, (1,)),
    "sdiv": (_cannot_overflow, (1,)),
    "uadd_overflow_trap": (_sum_fits, None),
    "trapz": (_is_not_zero, None),
    "trapnz": (_is_zero, None),
    "fcvt_to_sint": (_converts, None),
    "fcvt_to_uint": (_converts, None),
}
