"""Faults: traps that are missing or superfluous, have the wrong code, or come too early or late."""

from __future__ import annotations

from clif.function import Function, Inst, Value
from clif.types import I8, I16, I32, I64
from clif.uses import Place
from fuzz.selfcheck.editing import each, insert_before, named, places, rename
from fuzz.selfcheck.registry import clif_fault, opcode_fault

_CONDITIONAL = ("trapz", "trapnz")
_DIVISIONS = ("udiv", "sdiv", "urem", "srem")
_STORES = ("store", "istore8", "istore16", "istore32")


@clif_fault(
    "trap-missing", "a conditional trap never happens", each(named(*_CONDITIONAL)), trapping=True
)
def trap_missing(place: Place) -> None:
    del place.block.instructions[place.index]


@clif_fault(
    "overflow-trap-missing",
    "an addition that must trap wraps around",
    each(named("uadd_overflow_trap")),
    trapping=True,
)
def overflow_trap_missing(place: Place) -> None:
    rename(place.inst, "iadd")
    place.inst.trap = ""


@clif_fault(
    "division-trap-missing",
    "a division by zero yields a value",
    each(named(*_DIVISIONS)),
    trapping=True,
)
def division_trap_missing(place: Place) -> None:
    inst = place.inst
    with insert_before(place) as builder:
        zero = builder.iconst(inst.args[1].type, 0)
        one = builder.iconst(inst.args[1].type, 1)
        is_zero = builder.value("icmp", inst.args[1], zero, cond="eq")
        inst.args[1] = builder.value("select", is_zero, one, inst.args[1])


opcode_fault(
    "conversion-trap-missing",
    "a conversion out of range saturates",
    {"fcvt_to_sint": "fcvt_to_sint_sat", "fcvt_to_uint": "fcvt_to_uint_sat"},
    trapping=True,
)


@clif_fault(
    "trap-code", "a trap has the wrong code", each(lambda inst: bool(inst.trap)), trapping=True
)
def trap_code(place: Place) -> None:
    place.inst.trap = "user99" if place.inst.trap != "user99" else "user98"


opcode_fault(
    "trap-condition",
    "a conditional trap happens in the opposite case",
    {"trapz": "trapnz", "trapnz": "trapz"},
    trapping=True,
)


def _words(inst: Inst) -> list[Value]:
    return [arg for arg in inst.args if arg.type in (I8, I16, I32, I64)]


@clif_fault(
    "extra-trap",
    "a trap where a value is zero, which is none of its business",
    each(lambda inst: bool(_words(inst))),
)
def extra_trap(place: Place) -> None:
    value = _words(place.inst)[0]
    with insert_before(place) as builder:
        builder.ins("trapz", value, trap="user77")


def _traps_below_stores(functions: list[Function]) -> list[tuple[Place, int]]:
    """List conditional traps, each with the index of the last store above it."""
    pairs = []
    for place in places(functions, named(*_CONDITIONAL)):
        above = range(place.index - 1, -1, -1)
        stores = (n for n in above if place.block.instructions[n].opcode.name in _STORES)
        pairs += [(place, index) for index in list(stores)[:1]]
    return pairs


@clif_fault(
    "store-below-trap",
    "a store happens only after a trap that it stands above",
    _traps_below_stores,
    trapping=True,
)
def store_below_trap(choice: tuple[Place, int]) -> None:
    """Move a store below a trap. Only the memory of inputs that trap shows it."""
    place, index = choice
    instructions = place.block.instructions
    instructions.insert(place.index, instructions.pop(index))
