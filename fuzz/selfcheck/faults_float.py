"""Wrong floating point operations."""

from __future__ import annotations

from random import Random

from clif.function import Function, Inst, Value
from clif.place import Place
from clif.types import F32, F64, Type
from fuzz.selfcheck.editing import insert_before, named, pick, places, rename, replace_uses
from fuzz.selfcheck.registry import clif_fault

_NEIGHBOURS = {"fadd": "fsub", "fsub": "fadd", "fmul": "fadd", "fmin": "fmax", "fmax": "fmin"}
_ROUNDING = {"ceil": "floor", "floor": "trunc", "trunc": "nearest", "nearest": "ceil"}
_NEGATED = {
    "eq": "ne",
    "lt": "uge",
    "le": "ugt",
    "gt": "ule",
    "ge": "ult",
    "ord": "uno",
    "one": "ueq",
}
_UNORDERED = {"lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge", "eq": "ueq", "one": "ne"}


def _scalar(inst: Inst) -> bool:
    return inst.type in (F32, F64)


def _float_constant(place: Place, type_: Type, bits: int) -> Value:
    with insert_before(place) as builder:
        return builder.value(f"{type_.name}const", imm=bits)


@clif_fault("float-neighbour", "a float operation is replaced by its neighbour")
def float_neighbour(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_NEIGHBOURS)), dice)
    if place is None:
        return False
    rename(place.inst, _NEIGHBOURS[place.inst.opcode.name])
    return True


@clif_fault("float-operands-swapped", "operands of a subtraction, division or copysign are swapped")
def float_operands_swapped(functions: list[Function], dice: Random) -> bool:
    def possible(inst: Inst) -> bool:
        ordered = inst.opcode.name in ("fsub", "fdiv", "fcopysign")
        return ordered and inst.args[0] is not inst.args[1]

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    place.inst.args.reverse()
    return True


@clif_fault("rounding-mode", "a value is rounded to an integer in the wrong direction")
def rounding_mode(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_ROUNDING)), dice)
    if place is None:
        return False
    rename(place.inst, _ROUNDING[place.inst.opcode.name])
    return True


@clif_fault("fma-rounds-twice", "a fused multiplication and addition rounds in between")
def fma_rounds_twice(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named("fma")), dice)
    if place is None:
        return False
    inst = place.inst
    with insert_before(place) as builder:
        product = builder.value("fmul", inst.args[0], inst.args[1])
    rename(inst, "fadd")
    inst.args = [product, inst.args[2]]
    return True


@clif_fault("excess-rounding", "a result of double precision goes through single precision")
def excess_rounding(functions: list[Function], dice: Random) -> bool:
    def possible(inst: Inst) -> bool:
        return inst.opcode.name in ("fadd", "fsub", "fmul", "fdiv", "sqrt") and inst.type is F64

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    inst = place.inst
    behind = Place(place.function, place.block, place.index + 1)
    with insert_before(behind) as builder:
        narrow = builder.ins("fdemote", inst.result, type=F32)
        wide = builder.ins("fpromote", narrow.result, type=F64)
    replace_uses(place.function, inst.result, wide.result, but=[narrow])
    return True


@clif_fault("min-max-nan", "a minimum or maximum with a NaN returns its second operand")
def min_max_nan(functions: list[Function], dice: Random) -> bool:
    """What x86's minss and maxss do, and CLIF's fmin and fmax do not."""
    place = pick([p for p in places(functions, named("fmin", "fmax")) if _scalar(p.inst)], dice)
    if place is None:
        return False
    inst = place.inst
    left, right = inst.args
    with insert_before(place) as builder:
        cond = "lt" if inst.opcode.name == "fmin" else "gt"
        first = builder.value("fcmp", left, right, cond=cond)
    rename(inst, "select")
    inst.args = [first, left, right]
    return True


@clif_fault("signed-zero", "a negation is a subtraction from zero, so that 0 stays positive")
def signed_zero(functions: list[Function], dice: Random) -> bool:
    place = pick([p for p in places(functions, named("fneg")) if _scalar(p.inst)], dice)
    if place is None:
        return False
    inst = place.inst
    zero = _float_constant(place, inst.args[0].type, 0)
    rename(inst, "fsub")
    inst.args = [zero, inst.args[0]]
    return True


@clif_fault("float-condition", "a float comparison is negated")
def float_condition(functions: list[Function], dice: Random) -> bool:
    return _change_condition(functions, dice, _NEGATED)


@clif_fault("unordered", "a float comparison holds for NaNs too")
def unordered(functions: list[Function], dice: Random) -> bool:
    return _change_condition(functions, dice, _UNORDERED)


def _change_condition(functions: list[Function], dice: Random, table: dict[str, str]) -> bool:
    place = pick(places(functions, lambda i: i.opcode.name == "fcmp" and i.cond in table), dice)
    if place is None:
        return False
    place.inst.cond = table[place.inst.cond]
    return True


@clif_fault("conversion-sign", "a conversion between integer and float has the wrong signedness")
def conversion_sign(functions: list[Function], dice: Random) -> bool:
    table = {
        "fcvt_from_sint": "fcvt_from_uint",
        "fcvt_from_uint": "fcvt_from_sint",
        "fcvt_to_sint_sat": "fcvt_to_uint_sat",
        "fcvt_to_uint_sat": "fcvt_to_sint_sat",
    }
    place = pick(places(functions, named(*table)), dice)
    if place is None:
        return False
    rename(place.inst, table[place.inst.opcode.name])
    return True
