"""Known faults of ``cranelift-interpreter``, and how to rewrite functions so that none shows.

A difference is put down to a fault only if it disappears when the instructions that show the fault
are replaced by others with the same meaning. Each fault has a test that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import Block, Function, Inst, MemFlags, Value
from clif.opcodes import Format
from clif.types import I8, I64, I128, Type, by_name

#: At least as much as any access of CLIF needs.
_ALIGNED = 64


class InterpreterFault(StrEnum):
    """A known fault."""

    NEGATIVE_OFFSET = "negative-offset"
    BIG_ENDIAN_LANES = "big-endian-lanes"
    STACK_SLOT_ALIGNMENT = "stack-slot-alignment"
    SREM_OF_MINIMUM = "srem-of-minimum"
    SIGNED_CARRY = "signed-carry"
    ZERO_EQUALS_ALL = "zero-equals-all"
    BITCAST_TO_LANES = "bitcast-to-lanes"
    NARROW_ISPLIT = "narrow-isplit"
    I128_FROM_FLOAT = "i128-from-float"

    @property
    def explanation(self) -> str:
        """What happens, in one sentence."""
        return _EXPLANATIONS[self]


_EXPLANATIONS: Final = {
    InterpreterFault.NEGATIVE_OFFSET: (
        "The offset of a load or store is zero-extended from 32 bits: a negative one leads 4 GiB "
        "too far, to a trap or a panic."
    ),
    InterpreterFault.BIG_ENDIAN_LANES: (
        "A big-endian access turns a whole vector around, not each lane: lane 0 comes last."
    ),
    InterpreterFault.STACK_SLOT_ALIGNMENT: (
        "Stack slots lie one behind the other whatever alignment they ask for; `aligned` accesses "
        "trap then."
    ),
    InterpreterFault.SREM_OF_MINIMUM: "srem of the least integer by -1 traps; it is 0.",
    InterpreterFault.SIGNED_CARRY: (
        "sadd_overflow_cin and ssub_overflow_bin report an overflow that the carry undoes."
    ),
    InterpreterFault.ZERO_EQUALS_ALL: (
        "f16 and f128 are compared by an order in which a zero equals every number; the conditions "
        "that include unordered panic."
    ),
    InterpreterFault.BITCAST_TO_LANES: (
        "bitcast of an integer to a vector of narrower lanes keeps lane 0 only, as a scalar."
    ),
    InterpreterFault.NARROW_ISPLIT: "isplit makes two i64 of every type, not only of i128.",
    InterpreterFault.I128_FROM_FLOAT: (
        "Floats beyond the range of a signed i128 saturate to it before they are looked at."
    ),
}


# --- which instructions show a fault ---

_OFFSETS = (Format.LOAD, Format.STORE)


def _has_lanes_of_an_integer(inst: Inst) -> bool:
    into, of = inst.type, inst.args[0].type
    return into is not None and into.is_vector and of.is_int and not of.is_vector


def _is_compare_by_bits(inst: Inst) -> bool:
    return inst.type is not None and not inst.type.is_vector and inst.type.bits in (16, 128)


_SHOWN_BY: Final[dict[str, tuple[InterpreterFault, Callable[[Inst], bool]]]] = {
    "srem": (InterpreterFault.SREM_OF_MINIMUM, lambda inst: True),
    "sadd_overflow_cin": (InterpreterFault.SIGNED_CARRY, lambda inst: True),
    "ssub_overflow_bin": (InterpreterFault.SIGNED_CARRY, lambda inst: True),
    "fcmp": (InterpreterFault.ZERO_EQUALS_ALL, _is_compare_by_bits),
    "bitcast": (InterpreterFault.BITCAST_TO_LANES, _has_lanes_of_an_integer),
    "isplit": (InterpreterFault.NARROW_ISPLIT, lambda inst: inst.type is not I128),
    "fcvt_to_uint": (InterpreterFault.I128_FROM_FLOAT, lambda inst: inst.type is I128),
    "fcvt_to_sint": (InterpreterFault.I128_FROM_FLOAT, lambda inst: inst.type is I128),
    "fcvt_to_uint_sat": (InterpreterFault.I128_FROM_FLOAT, lambda inst: inst.type is I128),
    "fcvt_to_sint_sat": (InterpreterFault.I128_FROM_FLOAT, lambda inst: inst.type is I128),
}


def _fault_of(inst: Inst) -> InterpreterFault | None:
    if inst.opcode.format in _OFFSETS:
        if inst.flags.endianness == "big" and inst.type is not None and inst.type.is_vector:
            return InterpreterFault.BIG_ENDIAN_LANES
        return InterpreterFault.NEGATIVE_OFFSET if inst.offset < 0 else None
    fault, shows = _SHOWN_BY.get(inst.opcode.name, (None, None))
    return fault if shows is not None and shows(inst) else None


def possible_faults(functions: Sequence[Function]) -> list[InterpreterFault]:
    """Return the faults that functions may show, each once, in the order of the table."""
    found = {_fault_of(inst) for function in functions for inst in function.instructions()}
    if any(slot.align > 1 for function in functions for slot in function.stack_slots):
        found.add(InterpreterFault.STACK_SLOT_ALIGNMENT)
    return [fault for fault in InterpreterFault if fault in found]


# --- rewriting ---


def without_faults(
    functions: Sequence[Function], faults: Sequence[InterpreterFault]
) -> list[Function] | None:
    """Return copies of the same meaning that do not show some faults.

    Returns:
        None if there is no way to rewrite them.
    """
    if InterpreterFault.I128_FROM_FLOAT in faults:
        return None
    return [_rewritten(function, faults) for function in functions]


def _rewritten(function: Function, faults: Sequence[InterpreterFault]) -> Function:
    function = function.clone()
    if InterpreterFault.STACK_SLOT_ALIGNMENT in faults:
        for slot in function.stack_slots:
            slot.size += -slot.size % _ALIGNED
    builder = FunctionBuilder(function, OPCODES)
    for block in function.blocks:
        builder.block = Block(block.number)
        for inst in block.instructions:
            fault = _fault_of(inst)
            if fault is not None and fault in faults:
                _rewrite(builder, inst, fault)
            else:
                builder.block.instructions.append(inst)
        block.instructions = builder.block.instructions
    return function


def _rewrite(builder: FunctionBuilder, inst: Inst, fault: InterpreterFault) -> None:
    """Append instructions of the same meaning, which define the values of the replaced one."""
    values = _REWRITES[fault](builder, inst)
    defining = {result: new for new in builder.block.instructions for result in new.results}
    for old, value in zip(inst.results, values, strict=True):
        maker = defining[value]
        maker.results[maker.results.index(value)] = old


def _number(builder: FunctionBuilder, type_: Type, number: int) -> Value:
    """Append a small constant of an integer type. There is no ``iconst.i128``."""
    if type_ is not I128:
        return builder.iconst(type_, number)
    return builder.value("sextend", builder.iconst(I64, number), type=I128)


def _whole_address(builder: FunctionBuilder, inst: Inst) -> Value:
    """Append the sum of address and offset."""
    address = inst.args[-1]
    return builder.value("iadd", address, builder.iconst(address.type, inst.offset))


def _offset_added(builder: FunctionBuilder, inst: Inst) -> list[Value]:
    args = [*inst.args[:-1], _whole_address(builder, inst)]
    builder.block.instructions.append(replace(inst, args=args, offset=0, results=[*inst.results]))
    return list(inst.results)


def _lane_by_lane(builder: FunctionBuilder, inst: Inst) -> list[Value]:
    type_, address = inst.type, _whole_address(builder, inst)
    assert type_ is not None
    places = [(n, n * type_.lane.bytes) for n in range(type_.lanes)]
    if inst.opcode.format is Format.STORE:
        for n, offset in places:
            lane = builder.value("extractlane", inst.args[0], imm=n)
            builder.ins("store", lane, address, flags=inst.flags, offset=offset)
        return []
    lanes = [
        builder.value("load", address, type=type_.lane, flags=inst.flags, offset=offset)
        for _, offset in places
    ]
    vector = builder.value("splat", lanes[0], type=type_)
    for n, lane in enumerate(lanes):
        vector = builder.value("insertlane", vector, lane, imm=n)
    return [vector]


def _srem_by_one(builder: FunctionBuilder, inst: Inst) -> list[Value]:
    """Divide by 1 instead of -1: the remainder is 0 in either case."""
    x, y = inst.args
    minus_one = builder.value("icmp", y, _number(builder, y.type, -1), cond="eq")
    divisor = builder.value("select", minus_one, _number(builder, y.type, 1), y)
    return [builder.value("srem", x, divisor)]


def _carry_in_two_steps(builder: FunctionBuilder, inst: Inst) -> list[Value]:
    """Add operands and carry in two steps. The sum overflows if exactly one of the steps does."""
    name = inst.opcode.name.removesuffix("_cin").removesuffix("_bin")
    x, y, carry = inst.args
    one, zero = (_number(builder, x.type, number) for number in (1, 0))
    carried = builder.value("select", carry, one, zero)
    partial, first = builder.ins(name, x, y).results
    total, second = builder.ins(name, partial, carried).results
    return [total, builder.value("bxor", first, second)]


_ORDERED: Final = {"eq": "eq", "one": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_UNORDERED: Final = {"ueq": "eq", "ne": "ne"} | {
    f"u{cond}": _ORDERED[cond] for cond in ("lt", "le", "gt", "ge")
}


def _compare_as_integers(builder: FunctionBuilder, inst: Inst) -> list[Value]:
    """Compare floats as signed integers of the same order; NaNs are looked for apart."""
    x, y = (_Bits(builder, value) for value in inst.args)
    unordered = builder.value("bor", x.is_nan(), y.is_nan())
    if inst.cond == "uno":
        return [unordered]
    ordered = builder.value("bxor", unordered, builder.iconst(I8, 1))
    if inst.cond == "ord":
        return [ordered]
    cond = _ORDERED.get(inst.cond) or _UNORDERED[inst.cond]
    holds = builder.value("icmp", x.order(), y.order(), cond=cond)
    if inst.cond in _ORDERED:
        return [builder.value("band", holds, ordered)]
    return [builder.value("bor", holds, unordered)]


class _Bits:
    """The bits of a float value, and instructions that take them apart."""

    def __init__(self, builder: FunctionBuilder, value: Value) -> None:
        self.builder = builder
        self.type = by_name(f"i{value.type.bits}")
        self.bits = builder.value("bitcast", value, type=self.type)
        one = _number(builder, self.type, 1)
        sign = builder.value("ishl", self.bits, one)
        self.magnitude = builder.value("ushr", sign, one)

    def is_nan(self) -> Value:
        """Append a test for NaNs."""
        infinity = _number(self.builder, self.type, 0x7C00 if self.type.bits == 16 else 0x7FFF)
        if self.type is I128:
            shift = self.builder.iconst(I8, 112)
            infinity = self.builder.value("ishl", infinity, shift)
        return self.builder.value("icmp", self.magnitude, infinity, cond="ugt")

    def order(self) -> Value:
        """Append the signed integer that has the float's place in the order of its type."""
        zero = _number(self.builder, self.type, 0)
        negative = self.builder.value("icmp", self.bits, zero, cond="slt")
        below = self.builder.value("ineg", self.magnitude)
        return self.builder.value("select", negative, below, self.magnitude)


def _through_memory(builder: FunctionBuilder, inst: Inst) -> list[Value]:
    (value,) = inst.args
    address = builder.address(builder.stack_slot(_ALIGNED))
    flags = MemFlags(endianness=inst.flags.endianness)
    builder.ins("store", value, address, flags=flags)
    return [builder.value("load", address, type=inst.type, flags=flags)]


def _two_halves(builder: FunctionBuilder, inst: Inst) -> list[Value]:
    (value,) = inst.args
    half = value.type.half_width
    low = builder.value("ireduce", value, type=half)
    shifted = builder.value("ushr", value, _number(builder, value.type, half.bits))
    return [low, builder.value("ireduce", shifted, type=half)]


_REWRITES: Final[dict[InterpreterFault, Callable[[FunctionBuilder, Inst], list[Value]]]] = {
    InterpreterFault.NEGATIVE_OFFSET: _offset_added,
    InterpreterFault.BIG_ENDIAN_LANES: _lane_by_lane,
    InterpreterFault.SREM_OF_MINIMUM: _srem_by_one,
    InterpreterFault.SIGNED_CARRY: _carry_in_two_steps,
    InterpreterFault.ZERO_EQUALS_ALL: _compare_as_integers,
    InterpreterFault.BITCAST_TO_LANES: _through_memory,
    InterpreterFault.NARROW_ISPLIT: _two_halves,
}
