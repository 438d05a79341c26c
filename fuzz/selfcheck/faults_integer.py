"""Faults of integer operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from clif.function import Function, Inst
from clif.types import I8, I16, I32, I64, by_name
from clif.uses import Place
from fuzz.selfcheck.editing import (
    all_of,
    each,
    insert_before,
    named,
    places,
    replace_uses,
)
from fuzz.selfcheck.registry import clif_fault, condition_fault, opcode_fault

_NEIGHBOURS = {
    "iadd": "isub",
    "isub": "iadd",
    "imul": "iadd",
    "band": "bor",
    "bor": "bxor",
    "bxor": "bor",
    "band_not": "band",
    "ishl": "ushr",
    "ushr": "sshr",
    "sshr": "ushr",
    "rotl": "rotr",
    "rotr": "rotl",
    "smin": "umin",
    "smax": "umax",
    "umin": "smin",
    "umax": "smax",
    "clz": "ctz",
    "ctz": "clz",
    "cls": "clz",
    "smulhi": "umulhi",
    "umulhi": "smulhi",
}
_OVERFLOW = {
    "uadd_overflow": "sadd_overflow",
    "sadd_overflow": "uadd_overflow",
    "usub_overflow": "ssub_overflow",
    "ssub_overflow": "usub_overflow",
    "umul_overflow": "smul_overflow",
    "smul_overflow": "umul_overflow",
}
#: Opcodes that no ISA lowers for i128.
_NOT_I128 = ("smin", "smax", "umin", "umax", "smulhi")
_SHIFTS = ("ishl", "ushr", "sshr", "rotl", "rotr")
_ORDERED = ("isub", "band_not", "bor_not", "bxor_not", *_SHIFTS)


def _both_ways(table: Mapping[str, str]) -> dict[str, str]:
    return {**table, **{right: left for left, right in table.items()}}


def _has_neighbour(inst: Inst) -> bool:
    is_i128 = inst.type is not None and inst.type.name == "i128"
    return inst.type is not None and not (is_i128 and _NEIGHBOURS[inst.opcode.name] in _NOT_I128)


opcode_fault(
    "neighbour-operation",
    "an integer operation is replaced by its neighbour",
    _NEIGHBOURS,
    wanted=_has_neighbour,
)
opcode_fault("overflow-flag", "an overflow flag is that of the other signedness", _OVERFLOW)
opcode_fault(
    "wrong-extension",
    "sign extension and zero extension are confused",
    {"uextend": "sextend", "sextend": "uextend"},
)


def _is_asymmetric(inst: Inst) -> bool:
    left, right = inst.args
    return left is not right and left.type is right.type


@clif_fault(
    "swapped-operands",
    "operands of an operation that does not commute are swapped",
    each(all_of(named(*_ORDERED), _is_asymmetric)),
)
def swapped_operands(place: Place) -> None:
    place.inst.args.reverse()


condition_fault(
    "flipped-condition",
    "an integer comparison is negated",
    "icmp",
    _both_ways({"eq": "ne", "slt": "sge", "sgt": "sle", "ult": "uge", "ugt": "ule"}),
)
condition_fault(
    "condition-boundary",
    "a comparison includes equality where it must not, or not",
    "icmp",
    _both_ways({"slt": "sle", "sgt": "sge", "ult": "ule", "ugt": "uge"}),
)
condition_fault(
    "condition-sign",
    "a comparison has the wrong signedness",
    "icmp",
    _both_ways({"slt": "ult", "sle": "ule", "sgt": "ugt", "sge": "uge"}),
)


@clif_fault("constant-off-by-one", "an integer constant is one too large", each(named("iconst")))
def constant_off_by_one(place: Place) -> None:
    place.inst.imm += 1


@clif_fault(
    "extension-width",
    "an extension takes too few bits of its operand",
    each(all_of(named("uextend", "sextend"), lambda inst: inst.args[0].type in (I16, I32))),
)
def extension_width(place: Place) -> None:
    inst = place.inst
    wide = inst.args[0]
    with insert_before(place) as builder:
        half = by_name(f"i{wide.type.bits // 2}")
        inst.args = [builder.value("ireduce", wide, type=half)]


@clif_fault("shift-amount", "a shift or rotation goes one bit too far", each(named(*_SHIFTS)))
def shift_amount(place: Place) -> None:
    inst = place.inst
    value, amount = inst.args
    with insert_before(place) as builder:
        # There is no i128 constant. The low half will do, since amounts are taken modulo the width.
        if amount.type.bits > 64:
            amount = builder.value("ireduce", amount, type=I64)
        inst.args = [value, builder.value("iadd", amount, builder.iconst(amount.type, 1))]


def _is_select(inst: Inst) -> bool:
    return inst.opcode.name.startswith("select") and inst.args[1] is not inst.args[2]


@clif_fault("select-arms-swapped", "a select returns its other arm", each(_is_select))
def select_arms_swapped(place: Place) -> None:
    condition, left, right = place.inst.args
    place.inst.args = [condition, right, left]


@clif_fault(
    "reduced-too-far",
    "a value loses its upper half in between",
    each(all_of(named("iadd", "isub", "imul", "bxor"), lambda inst: inst.type in (I16, I32, I64))),
)
def reduced_too_far(place: Place) -> None:
    inst = place.inst
    with insert_before(place) as builder:
        value = inst.args[0]
        half = builder.value("ireduce", value, type=by_name(f"i{value.type.bits // 2}"))
        inst.args[0] = builder.value("uextend", half, type=value.type)


def _extended_params(functions: list[Function]) -> list[Place]:
    """List zero extensions of main's narrow parameters."""
    main = functions[0]

    def possible(inst: Inst) -> bool:
        narrow = inst.args[0] if inst.opcode.name == "uextend" else None
        wide_enough = inst.type is not None and inst.type.bits in (32, 64)
        return wide_enough and narrow in main.entry.params and narrow.type in (I8, I16, I32)

    return places([main], possible)


@clif_fault(
    "clean-upper-bits",
    "the upper bits of a narrow argument are assumed to be zero",
    _extended_params,
)
def clean_upper_bits(place: Place) -> None:
    """Let main take an argument at the width that it is extended to, with the caller's garbage."""
    main, extension = place.function, place.inst
    narrow, wide_type = extension.args[0], extension.type
    assert wide_type is not None
    index = main.entry.params.index(narrow)
    with insert_before(Place(main, main.entry, 0)) as builder:
        wide = builder.new_value(wide_type)
        reduced = builder.ins("ireduce", wide, type=narrow.type)
    main.entry.params[index] = wide
    replace_uses(main, narrow, reduced.result)
    replace_uses(main, extension.result, wide)
    params = list(main.signature.params)
    params[index] = replace(params[index], type=wide_type, extension=None)
    main.signature = replace(main.signature, params=tuple(params))
