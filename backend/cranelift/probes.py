"""Probes: for every typed instruction, the smallest function that contains it.

Operands are the function's parameters, results are returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from backend.cranelift.opcodes import OPCODES
from clif import types
from clif.builder import FunctionBuilder
from clif.function import (
    AbiParam,
    BlockCall,
    Function,
    GlobalValue,
    Signature,
    Value,
)
from clif.opcodes import Format, Opcode
from clif.printer import print_function
from clif.typed_instructions import (
    LAST_LANE,
    InstructionName,
    TypedInstruction,
    typed_instructions,
)
from clif.types import Type

# No ISA has registers of more than 128 bits in Cranelift.
_TYPES: Final = tuple(type_ for type_ in types.ALL if type_.bits <= 128)

# These cannot stand in a function of one instruction, or ``clif`` cannot write them down.
_SKIPPED: Final = frozenset(
    {
        "dynamic_stack_addr",
        "extract_vector",
        "get_exception_handler_address",
        "stack_switch",
    }
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One variant of a typed instruction, to be tried alone.

    Attributes:
        variant: a condition code, an operation of ``atomic_rmw`` or a lane; empty for opcodes
            without any.
        name: what tables call it.
    """

    instruction: TypedInstruction
    variant: str
    name: InstructionName

    @property
    def opcode(self) -> Opcode:
        return self.instruction.opcode

    @property
    def type(self) -> Type | None:
        """The controlling type; None where the opcode has none."""
        return self.instruction.type


def all_probes(address: Type = types.I64) -> Iterator[Probe]:
    """Yield every probe, in the order of the opcode table.

    Args:
        address: the type of addresses.
    """
    for opcode in OPCODES.values():
        if opcode.name not in _SKIPPED:
            for instruction in typed_instructions(opcode, _TYPES, address):
                for name in instruction.names():
                    yield Probe(instruction, name[3], name)


# --- the functions ---


def probe_text(probe: Probe) -> str:
    """Return the CLIF text of a function around the probe's instruction."""
    params = probe.instruction.operands
    function = Function("probe", Signature(tuple(map(AbiParam, params))))
    builder = FunctionBuilder(function, OPCODES)
    builder.block = builder.create_block(params)
    make = _MAKERS.get(probe.opcode.format, _plain)
    make(builder, probe, builder.block.params)
    return print_function(function)


def _finish(builder: FunctionBuilder, results: Sequence[Value]) -> None:
    """Append a return of the results, and add them to the signature."""
    builder.ins("return", *results)
    function = builder.function
    returns = tuple(AbiParam(value.type) for value in results)
    function.signature = Signature(function.signature.params, returns, function.signature.call_conv)


def _immediate(probe: Probe) -> int:
    if probe.variant == LAST_LANE:
        assert probe.type is not None
        return probe.type.lanes - 1
    return 1 if probe.opcode.format is Format.UNARY_IMM else 0


def _plain(builder: FunctionBuilder, probe: Probe, args: Sequence[Value]) -> None:
    inst = builder.ins(
        probe.opcode.name,
        *args,
        type=probe.type,
        imm=_immediate(probe),
        cond=probe.variant,
        rmw=probe.variant,
        trap="user1",
        flags=probe.instruction.flags,
    )
    if not probe.opcode.is_terminator:
        _finish(builder, inst.results)


def _to(builder: FunctionBuilder) -> BlockCall:
    """Make a branch target: a new block that returns."""
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
