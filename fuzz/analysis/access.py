"""Loads and stores: which bytes of what they touch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clif.function import Inst, StackSlot, Value
from clif.opcodes import Format
from fuzz.analysis.intervals import Region
from fuzz.analysis.ranges import Ranges

_WIDENING = re.compile(r"[us]load(\d+)x(\d+)")
_NARROW = re.compile(r"(?:[us]load|istore)(\d+)")
_LOADS = (Format.LOAD, Format.LOAD_NO_OFFSET)
_STORES = (Format.STORE, Format.STORE_NO_OFFSET)


@dataclass(frozen=True, slots=True)
class Access:
    """``size`` bytes at ``address + offset``."""

    inst: Inst
    address: Value
    size: int
    writes: bool

    @property
    def offset(self) -> int:
        return self.inst.offset


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``low`` to ``high``, the last one not included, of an object that an access touches."""

    base: StackSlot | Region
    low: int
    high: int


def access_of(inst: Inst) -> Access | None:
    """What an instruction accesses; None for those that do not, or in another way."""
    flags = inst.opcode.flags
    if not flags & {"can_load", "can_store"}:
        return None
    format_ = inst.opcode.format
    if format_ in _STORES:
        return Access(inst, inst.args[1], _size(inst, inst.args[0].type.bytes), True)
    if format_ in _LOADS:
        return Access(inst, inst.args[0], _size(inst, inst.results[0].type.bytes), False)
    if format_ in (Format.ATOMIC_RMW, Format.ATOMIC_CAS):
        return Access(inst, inst.args[0], inst.results[0].type.bytes, True)
    return None


def _size(inst: Inst, plain: int) -> int:
    name = inst.opcode.name
    widening = _WIDENING.fullmatch(name)
    if widening:
        return int(widening[1]) // 8 * int(widening[2])
    narrow = _NARROW.fullmatch(name)
    return int(narrow[1]) // 8 if narrow else plain


def spans(access: Access, ranges: Ranges) -> list[Span] | None:
    """Where an access may lie, object by object; None where its address is not known."""
    found = ranges.of(access.address)
    if found is None:
        return None
    spans = []
    for interval in found:
        if interval.base is None:
            return None
        low = interval.low + access.offset
        high = interval.high + access.offset + access.size
        spans.append(Span(interval.base, low, high))
    return spans


def is_within(span: Span, region_size: int) -> bool:
    """Whether all of it lies in its object."""
    size = span.base.size if isinstance(span.base, StackSlot) else region_size
    return span.low >= 0 and span.high <= size


def region_size(ranges: Ranges) -> int:
    region = ranges.program.case.inputs.region
    return 0 if region is None else region.size


def is_region_store(access: Access | None, ranges: Ranges) -> bool:
    """Whether it is a plain store that never goes to a stack slot."""
    if access is None or access.inst.opcode.format is not Format.STORE:
        return False
    found = spans(access, ranges)
    return found is not None and not any(isinstance(span.base, StackSlot) for span in found)
