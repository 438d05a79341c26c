"""Places that trap for some inputs.

Only trapping cases have them, and few: otherwise little else would be executed.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.function import MemFlags, Value
from clif.types import I8
from fuzz.analysis.hazards import FARTHEST, NEAREST
from fuzz.generate.addresses import base, region_of
from fuzz.generate.control import trap_arm
from fuzz.generate.conversions import canonicalise
from fuzz.generate.operands import compare, condition, pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.trap_guards import binary_types, draw_division
from fuzz.generate.writer import Writer


def _trap_code(w: Writer) -> str:
    return w.entropy.choice(TRAP_CODES)


def _arm(w: Writer) -> bool:
    trap_arm(w)
    return True


def _conditional(w: Writer) -> bool:
    """Emit ``trapz`` or ``trapnz`` of any value."""
    value = condition(w) if w.entropy.below(3) else compare(w)
    w.emit(w.entropy.choice(("trapnz", "trapz")), value, type=value.type, trap=_trap_code(w))
    return True


def _division(w: Writer) -> bool:
    drawn = draw_division(w)
    if drawn is None:
        return False
    name, type_ = drawn
    w.keep(w.op(name, pick(w, type_), _divisor(w, pick(w, type_))))
    return True


def _divisor(w: Writer, value: Value) -> Value:
    """Return the divisor, or its lowest bits, so that zeros are not too rare."""
    if w.entropy.below(2):
        return w.op("band", value, w.constant(value.type, 1 + w.entropy.below(7)))
    return value


def _conversion(w: Writer) -> bool:
    name = w.entropy.choice(("fcvt_to_sint", "fcvt_to_uint"))
    instructions = [
        (t, f)
        for f in w.swarm.types
        if f.is_float and not f.is_vector
        for t in w.instruction_set.types
        if w.instruction_set.has(name, t, f)
    ]
    if not instructions:
        return False
    type_, float_ = w.entropy.choice(instructions)
    w.keep(w.op(name, pick(w, float_), type=type_))
    return True


def _addition(w: Writer) -> bool:
    name = "uadd_overflow_trap"
    types = binary_types(w, name)
    if not types:
        return False
    type_ = w.entropy.choice(types)
    w.keep(w.op(name, pick(w, type_), pick(w, type_), trap=_trap_code(w)))
    return True


def out_of_bounds(w: Writer) -> bool:
    """Emit an access whose address is far away from the region under a condition."""
    region = region_of(w)
    if region is None:
        return False
    entropy = w.entropy
    distance = entropy.between(NEAREST, FARTHEST - 2 * region.size) + region.size
    far = w.constant(w.address, distance if entropy.below(2) else -distance)
    near = w.constant(w.address, entropy.below(max(1, region.size - region.writable - 15)))
    shift = w.op("select", condition(w), far, near)
    address = w.op("iadd", base(w, region), shift)
    trap = _trap_code(w) if entropy.below(2) else "heap_oob"
    flags = MemFlags(trap=trap, alias_region=region.region)
    types = [t for t in w.swarm.types if t.bytes <= min(16, region.size - region.writable)]
    type_ = entropy.choice(types) if types else I8
    if types and w.can_store(type_) and entropy.below(2):
        value = canonicalise(w, pick(w, type_))
        w.emit("store", value, address, type=type_, flags=flags, offset=region.writable)
    else:
        w.keep(w.emit("load", address, type=type_, results=(type_,), flags=flags).results[0])
    return True


SITES: tuple[Callable[[Writer], bool], ...] = (
    _conditional,
    _conditional,
    _arm,
    _division,
    _division,
    _conversion,
    _conversion,
    _addition,
    out_of_bounds,
    out_of_bounds,
)


def trap_site(w: Writer) -> bool:
    """Emit a place that may trap, if the case may have another one."""
    if w.plan.sites <= 0 or not w.entropy.choice(SITES)(w):
        return False
    w.plan.sites -= 1
    w.plan.trapped = True
    return True


def ensure_trap(w: Writer) -> None:
    """Emit a place that may trap at the end of main if a trapping case has none."""
    if w.plan.trapping and not w.plan.trapped:
        _conditional(w)
