"""Wrong integer operations."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from clif.function import Function, Inst
from clif.place import Place
from clif.types import I8, I16, I32, I64, by_name
from fuzz.selfcheck.editing import (
    insert_before,
    named,
    pick,
    places,
    rename,
    replace_uses,
)
from fuzz.selfcheck.registry import clif_fault

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
_SHIFTS = ("ishl", "ushr", "sshr", "rotl", "rotr")
_ORDERED = ("isub", "band_not", "bor_not", "bxor_not", *_SHIFTS)
_OVERFLOW = {
    "uadd_overflow": "sadd_overflow",
    "sadd_overflow": "uadd_overflow",
    "usub_overflow": "ssub_overflow",
    "ssub_overflow": "usub_overflow",
    "umul_overflow": "smul_overflow",
    "smul_overflow": "umul_overflow",
}
_COMPLEMENT = {"eq": "ne", "slt": "sge", "sgt": "sle", "ult": "uge", "ugt": "ule"}
_COMPLEMENT |= {right: left for left, right in _COMPLEMENT.items()}
_NEAR = {"slt": "sle", "sle": "slt", "sgt": "sge", "sge": "sgt"}
_NEAR |= {left.replace("s", "u"): right.replace("s", "u") for left, right in _NEAR.items()}
_SIGN = {"slt": "ult", "sle": "ule", "sgt": "ugt", "sge": "uge"}
_SIGN |= {right: left for left, right in _SIGN.items()}


@clif_fault("neighbour-operation", "an integer operation is replaced by its neighbour")
def neighbour_operation(functions: list[Function], dice: Random) -> bool:
    return _rename_one(functions, dice, _NEIGHBOURS)


@clif_fault("overflow-flag", "an overflow flag is that of the other signedness")
def overflow_flag(functions: list[Function], dice: Random) -> bool:
    return _rename_one(functions, dice, _OVERFLOW)


@clif_fault("wrong-extension", "sign extension and zero extension are confused")
def wrong_extension(functions: list[Function], dice: Random) -> bool:
    return _rename_one(functions, dice, {"uextend": "sextend", "sextend": "uextend"})


def _rename_one(functions: list[Function], dice: Random, names: dict[str, str]) -> bool:
    def possible(inst: Inst) -> bool:
        return _has(names.get(inst.opcode.name, ""), inst)

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    rename(place.inst, names[place.inst.opcode.name])
    return True


def _has(name: str, inst: Inst) -> bool:
    """Whether the other operation exists for the instruction's type, everywhere."""
    if not name or inst.type is None:
        return False
    return not (inst.type.name == "i128" and name in ("smin", "smax", "umin", "umax", "smulhi"))


@clif_fault("swapped-operands", "operands of an operation that does not commute are swapped")
def swapped_operands(functions: list[Function], dice: Random) -> bool:
    def possible(inst: Inst) -> bool:
        if inst.opcode.name not in _ORDERED:
            return False
        left, right = inst.args
        return left is not right and left.type is right.type

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    place.inst.args.reverse()
    return True


@clif_fault("flipped-condition", "an integer comparison is negated")
def flipped_condition(functions: list[Function], dice: Random) -> bool:
    return _change_condition(functions, dice, _COMPLEMENT)


@clif_fault("condition-boundary", "a comparison includes equality where it must not, or not")
def condition_boundary(functions: list[Function], dice: Random) -> bool:
    return _change_condition(functions, dice, _NEAR)


@clif_fault("condition-sign", "a comparison has the wrong signedness")
def condition_sign(functions: list[Function], dice: Random) -> bool:
    return _change_condition(functions, dice, _SIGN)


def _change_condition(functions: list[Function], dice: Random, table: dict[str, str]) -> bool:
    place = pick(places(functions, lambda i: i.opcode.name == "icmp" and i.cond in table), dice)
    if place is None:
        return False
    place.inst.cond = table[place.inst.cond]
    return True


@clif_fault("constant-off-by-one", "an integer constant is one too large")
def constant_off_by_one(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named("iconst")), dice)
    if place is None:
        return False
    place.inst.imm += 1
    return True


@clif_fault("extension-width", "an extension takes too few bits of its operand")
def extension_width(functions: list[Function], dice: Random) -> bool:
    def possible(inst: Inst) -> bool:
        return inst.opcode.name in ("uextend", "sextend") and inst.args[0].type in (I16, I32)

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    wide = place.inst.args[0]
    inst = place.inst
    with insert_before(place) as builder:
        half = by_name(f"i{wide.type.bits // 2}")
        inst.args = [builder.value("ireduce", wide, type=half)]
    return True


@clif_fault("shift-amount", "a shift or rotation goes one bit too far")
def shift_amount(functions: list[Function], dice: Random) -> bool:
    place = pick(places(functions, named(*_SHIFTS)), dice)
    if place is None:
        return False
    inst = place.inst
    value, amount = inst.args
    with insert_before(place) as builder:
        # An i128 has no immediate form; its low part serves, since amounts are taken modulo.
        if amount.type.bits > 64:
            amount = builder.value("ireduce", amount, type=I64)
        inst.args = [value, builder.value("iadd", amount, builder.iconst(amount.type, 1))]
    return True


@clif_fault("select-arms-swapped", "a select returns its other arm")
def select_arms_swapped(functions: list[Function], dice: Random) -> bool:
    def possible(inst: Inst) -> bool:
        return inst.opcode.name.startswith("select") and inst.args[1] is not inst.args[2]

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    condition, left, right = place.inst.args
    place.inst.args = [condition, right, left]
    return True


@clif_fault("reduced-too-far", "a value loses its upper half in between")
def reduced_too_far(functions: list[Function], dice: Random) -> bool:
    def possible(inst: Inst) -> bool:
        wide = inst.type in (I16, I32, I64)
        return wide and inst.opcode.name in ("iadd", "isub", "imul", "bxor")

    place = pick(places(functions, possible), dice)
    if place is None:
        return False
    inst = place.inst
    with insert_before(place) as builder:
        value = inst.args[0]
        half = builder.value("ireduce", value, type=by_name(f"i{value.type.bits // 2}"))
        inst.args[0] = builder.value("uextend", half, type=value.type)
    return True


@clif_fault("clean-upper-bits", "the upper bits of a narrow argument are assumed to be zero")
def clean_upper_bits(functions: list[Function], dice: Random) -> bool:
    """Main takes the argument at the width it is extended to: it sees the caller's garbage."""
    main = functions[0]

    def possible(inst: Inst) -> bool:
        narrow = inst.args[0] if inst.opcode.name == "uextend" else None
        wide_enough = inst.type is not None and inst.type.bits in (32, 64)
        return wide_enough and narrow in main.entry.params and narrow.type in (I8, I16, I32)

    place = pick(places([main], possible), dice)
    if place is None:
        return False
    _widen_param(main, place.inst)
    return True


def _widen_param(main: Function, extension: Inst) -> None:
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
