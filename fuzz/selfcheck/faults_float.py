"""Faults of floating-point operations."""

from __future__ import annotations

from clif.function import Inst
from clif.types import F32, F64
from clif.uses import Place
from fuzz.selfcheck.editing import all_of, each, insert_before, named, rename, replace_uses
from fuzz.selfcheck.registry import clif_fault, condition_fault, opcode_fault


def _is_scalar(inst: Inst) -> bool:
    return inst.type in (F32, F64)


def _is_asymmetric(inst: Inst) -> bool:
    return inst.args[0] is not inst.args[1]


opcode_fault(
    "float-neighbour",
    "a float operation is replaced by its neighbour",
    {"fadd": "fsub", "fsub": "fadd", "fmul": "fadd", "fmin": "fmax", "fmax": "fmin"},
)


@clif_fault(
    "float-operands-swapped",
    "operands of a subtraction, division or copysign are swapped",
    each(all_of(named("fsub", "fdiv", "fcopysign"), _is_asymmetric)),
)
def float_operands_swapped(place: Place) -> None:
    place.inst.args.reverse()


opcode_fault(
    "rounding-mode",
    "a value is rounded to an integer in the wrong direction",
    {"ceil": "floor", "floor": "trunc", "trunc": "nearest", "nearest": "ceil"},
)


@clif_fault(
    "fma-rounds-twice",
    "a fused multiplication and addition rounds in between",
    each(named("fma")),
)
def fma_rounds_twice(place: Place) -> None:
    inst = place.inst
    with insert_before(place) as builder:
        product = builder.value("fmul", inst.args[0], inst.args[1])
    rename(inst, "fadd")
    inst.args = [product, inst.args[2]]


@clif_fault(
    "excess-rounding",
    "a result of double precision goes through single precision",
    each(all_of(named("fadd", "fsub", "fmul", "fdiv", "sqrt"), lambda inst: inst.type is F64)),
)
def excess_rounding(place: Place) -> None:
    inst = place.inst
    behind = Place(place.function, place.block, place.index + 1)
    with insert_before(behind) as builder:
        narrow = builder.ins("fdemote", inst.result, type=F32)
        wide = builder.ins("fpromote", narrow.result, type=F64)
    replace_uses(place.function, inst.result, wide.result, but=[narrow])


@clif_fault(
    "min-max-nan",
    "a minimum or maximum with a NaN returns its second operand",
    each(all_of(named("fmin", "fmax"), _is_scalar)),
)
def min_max_nan(place: Place) -> None:
    """Compute what x86's minss and maxss do, which differ from CLIF's fmin and fmax."""
    inst = place.inst
    left, right = inst.args
    with insert_before(place) as builder:
        cond = "lt" if inst.opcode.name == "fmin" else "gt"
        first = builder.value("fcmp", left, right, cond=cond)
    rename(inst, "select")
    inst.args = [first, left, right]


@clif_fault(
    "signed-zero",
    "a negation is a subtraction from zero, so that 0 stays positive",
    each(all_of(named("fneg"), _is_scalar)),
)
def signed_zero(place: Place) -> None:
    inst = place.inst
    with insert_before(place) as builder:
        zero = builder.value(f"{inst.args[0].type.name}const", imm=0)
    rename(inst, "fsub")
    inst.args = [zero, inst.args[0]]


condition_fault(
    "float-condition",
    "a float comparison is negated",
    "fcmp",
    {
        "eq": "ne",
        "lt": "uge",
        "le": "ugt",
        "gt": "ule",
        "ge": "ult",
        "ord": "uno",
        "one": "ueq",
    },
)
condition_fault(
    "unordered",
    "a float comparison holds for NaNs too",
    "fcmp",
    {"lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge", "eq": "ueq", "one": "ne"},
)
opcode_fault(
    "conversion-sign",
    "a conversion between integer and float has the wrong signedness",
    {
        "fcvt_from_sint": "fcvt_from_uint",
        "fcvt_from_uint": "fcvt_from_sint",
        "fcvt_to_sint_sat": "fcvt_to_uint_sat",
        "fcvt_to_uint_sat": "fcvt_to_sint_sat",
    },
)
