"""Probes: for every instruction that CLIF knows, the smallest function that contains it.

Operands are the function's parameters, results are returned. What the verifier accepts but has no
meaning is left out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from backend.cranelift.opcodes import OPCODES
from clif import types
from clif.builder import FunctionBuilder, resolve
from clif.function import (
    AbiParam,
    BlockCall,
    Function,
    GlobalValue,
    MemFlags,
    Signature,
    Value,
)
from clif.memory_access import address_operand
from clif.opcodes import Constraint, Format, Opcode
from clif.printer import print_function
from clif.types import I64, Type


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


INT_CONDITIONS: Final = _names("eq ne slt sge sgt sle ult uge ugt ule")
FLOAT_CONDITIONS: Final = _names("ord uno eq ne one ueq lt le gt ge ult ule ugt uge")
#: Of some vectors only the first lane can be taken out.
LANES: Final = _names("first last")
RMW_OPERATIONS: Final = _names("add sub and nand or xor xchg umin umax smin smax")

_VARIANTS: Final = {
    Format.INT_COMPARE: INT_CONDITIONS,
    Format.FLOAT_COMPARE: FLOAT_CONDITIONS,
    Format.ATOMIC_RMW: RMW_OPERATIONS,
    Format.BINARY_IMM8: LANES,
    Format.TERNARY_IMM8: LANES,
}


def variants(opcode: str) -> tuple[str, ...]:
    """The condition codes, operations or lanes of an opcode, empty where it has none."""
    found = OPCODES.get(opcode)
    return _VARIANTS.get(found.format, ()) if found is not None else ()


# Their controlling type is an address, or a register of that width.
_ADDRESS_TYPED: Final = _names(
    "get_pinned_reg set_pinned_reg get_frame_pointer get_stack_pointer get_return_address "
    "call_indirect return_call_indirect try_call_indirect func_addr stack_addr symbol_value "
    "tls_value stack_switch uload32 sload32 uload8x8 sload8x8 uload16x4 sload16x4 uload32x2 "
    "sload32x2"
)

# Cannot stand in a function of one instruction, or not be written down in `clif`.
_SKIPPED: Final = _names(
    "dynamic_stack_addr extract_vector get_exception_handler_address stack_switch"
)

# The verifier accepts other lane counts than the result's; they mean nothing.
_LANEWISE: Final = _names(
    "fcvt_to_uint fcvt_to_sint fcvt_to_uint_sat fcvt_to_sint_sat fcvt_from_uint fcvt_from_sint "
    "x86_cvtt2dq"
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One instruction to try.

    Attributes:
        type: the controlling type; None where the opcode has none.
        operands: types of those operands whose type the controlling type leaves open; addresses
            do not count, they are i64.
        variant: condition code, ``atomic_rmw`` operation, or which lane.
    """

    opcode: Opcode
    type: Type | None
    operands: tuple[Type, ...] = ()
    variant: str = ""


def all_probes() -> Iterator[Probe]:
    """Every probe, in the order of the opcode table."""
    for opcode in OPCODES.values():
        if opcode.name not in _SKIPPED:
            yield from _of_opcode(opcode)


def _of_opcode(opcode: Opcode) -> Iterator[Probe]:
    for type_ in _controlling_types(opcode):
        for operands in product(*_open_choices(opcode, type_)):
            if _means_something(opcode, type_, operands):
                for variant in variants(opcode.name) or ("",):
                    yield Probe(opcode, type_, operands, variant)


def _controlling_types(opcode: Opcode) -> Sequence[Type | None]:
    if opcode.name in _ADDRESS_TYPED:
        return (I64,)
    if not opcode.polymorphic:
        return (None,)
    # No ISA has registers of more than 128 bits in Cranelift.
    return [t for t in map(types.by_name, opcode.ctrl_types) if t.bits <= 128]


def _open_choices(opcode: Opcode, type_: Type | None) -> list[list[Type]]:
    """Per operand that is open: its types."""
    address = address_operand(opcode)
    return [
        _types_of(constraint, type_)
        for index, constraint in enumerate(opcode.args)
        if constraint.kind in ("Free", "Narrower", "Wider") and index != address
    ]


def _types_of(constraint: Constraint, type_: Type | None) -> list[Type]:
    if constraint.kind == "Free":
        return [t for t in map(types.by_name, constraint.types) if t.bits <= 128]
    assert type_ is not None
    family = types.INTS if type_.is_int else types.FLOATS
    if constraint.kind == "Narrower":
        return [t for t in family if t.bits < type_.bits]
    return [t for t in family if t.bits > type_.bits]


def _means_something(opcode: Opcode, type_: Type | None, operands: Sequence[Type]) -> bool:
    if type_ is None or not operands:
        return True
    if opcode.name == "bitcast":
        return operands[0].bits == type_.bits
    if opcode.name == "x86_cvtt2dq":
        return (operands[0].lanes, operands[0].bits) == (type_.lanes, type_.bits)
    return opcode.name not in _LANEWISE or operands[0].lanes == type_.lanes


# --- the functions ---


def probe_text(probe: Probe) -> str:
    """CLIF of a function around the probe's instruction. Raises KeyError for impossible types."""
    params = _operand_types(probe)
    function = Function("probe", Signature(tuple(map(AbiParam, params))))
    builder = FunctionBuilder(function, OPCODES)
    builder.block = builder.create_block(params)
    make = _MAKERS.get(probe.opcode.format, _plain)
    make(builder, probe, builder.block.params)
    return print_function(function)


def _operand_types(probe: Probe) -> list[Type]:
    open_types = iter(probe.operands)
    address = address_operand(probe.opcode)
    return [
        I64
        if index == address
        else next(open_types)
        if constraint.kind in ("Free", "Narrower", "Wider")
        else resolve(constraint, probe.type)
        for index, constraint in enumerate(probe.opcode.args)
    ]


def _finish(builder: FunctionBuilder, results: Sequence[Value]) -> None:
    """Return the results, and say so in the signature."""
    builder.ins("return", *results)
    function = builder.function
    returns = tuple(AbiParam(value.type) for value in results)
    function.signature = Signature(function.signature.params, returns, function.signature.call_conv)


def _immediate(probe: Probe) -> int:
    if probe.variant == "last":
        assert probe.type is not None
        return probe.type.lanes - 1
    return 1 if probe.opcode.format is Format.UNARY_IMM else 0


def _plain(builder: FunctionBuilder, probe: Probe, args: Sequence[Value]) -> None:
    flags = MemFlags()
    if probe.opcode.name == "bitcast" and probe.type and probe.type.lanes != args[0].type.lanes:
        flags = MemFlags(endianness="little")
    inst = builder.ins(
        probe.opcode.name,
        *args,
        type=probe.type,
        imm=_immediate(probe),
        cond=probe.variant,
        rmw=probe.variant,
        trap="user1",
        flags=flags,
    )
    if not probe.opcode.is_terminator:
        _finish(builder, inst.results)


def _to(builder: FunctionBuilder) -> BlockCall:
    """A branch to a new block that returns."""
    here = builder.block
    builder.block = builder.create_block()
    _finish(builder, ())
    target, builder.block = builder.block, here
    return BlockCall(target)


def _jump(builder: FunctionBuilder, probe: Probe, args: Sequence[Value]) -> None:
    builder.ins("jump", targets=[_to(builder)])


def _branch(builder: FunctionBuilder, probe: Probe, args: Sequence[Value]) -> None:
    builder.ins(probe.opcode.name, *args, targets=[_to(builder), _to(builder)])


def _call(builder: FunctionBuilder, probe: Probe, args: Sequence[Value]) -> None:
    name = probe.opcode.name
    convention = "tail" if name.startswith("return_call") else "system_v"
    callee = Signature(call_conv=convention)
    builder.function.signature = Signature(builder.function.signature.params, call_conv=convention)
    ref = callee if name.endswith("indirect") else builder.external("callee", callee)
    targets = [_to(builder)] if name.startswith("try_call") else []
    builder.ins(name, *args, type=probe.type, ref=ref, targets=targets)
    if not probe.opcode.is_terminator:
        _finish(builder, ())


def _func_addr(builder: FunctionBuilder, probe: Probe, args: Sequence[Value]) -> None:
    ref = builder.external("callee", Signature())
    _finish(builder, builder.ins("func_addr", type=probe.type, ref=ref).results)


def _stack_addr(builder: FunctionBuilder, probe: Probe, args: Sequence[Value]) -> None:
    slot = builder.stack_slot(16)
    _finish(builder, builder.ins("stack_addr", type=probe.type, ref=slot).results)


def _global_value(builder: FunctionBuilder, probe: Probe, args: Sequence[Value]) -> None:
    tls = " tls" * (probe.opcode.name == "tls_value")
    symbol = GlobalValue(f"symbol colocated{tls} %symbol", symbol="symbol")
    builder.function.global_values.append(symbol)
    _finish(builder, builder.ins(probe.opcode.name, type=probe.type, ref=symbol).results)


_Maker = Callable[[FunctionBuilder, Probe, Sequence[Value]], None]
_MAKERS: Final[dict[Format, _Maker]] = {
    Format.JUMP: _jump,
    Format.BRIF: _branch,
    Format.BRANCH_TABLE: _branch,
    Format.CALL: _call,
    Format.CALL_INDIRECT: _call,
    Format.TRY_CALL: _call,
    Format.TRY_CALL_INDIRECT: _call,
    Format.FUNC_ADDR: _func_addr,
    Format.STACK_ADDR: _stack_addr,
    Format.UNARY_GLOBAL_VALUE: _global_value,
}
