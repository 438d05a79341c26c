"""Traps that are missing, misnamed, superfluous, or come too early or too late."""

from __future__ import annotations

from random import Random

from clif.function import Function, Inst, Value
from clif.types import I8, I16, I32, I64
from fuzz.selfcheck.editing import insert_before, named, pick, places, rename
from fuzz.selfcheck.registry import clif_fault

_CONDITIONAL = ("trapz", "trapnz")
_DIVISIONS = ("udiv", "sdiv", "urem", "srem")
_STORES = ("store", "istore8", "istore16", "istore32")


@clif_fault("trap-missing", "a conditional trap never happens", trapping=True)
def trap_missing(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_CONDITIONAL)), dice)
    if place is None:
        return False
    del place.block.instructions[place.index]
    return True


@clif_fault("overflow-trap-missing", "an addition that must trap wraps around", trapping=True)
def overflow_trap_missing(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named("uadd_overflow_trap")), dice)
    if place is None:
        return False
    rename(place.inst, "iadd")
    place.inst.trap = ""
    return True


@clif_fault("division-trap-missing", "a division by zero yields a value", trapping=True)
def division_trap_missing(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_DIVISIONS)), dice)
    if place is None:
        return False
    inst = place.inst
    with insert_before(place) as builder:
        zero = builder.iconst(inst.args[1].type, 0)
        one = builder.iconst(inst.args[1].type, 1)
        is_zero = builder.value("icmp", inst.args[1], zero, cond="eq")
        inst.args[1] = builder.value("select", is_zero, one, inst.args[1])
    return True


@clif_fault("conversion-trap-missing", "a conversion out of range saturates", trapping=True)
def conversion_trap_missing(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named("fcvt_to_sint", "fcvt_to_uint")), dice)
    if place is None:
        return False
    rename(place.inst, f"{place.inst.opcode.name}_sat")
    return True


@clif_fault("trap-code", "a trap has the wrong code", trapping=True)
def trap_code(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, lambda inst: bool(inst.trap)), dice)
    if place is None:
        return False
    place.inst.trap = "user99" if place.inst.trap != "user99" else "user98"
    return True


@clif_fault("trap-condition", "a conditional trap happens in the opposite case", trapping=True)
def trap_condition(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_CONDITIONAL)), dice)
    if place is None:
        return False
    rename(place.inst, "trapnz" if place.inst.opcode.name == "trapz" else "trapz")
    return True


@clif_fault("extra-trap", "a trap where a value is zero, which is none of its business")
def extra_trap(functions: list[Function], dice: Random) -> bool:
    def words(inst: Inst) -> list[Value]:
        return [arg for arg in inst.args if arg.type in (I8, I16, I32, I64)]

    place = pick(places(functions, lambda inst: bool(words(inst))), dice)
    if place is None:
        return False
    value = words(place.inst)[0]
    with insert_before(place) as builder:
        builder.ins("trapz", value, trap="user77")
    return True


@clif_fault(
    "store-below-trap", "a store happens only after a trap that it stands above", trapping=True
)
def store_below_trap(functions: list[Function], dice: Random) -> bool:
    """Seen only by comparing the memory of inputs that trap."""
    pairs = []
    for place in places(functions, named(*_CONDITIONAL)):
        above = range(place.index - 1, -1, -1)
        stores = (n for n in above if place.block.instructions[n].opcode.name in _STORES)
        pairs += [(place, index) for index in list(stores)[:1]]
    chosen = pick(pairs, dice)
    if chosen is None:
        return False
    place, index = chosen
    instructions = place.block.instructions
    instructions.insert(place.index, instructions.pop(index))
    return True
