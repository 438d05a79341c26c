"""Which bytes of which objects a memory access may touch."""

from __future__ import annotations

from dataclasses import dataclass

from clif.function import StackSlot
from clif.memory_access import Access
from clif.opcodes import Format
from fuzz.analysis.intervals import RegionBase
from fuzz.analysis.ranges import Ranges


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from ``low`` up to but not including ``high`` of the object ``base``."""

    base: StackSlot | RegionBase
    low: int
    high: int


def spans(access: Access, ranges: Ranges) -> list[Span] | None:
    """Return where an access may lie, one span per interval of its address.

    Returns:
        None if the address may be anything.
    """
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
    """Return whether a span lies inside its object."""
    size = span.base.size if isinstance(span.base, StackSlot) else region_size
    return span.low >= 0 and span.high <= size


def region_size(ranges: Ranges) -> int:
    """Return the size of the case's region in bytes, 0 if it has none."""
    region = ranges.graph.case.inputs.region
    return 0 if region is None else region.size


def is_region_store(access: Access | None, ranges: Ranges) -> bool:
    """Return whether an access is a plain store that can only go to the case's region."""
    if access is None or access.inst.opcode.format is not Format.STORE:
        return False
    found = spans(access, ranges)
    return found is not None and not any(isinstance(span.base, StackSlot) for span in found)
