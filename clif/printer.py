"""Prints functions as CLIF text.

Every polymorphic instruction is written with its controlling type: the reader could infer most of
them, but only where the operand is defined in the same block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from clif.floats import format_float
from clif.function import (
    Block,
    BlockCall,
    External,
    Function,
    GlobalValue,
    Handler,
    Inst,
    Signature,
    StackSlot,
    Value,
    format_name,
)
from clif.opcodes import Format
from clif.types import F16, F32, F64, F128


def print_function(function: Function) -> str:
    """Return the text of a function, which ends in a newline. Values keep their numbers."""
    return _Printer(function).text()


def print_functions(functions: Iterable[Function]) -> str:
    """Return the texts of functions, with a blank line between them."""
    return "\n".join(map(print_function, functions))


def signed(value: int, bits: int) -> int:
    """Return an integer modulo ``2**bits`` as the signed number that CLIF writes."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def format_offset(offset: int) -> str:
    """Return an offset as it follows an address: ``+8``, ``-8``, or nothing for 0."""
    return f"{offset:+d}" if offset else ""


def _join(values: Sequence[Value]) -> str:
    # By far the most instructions have one or two operands.
    if len(values) == 2:
        x, y = values
        return f"v{x.number}, v{y.number}"
    if len(values) == 1:
        return f"v{values[0].number}"
    return ", ".join([f"v{v.number}" for v in values])


def _target(target: BlockCall) -> str:
    if target.args:
        args = ", ".join([v if isinstance(v, str) else f"v{v.number}" for v in target.args])
        return f"block{target.block.number}({args})"
    return f"block{target.block.number}"


def _handler(handler: Handler) -> str:
    contexts = [f"context v{value.number}" for value in handler.contexts]
    word = "default" if handler.tag is None else f"tag{handler.tag}"
    return ", ".join([*contexts, f"{word}: {_target(handler.target)}"])


class _Printer:
    """Prints one function. It assigns the numbers of signatures and other entities."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.entity: dict[int, str] = {}
        self.signatures: list[Signature] = []

    def text(self) -> str:
        function = self.function
        body = [line for block in function.blocks for line in self._block(block)]
        lines = [
            f"function {format_name(function.name)}{function.signature} {{",
            *self._preamble(),
            *body,
            "}",
        ]
        return "\n".join(lines) + "\n"

    # --- the preamble: made after the body, which assigns numbers to signatures ---

    def _preamble(self) -> list[str]:
        function = self.function
        lines = [f"    ss{n} = {slot}" for n, slot in enumerate(function.stack_slots)]
        lines += [f"    region{n} = {text}" for n, text in enumerate(function.alias_regions)]
        lines += [f"    gv{n} = {gv.text}" for n, gv in enumerate(function.global_values)]
        externals = [
            f"    fn{n} = {'colocated ' * callee.colocated}{'patchable ' * callee.patchable}"
            f"{format_name(callee.name)} sig{self._signature(callee.signature)}"
            for n, callee in enumerate(function.externals)
        ]
        lines += [f"    sig{n} = {signature}" for n, signature in enumerate(self.signatures)]
        lines += externals
        if function.stack_limit is not None:
            lines.append(f"    stack_limit = {function.stack_limit}")
        return lines

    def _signature(self, signature: Signature) -> int:
        if signature not in self.signatures:
            self.signatures.append(signature)
        return self.signatures.index(signature)

    # --- blocks and instructions ---

    def _block(self, block: Block) -> list[str]:
        head = f"block{block.number}"
        if block.params:
            head += f"({', '.join(f'v{p.number}: {p.type.name}' for p in block.params)})"
        head += " cold:" if block.cold else ":"
        return [head, *map(self._inst, block.instructions)]

    def _inst(self, inst: Inst) -> str:
        opcode = inst.opcode
        head = opcode.name
        if opcode.polymorphic and inst.type is not None:
            head = f"{head}.{inst.type.name}"
        operands = _OPERANDS[opcode.format](self, inst)
        if inst.annotations is not None:
            return self._annotated(inst, head + operands)
        if inst.results:
            return f"    {_join(inst.results)} = {head}{operands}"
        return f"    {head}{operands}".rstrip()  # a return may have no operands

    def _annotated(self, inst: Inst, text: str) -> str:
        said = inst.annotations
        assert said is not None
        words = ["   "]
        if said.tags:
            tags = (str(tag) if isinstance(tag, int) else self._entity(tag) for tag in said.tags)
            words.append(f"<{', '.join(tags)}>")
        if said.location is not None:
            words.append(f"@{said.location:04x}")
        if inst.results:
            words.append(f"{_join(inst.results)} =")
        words.append(text.rstrip())
        if said.stack_map:
            entries = (f"{e.type} @ {self._entity(e.slot)}+{e.offset}" for e in said.stack_map)
            words[-1] += f", stack_map=[{', '.join(entries)}]"
        return " ".join(words)

    def name_of(self, inst: Inst) -> str:
        """Return the entity that an instruction names: ``ss0``, ``fn1``, ``gv0``, ``block2``."""
        ref = inst.ref
        if isinstance(ref, Signature):
            return f"sig{self._signature(ref)}"
        if isinstance(ref, Block):
            return f"block{ref.number}"
        return self._entity(ref)

    def _entity(self, ref: StackSlot | External | GlobalValue | None) -> str:
        function = self.function
        if not self.entity:
            for prefix, entities in (
                ("ss", function.stack_slots),
                ("fn", function.externals),
                ("gv", function.global_values),
            ):
                for number, entity in enumerate(entities):
                    self.entity[id(entity)] = f"{prefix}{number}"
        return self.entity[id(ref)]

    def exception_table(self, inst: Inst) -> str:
        if isinstance(inst.ref, Signature):
            signature = inst.ref
        else:
            assert isinstance(inst.ref, External)
            signature = inst.ref.signature
        handlers = ", ".join(map(_handler, inst.handlers))
        body = f" {handlers} " if handlers else ""
        return f"sig{self._signature(signature)}, {_target(inst.targets[0])}, [{body}]"


def _flags(inst: Inst) -> str:
    text = str(inst.flags)
    return f" {text}" if text else ""


def _values(_: _Printer, inst: Inst) -> str:
    return f" {_join(inst.args)}"


def _constant(_: _Printer, inst: Inst) -> str:
    if inst.opcode.name == "f128const":
        return f" {format_float(inst.imm, F128)}"
    assert inst.type is not None
    size = inst.type.bytes
    return f" 0x{inst.imm & ((1 << (8 * size)) - 1):0{2 * size}x}"


def _unary_imm(_: _Printer, inst: Inst) -> str:
    # The widest immediate is that of iconst.i64.
    return f" {signed(inst.imm, inst.type.bits if inst.type else 64)}"


def _store(_: _Printer, inst: Inst) -> str:
    value, address = inst.args
    return f"{_flags(inst)} {value}, {address}{format_offset(inst.offset)}"


def _branch_table(_: _Printer, inst: Inst) -> str:
    default, *rest = map(_target, inst.targets)
    return f" {inst.args[0]}, {default}, [{', '.join(rest)}]"


def _call_indirect(p: _Printer, inst: Inst) -> str:
    return f" {p.name_of(inst)}, {inst.args[0]}({_join(inst.args[1:])})"


def _try_call_indirect(p: _Printer, inst: Inst) -> str:
    return f" {inst.args[0]}({_join(inst.args[1:])}), {p.exception_table(inst)}"


_OPERANDS: dict[Format, Callable[[_Printer, Inst], str]] = {
    Format.ATOMIC_CAS: lambda p, i: f"{_flags(i)} {_join(i.args)}",
    Format.ATOMIC_RMW: lambda p, i: f"{_flags(i)} {i.rmw} {_join(i.args)}",
    Format.BINARY: _values,
    Format.BINARY_IMM8: lambda p, i: f" {i.args[0]}, {i.imm & 0xFF}",
    Format.BRANCH_TABLE: _branch_table,
    Format.BRIF: lambda p, i: f" {i.args[0]}, {_target(i.targets[0])}, {_target(i.targets[1])}",
    Format.CALL: lambda p, i: f" {p.name_of(i)}({_join(i.args)})",
    Format.CALL_INDIRECT: _call_indirect,
    Format.COND_TRAP: lambda p, i: f" {i.args[0]}, {i.trap}",
    Format.EXCEPTION_HANDLER_ADDRESS: lambda p, i: f" {p.name_of(i)}, {i.imm}",
    Format.FLOAT_COMPARE: lambda p, i: f" {i.cond} {_join(i.args)}",
    Format.FUNC_ADDR: lambda p, i: f" {p.name_of(i)}",
    Format.INT_ADD_TRAP: lambda p, i: f" {_join(i.args)}, {i.trap}",
    Format.INT_COMPARE: lambda p, i: f" {i.cond} {_join(i.args)}",
    Format.JUMP: lambda p, i: f" {_target(i.targets[0])}",
    Format.LOAD: lambda p, i: f"{_flags(i)} {i.args[0]}{format_offset(i.offset)}",
    Format.LOAD_NO_OFFSET: lambda p, i: f"{_flags(i)} {i.args[0]}",
    Format.MULTI_ARY: _values,
    Format.NULL_ARY: lambda p, i: "",
    Format.SHUFFLE: lambda p, i: f" {_join(i.args)}, 0x{i.imm & ((1 << 128) - 1):032x}",
    Format.STACK_ADDR: lambda p, i: f" {p.name_of(i)}{format_offset(i.offset)}",
    Format.STORE: _store,
    Format.STORE_NO_OFFSET: _store,
    Format.TERNARY: _values,
    Format.TERNARY_IMM8: lambda p, i: f" {_join(i.args)}, {i.imm & 0xFF}",
    Format.TRAP: lambda p, i: f" {i.trap}",
    Format.TRY_CALL: lambda p, i: f" {p.name_of(i)}({_join(i.args)}), {p.exception_table(i)}",
    Format.TRY_CALL_INDIRECT: _try_call_indirect,
    Format.UNARY: _values,
    Format.UNARY_CONST: _constant,
    Format.UNARY_GLOBAL_VALUE: lambda p, i: f" {p.name_of(i)}",
    Format.UNARY_IEEE16: lambda p, i: f" {format_float(i.imm, F16)}",
    Format.UNARY_IEEE32: lambda p, i: f" {format_float(i.imm, F32)}",
    Format.UNARY_IEEE64: lambda p, i: f" {format_float(i.imm, F64)}",
    Format.UNARY_IMM: _unary_imm,
}
