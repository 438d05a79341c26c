"""Has functions refer to symbols: constants become loads of data, calls go through addresses in it.

What the functions do stays the same, so that the interpreter need not know symbols. Each choice is
made by what is replaced alone, not by its place: when a case is minimised, other choices stay.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from zlib import crc32

from backend.cranelift.modules import ModuleData
from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import Block, External, Function, GlobalValue, Inst, MemFlags, Value
from clif.types import I64

T = TypeVar("T")
#: Constants lie in so many data symbols; these are their names.
_CONSTANTS: Final = tuple(f"module_constants{number}" for number in range(6))
#: Those that can be written: their section is another one.
_WRITABLE: Final = frozenset(_CONSTANTS[::2])
#: Data that is all zeros, which takes no place in a file.
_ZEROS: Final = "module_zeros"
#: Thread-local data: with values in a file, and all zeros.
_THREAD, _THREAD_ZEROS = "module_thread", "module_thread_zeros"
#: The data with the addresses of functions, and that with the addresses of data.
_FUNCTIONS, _POINTERS = "module_functions", "module_pointers"
#: The names of data that is thread-local, and of all data that may be added.
THREAD_NAMES: Final = frozenset({_THREAD, _THREAD_ZEROS})
DATA_NAMES: Final = frozenset({*_CONSTANTS, _ZEROS, _THREAD, _THREAD_ZEROS, _FUNCTIONS, _POINTERS})
_OPCODES: Final = ("iconst", "f32const", "f64const", "vconst")
#: What is added to a symbol, and taken off again by the load. Some are not multiples of 8.
_OFFSETS: Final = (0, 0, 8, -8, 16, 1, -3, 4096, -4096, 0x12340)
_SLOT: Final = 16
_SAVES_ALL: Final = "preserve_all"
_WORD: Final = 8
_FLAGS: Final = MemFlags(trap=None)


@dataclass(frozen=True, slots=True)
class SymbolForms:
    """Which references to symbols a module may have.

    Attributes:
        may_be_near: whether a function may refer to a symbol as one that is near; by their names.
        near_offsets: whether it may do so with an offset.
        thread_local: whether data may be thread-local.
        thread_zeros: whether such data may be all zeros.
    """

    may_be_near: Callable[[str, str], bool]
    near_offsets: bool = True
    thread_local: bool = False
    thread_zeros: bool = True


@dataclass(slots=True)
class ModuleSource:
    """Functions that refer to symbols, and the data of the symbols.

    Attributes:
        undefined: the names that are referred to, and that are neither of these.
    """

    functions: list[Function]
    data: list[ModuleData]
    undefined: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Data:
    """The data of one symbol while it grows."""

    contents: bytearray = field(default_factory=bytearray)
    addresses: list[tuple[int, str, int]] = field(default_factory=list)
    known: dict[tuple[object, ...], int] = field(default_factory=dict)

    def place(self, key: tuple[object, ...], contents: bytes) -> int:
        """Return where something lies, appended if it is new."""
        if key not in self.known:
            self.known[key] = len(self.contents)
            self.contents += contents.ljust(_SLOT, b"\0")
        return self.known[key]

    def place_address(self, name: str, addend: int) -> int:
        """Return where the address of a symbol lies."""
        known = (name, addend)
        at = self.place(known, b"")
        entry = at, name, addend
        if entry not in self.addresses:
            self.addresses.append(entry)
        return at


def with_symbols(functions: Sequence[Function], forms: SymbolForms) -> ModuleSource:
    """Return copies of functions that do the same, with references to symbols."""
    copies = [function.clone() for function in functions]
    rewriter = _Rewriter(forms, frozenset(function.name for function in functions))
    for function in copies:
        rewriter.rewrite(function)
    data = [rewriter.module_data(name) for name in rewriter.data]
    known = {function.name for function in functions} | set(rewriter.data)
    return ModuleSource(copies, data, frozenset(referred_names(copies)) - known)


def referred_names(functions: Sequence[Function]) -> Iterator[str]:
    """Yield the names of functions and symbols that functions refer to."""
    for function in functions:
        yield from (external.name for external in function.externals)
        yield from (v.symbol.lstrip("%") for v in function.global_values if v.symbol is not None)


class _Rewriter:
    """Rewrites the functions of one module."""

    def __init__(self, forms: SymbolForms, defined: frozenset[str]) -> None:
        self.forms = forms
        self.defined = defined
        self.data: dict[str, _Data] = {}

    def module_data(self, name: str) -> ModuleData:
        data, thread_local = self.data[name], name in THREAD_NAMES
        contents = bytes(data.contents)
        if thread_local and not self.forms.thread_zeros and not any(contents):
            contents += b"\1"
        return ModuleData(
            name,
            contents,
            writable=thread_local or name in _WRITABLE or name == _ZEROS,
            thread_local=thread_local,
            addresses=data.addresses,
        )

    def rewrite(self, function: Function) -> None:
        self.function = function
        self.builder = FunctionBuilder(function, OPCODES)
        for external in function.externals:
            if external.colocated and not self._near(external.name):
                external.colocated = False
        for value in function.global_values:
            if value.symbol is not None and not self._near(value.symbol.lstrip("%")):
                value.text = value.text.replace("colocated ", "")
        for block in function.blocks:
            self._rewrite_block(block)

    def _near(self, name: str) -> bool:
        return self.forms.may_be_near(self.function.name, name)

    def _rewrite_block(self, block: Block) -> None:
        old, block.instructions = block.instructions, []
        self.builder.block = block
        for inst in old:
            if _is_constant(inst):
                self._constant(inst)
            elif self._is_called_by_address(inst):
                self._call(inst)
            block.instructions.append(inst)

    # --- constants ---

    def _constant(self, inst: Inst) -> None:
        """Turn an instruction into a load, behind what computes the address."""
        type_ = inst.results[0].type
        bits = inst.imm & ((1 << type_.bits) - 1)
        choice = _choice(inst.opcode.name, type_.name, bits)
        if choice.below(4) == 0:
            return
        if self._may_call() and choice.below(4) == 0:
            self._thread_local(inst, bits, choice)
            return
        name = choice.of(_CONSTANTS) if bits or choice.below(2) else _ZEROS
        at = self._place(name, (type_.name, bits), bits.to_bytes(type_.bytes, "little"))
        offset = choice.of(_OFFSETS)
        if choice.below(4) == 0:
            address, remaining = self._through_pointer(name, at + offset, choice), -offset
        elif choice.below(2):
            address, remaining = self._symbol(name, at + offset, choice), -offset
        else:
            address, remaining = self._symbol(name, offset, choice), at - offset
        _become_load(inst, address, remaining)

    def _may_call(self) -> bool:
        """Return whether a constant may be thread-local: most code for that makes a call.

        Not every ISA compiles calls of such functions: docs/findings.md, preserve-all-call-vectors.
        """
        return self.forms.thread_local and self.function.signature.call_conv != _SAVES_ALL

    def _thread_local(self, inst: Inst, bits: int, choice: _Choice) -> None:
        """Turn a constant into a load of thread-local data.

        The symbol has no offset: Cranelift ignores it (docs/findings.md, tls-offset).
        """
        type_ = inst.results[0].type
        name = _THREAD if bits or choice.below(2) else _THREAD_ZEROS
        at = self._place(name, (type_.name, bits), bits.to_bytes(type_.bytes, "little"))
        near = "colocated " * (choice.below(2) == 0 and self._near(name))
        address = self._value_of("tls_value", f"symbol {near}tls %{name}", name, 0)
        _become_load(inst, address, at)

    def _through_pointer(self, name: str, addend: int, choice: _Choice) -> Value:
        at = self.data.setdefault(_POINTERS, _Data()).place_address(name, addend)
        table = self._symbol(_POINTERS, at, choice)
        return self.builder.ins("load", table, type=I64, flags=_FLAGS).result

    def _place(self, name: str, key: tuple[object, ...], contents: bytes) -> int:
        return self.data.setdefault(name, _Data()).place(key, contents)

    def _symbol(self, name: str, offset: int, choice: _Choice) -> Value:
        near = choice.below(2) == 0 and self._near(name)
        near = near and (self.forms.near_offsets or not offset)
        text = f"symbol {'colocated ' * near}%{name}{f'{offset:+}' if offset else ''}"
        return self._value_of("symbol_value", text, name, offset)

    def _value_of(self, opcode: str, text: str, name: str, offset: int) -> Value:
        """Emit an instruction on a global value, which is declared if it is new."""
        known = self.function.global_values
        symbol = next((value for value in known if value.text == text), None)
        if symbol is None:
            symbol = GlobalValue(text, symbol=name, offset=offset)
            known.append(symbol)
        return self.builder.ins(opcode, type=I64, ref=symbol).result

    # --- calls ---

    def _is_called_by_address(self, inst: Inst) -> bool:
        callee = inst.ref
        return (
            inst.opcode.name == "call"
            and isinstance(callee, External)
            and callee.name in self.defined
            and not callee.patchable
            and _choice("call", callee.name).below(3) == 0
        )

    def _call(self, inst: Inst) -> None:
        callee = inst.ref
        assert isinstance(callee, External)
        at = self.data.setdefault(_FUNCTIONS, _Data()).place_address(callee.name, 0)
        choice = _choice("address", callee.name)
        table = self._symbol(_FUNCTIONS, at, choice)
        address = self.builder.ins("load", table, type=I64, flags=_FLAGS).result
        inst.opcode, inst.type, inst.ref = OPCODES["call_indirect"], I64, callee.signature
        inst.args = [address, *inst.args]


def _become_load(inst: Inst, address: Value, offset: int) -> None:
    inst.opcode, inst.imm, inst.type = OPCODES["load"], 0, inst.results[0].type
    inst.args, inst.flags, inst.offset = [address], _FLAGS, offset


def _is_constant(inst: Inst) -> bool:
    if inst.opcode.name not in _OPCODES:
        return False
    type_ = inst.results[0].type
    # Not every ISA can load smaller vectors.
    return not type_.is_vector or type_.bytes == _SLOT


@dataclass(slots=True)
class _Choice:
    """Numbers that depend on what they are drawn for, and on nothing else."""

    state: int

    def below(self, count: int) -> int:
        self.state = crc32(struct.pack("<I", self.state))
        return self.state % count

    def of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]


def _choice(*what: object) -> _Choice:
    return _Choice(crc32(" ".join(map(str, what)).encode()))
