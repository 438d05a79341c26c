"""The mutation ``constant``: another constant, lane number or shuffle mask."""

from __future__ import annotations

from clif.function import Inst
from clif.opcodes import CONSTANT_FORMATS, Format
from clif.types import Type
from fuzz.generate.constants import draw_bits
from fuzz.generate.immediates import draw_immediates
from fuzz.mutate.context import MutationContext

_LANES = frozenset({Format.BINARY_IMM8, Format.TERNARY_IMM8, Format.SHUFFLE})


def change_constant(context: MutationContext) -> bool:
    """Change a constant, a lane number or the mask of a shuffle.

    Constants that bounds, divisors, addresses and loop counters depend on are protected.
    """
    places = [
        place
        for place in context.places(context.draw_function())
        if place.inst.opcode.format in CONSTANT_FORMATS or place.inst.opcode.format in _LANES
    ]
    place = context.pick(places)
    if place is None:
        return False
    inst, before = place.inst, place.inst.imm
    if inst.opcode.format in _LANES:
        typed = context.instructions.find(inst)
        if typed is None:
            return False
        inst.imm = draw_immediates(context.entropy, typed)[0]
    else:
        inst.imm = _drawn(context, inst, inst.result.type)
    return inst.imm != before


def _drawn(context: MutationContext, inst: Inst, type_: Type) -> int:
    """Draw another constant: half of the time one that is near or differs by one bit."""
    mask = (1 << type_.bits) - 1
    kind = context.entropy.below(6)
    if kind == 0:
        return inst.imm + 1 & mask
    if kind == 1:
        return inst.imm - 1 & mask
    if kind == 2:
        return inst.imm & mask ^ 1 << context.entropy.below(type_.bits)
    return draw_bits(context.entropy, type_)
