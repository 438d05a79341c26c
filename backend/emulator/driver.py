"""Drivers: for each signature, a loop over inputs that Cranelift itself compiles.

The driver loads the arguments of an input from a table, calls the function through the thunk,
stores the results into another table (``backend.emulator.tables``), and goes on with the next
input.

The driver also makes garbage of what the calling convention leaves undefined. A narrow integer is
reduced from 64 loaded bits, of which the host set only the lowest. An f32 or f64 is lane 0 of a
loaded vector. What the convention does define is checked: results that are to be extended are
stored with all 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.cranelift import edge_counters
from backend.cranelift.compiler import Functions, TargetIsa
from backend.emulator import control_block
from backend.emulator.guest_memory import (
    ARGUMENTS,
    DRIVERS,
    RESULTS,
    SLOTS,
    TABLE_SIZE,
    GuestMemory,
)
from backend.emulator.isa import Isa
from backend.emulator.tables import VALUE, columns
from backend.emulator.thunk import Thunk
from clif.function import AbiParam, Signature
from clif.outcome import Bytes, Words
from clif.types import F32, F64, I64, Type

_MOST_VALUES: Final = TABLE_SIZE // SLOTS // VALUE

#: Shared settings that change how arguments and results are passed, and that are off by default.
ABI_SETTINGS: Final = (
    "enable_llvm_abi_extensions",
    "enable_multi_ret_implicit_sret",
    "enable_pinned_reg",
)

_Settings = tuple[tuple[str, str], ...]


class SignatureError(ValueError):
    """No driver can be made for a signature."""


def abi_settings(settings: Mapping[str, str]) -> _Settings:
    """Return those of a case's settings that a driver depends on."""
    return tuple((name, settings.get(name, "false")) for name in ABI_SETTINGS)


@dataclass(frozen=True, slots=True)
class ExtendedResult:
    """A narrow result that the callee has to extend to 64 bits.

    Attributes:
        words: what the caller got, one 64-bit word for each slot.
        type: the narrow type.
    """

    number: int
    words: npt.NDArray[np.uint64]
    type: Type
    signed: bool

    def wrong(self, count: int) -> npt.NDArray[np.intp]:
        """Return the slots, of the first ``count``, that do not hold an extended value."""
        words, unused = self.words[:count], np.uint64(64 - self.type.bits)
        up = words << unused
        extended = (up.view(np.int64) >> unused.view(np.int64)) if self.signed else up >> unused
        return np.flatnonzero(extended.view(np.uint64) != words)

    def __str__(self) -> str:
        return f"result {self.number} is not {'sign' if self.signed else 'zero'}-extended"


class Driver:
    """The driver of one signature, and its view of the table of results.

    Attributes:
        address, size: of its code.
        checks_stack: the driver compares its own stack pointer, because the thunk cannot.
        extended: the results that are checked to be extended.
        param_types, return_types: of the signature.
        table: the table of results.
    """

    __slots__ = (
        "address",
        "checks_stack",
        "extended",
        "param_types",
        "return_types",
        "size",
        "table",
        "thunk",
    )

    def __init__(
        self,
        address: int,
        size: int,
        thunk: Thunk,
        signature: Signature,
        memory: GuestMemory,
        *,
        extends_results: bool,
    ) -> None:
        self.address = address
        self.size = size
        self.thunk = thunk
        self.checks_stack = not thunk.preserved.stack_pointer
        self.param_types = signature.param_types
        self.return_types = signature.return_types
        self.table = memory.results
        self.extended: list[ExtendedResult] = []
        if extends_results:
            self.extended = _extended(memory.results, signature)

    def holds(self, address: int) -> bool:
        """Return whether an address is in its code."""
        return self.address <= address < self.address + self.size

    def results(self, count: int) -> list[Words]:
        """Return the words of every result in the first ``count`` rows of the table, copied."""
        used = count * VALUE * len(self.return_types)
        return columns(self.table[:used].copy(), self.return_types, count)


def _extended(table: Bytes, signature: Signature) -> list[ExtendedResult]:
    row = VALUE * len(signature.returns)
    found = []
    for number, result in enumerate(signature.returns):
        if is_extended(result):
            words = np.ndarray((SLOTS,), np.uint64, table.data, VALUE * number, (row,))
            signed = result.extension == "sext"
            found.append(ExtendedResult(number, words, result.type, signed))
    return found


class Drivers:
    """The drivers of one engine, compiled when they are first needed.

    Args:
        isa: what they are compiled for.
        memory: where they are placed.
        thunk: returns the thunk of a calling convention; its second argument says whether a
            register is pinned.
    """

    def __init__(self, isa: Isa, memory: GuestMemory, thunk: Callable[[str, bool], Thunk]) -> None:
        self.isa = isa
        self.memory = memory
        self.thunk = thunk
        self.position = 0
        self.known: dict[tuple[Signature, _Settings], Driver] = {}
        self.targets: dict[_Settings, TargetIsa] = {}

    def get(self, signature: Signature, settings: Mapping[str, str]) -> Driver:
        """Return the driver for a signature.

        Raises:
            SignatureError: it has too many parameters or results.
            ConventionError: its calling convention is not described.
            CompileError, CompilerPanic: Cranelift cannot compile a call of such a function.
        """
        key = signature, abi_settings(settings)
        driver = self.known.get(key)
        if driver is None:
            driver = self.known[key] = self._make(*key)
        return driver

    def _make(self, signature: Signature, settings: _Settings) -> Driver:
        if max(len(signature.params), len(signature.returns)) > _MOST_VALUES:
            raise SignatureError(f"more than {_MOST_VALUES} parameters or results")
        thunk = self.thunk(signature.call_conv, ("enable_pinned_reg", "true") in settings)
        extends = self.isa.convention(signature.call_conv).extends_results
        text = driver_text(signature, thunk, extends_results=extends)
        with edge_counters.uncounted():
            (compiled,) = Functions(text).compile(self._target(settings))
        code = compiled.code
        address = self._place(code)
        return Driver(address, len(code), thunk, signature, self.memory, extends_results=extends)

    def _target(self, settings: _Settings) -> TargetIsa:
        target = self.targets.get(settings)
        if target is None:
            # An optimiser might remove the garbage from the arguments.
            shared = {**dict(settings), "opt_level": "none", "enable_verifier": "false"}
            target = self.targets[settings] = TargetIsa(self.isa.triple, shared, {})
        return target

    def _place(self, code: bytes) -> int:
        if self.position + len(code) > len(self.memory.drivers):
            self.position = 0
            self.known.clear()
            self.memory.mappings.drop_translations()
        start = self.position
        self.memory.drivers[start : start + len(code)] = np.frombuffer(code, np.uint8)
        self.position = -(-(start + len(code)) // 16) * 16
        return DRIVERS + start


def driver_text(signature: Signature, thunk: Thunk, *, extends_results: bool) -> str:
    """Return the driver in CLIF, which calls the function through this thunk.

    Args:
        extends_results: the driver takes results that are extended as i64, so that it sees all of
            their bits. They are at the same place as those of the narrow type.
    """
    if extends_results:
        returns = tuple(AbiParam(I64) if is_extended(r) else r for r in signature.returns)
        signature = replace(signature, returns=returns)
    return _DriverText(signature, thunk).text()


def is_extended(param: AbiParam) -> bool:
    """Return whether a parameter or result is a narrow integer that is to be extended."""
    return param.extension is not None and param.type.is_int and param.type.bits < 64


class _DriverText:
    """The CLIF of one driver, line by line."""

    def __init__(self, signature: Signature, thunk: Thunk) -> None:
        self.signature = signature
        self.thunk = thunk
        self.values = 0
        self.lines: list[str] = []

    def emit(self, instruction: str) -> str:
        """Append an instruction with one result and return the result's name."""
        name = f"v{self.values}"
        self.values += 1
        self.lines.append(f"    {name} = {instruction}")
        return name

    def fresh(self) -> str:
        self.values += 1
        return f"v{self.values - 1}"

    def text(self) -> str:
        # No value lives across the call. The loop loads again what it needs, so that the driver
        # uses no callee-saved registers and the thunk need not save them.
        self.lines += ["function %driver() system_v {", f"    sig0 = {self.signature}"]
        self.lines += ["block0:", "    jump block1", "block1:"]
        self._call()
        self._advance()
        self.lines += ["block2:", "    return", "}"]
        return "\n".join(self.lines) + "\n"

    def _call(self) -> None:
        row = self._row(ARGUMENTS, len(self.signature.params))
        operands = [self._argument(p, row, n) for n, p in enumerate(self.signature.params)]
        thunk = self._constant(self.thunk.address)
        compared = not self.thunk.preserved.stack_pointer
        if compared:
            place = self._constant(control_block.address(control_block.DRIVER_STACK))
            self.lines.append(f"    store notrap aligned {self._stack_pointer()}, {place}")
        returned = [self.fresh() for _ in self.signature.returns]
        call = f"call_indirect sig0, {thunk}({', '.join(operands)})"
        self.lines.append(f"    {', '.join(returned)} = {call}" if returned else f"    {call}")
        if compared:
            off = self.emit(
                f"bxor {self._stack_pointer()}, {self._word(control_block.DRIVER_STACK)}"
            )
            self.lines.append(f"    trapnz {off}, user1")
        row = self._row(RESULTS, len(returned))
        for number, value in enumerate(returned):
            self.lines.append(f"    store notrap aligned {value}, {row}+{VALUE * number}")

    def _stack_pointer(self) -> str:
        return self.emit("get_stack_pointer.i64")

    def _word(self, word: int) -> str:
        return self.emit(f"load.i64 notrap aligned {self._constant(control_block.address(word))}")

    def _constant(self, value: int) -> str:
        return self.emit(f"iconst.i64 {value}")

    def _row(self, table: int, columns: int) -> str:
        """Return the address of the current input's row in a table."""
        size = self._constant(VALUE * columns)
        offset = self.emit(f"imul {self._word(control_block.POSITION)}, {size}")
        return self.emit(f"iadd {offset}, {self._constant(table)}")

    def _advance(self) -> None:
        following = self.emit(f"iadd {self._word(control_block.POSITION)}, {self._constant(1)}")
        position = self._constant(control_block.address(control_block.POSITION))
        self.lines.append(f"    store notrap aligned {following}, {position}")
        more = self.emit(f"icmp ult {following}, {self._word(control_block.END)}")
        self.lines.append(f"    brif {more}, block1, block2")

    def _argument(self, param: AbiParam, row: str, number: int) -> str:
        type_, place = param.type, f"{row}+{VALUE * number}"
        if type_.is_int and type_.bits < 64 and not type_.is_vector and param.extension is None:
            return self.emit(f"ireduce.{type_} {self.emit(f'load.i64 notrap aligned {place}')}")
        if type_ in (F32, F64):
            vector = type_.by(128 // type_.bits)
            loaded = self.emit(f"load.{vector} notrap aligned {place}")
            return self.emit(f"extractlane.{vector} {loaded}, 0")
        return self.emit(f"load.{type_} notrap aligned {place}")
