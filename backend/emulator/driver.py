"""Drivers: loops over inputs that Cranelift itself compiles.

The driver loads the arguments of an input from a table, calls the function through the thunk,
stores the results into another table (``backend.emulator.tables``), and goes on with the next
input.

Signatures that pass everything in registers share drivers
(``backend.emulator.register_signature``). For every other signature one is compiled.

The driver also makes garbage of what the calling convention leaves undefined. A narrow integer is
reduced from 64 loaded bits, of which the host set only the lowest. An f32 or f64 is lane 0 of a
loaded vector, unless there must be no garbage above it. What the convention does define is checked:
results that are to be extended are stored with all 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.cranelift import edge_counters
from backend.cranelift.compiler import Functions, TargetIsa
from backend.emulator.driver_text import driver_text, is_extended
from backend.emulator.guest_memory import (
    DRIVERS,
    SLOTS,
    TABLE_SIZE,
    GuestMemory,
)
from backend.emulator.isa import Isa
from backend.emulator.register_signature import register_signature
from backend.emulator.tables import VALUE, Layout, Place, columns, extended, native
from backend.emulator.thunk import Thunk
from clif.function import AbiParam, Signature
from clif.outcome import Bytes, Words
from clif.types import I64

_MOST_VALUES: Final = TABLE_SIZE // SLOTS // VALUE

_PINNED: Final = "enable_pinned_reg"
#: Shared settings that change how arguments and results are passed, and that are off by default.
ABI_SETTINGS: Final = (
    "enable_llvm_abi_extensions",
    "enable_multi_ret_implicit_sret",
    _PINNED,
)

#: So many signatures are remembered. It takes little to find their drivers again.
_MOST_KNOWN: Final = 4096

_Settings = tuple[tuple[str, str], ...]


class SignatureError(ValueError):
    """No driver can be made for a signature."""


def abi_settings(settings: Mapping[str, str], vector_flags: Sequence[str] = ()) -> _Settings:
    """Return those of a case's settings that a driver depends on.

    Args:
        vector_flags: the ISA flags without which some vectors are not passed.
    """
    names = (*ABI_SETTINGS, *vector_flags)
    return tuple((name, settings.get(name, "false")) for name in names)


def _in_registers(settings: _Settings) -> _Settings:
    """Return settings without those that only matter for what is not in a register of its own."""
    return tuple((n, value if n == _PINNED else "false") for n, value in settings)


@dataclass(frozen=True, slots=True)
class ExtendedResult:
    """A narrow result that the callee has to extend to a word of the ISA.

    Attributes:
        bits: of such a word.
        words: what the caller got, one 64-bit word for each slot.
        narrow: the words of the narrow type among them.
    """

    number: int
    words: npt.NDArray[np.uint64]
    narrow: Words
    result: AbiParam
    bits: int

    def wrong(self, count: int) -> npt.NDArray[np.intp]:
        """Return the slots, of the first ``count``, that do not hold an extended value."""
        whole = extended(native(self.narrow[:count]), self.result)
        return np.flatnonzero((whole ^ self.words[:count]) & np.uint64((1 << self.bits) - 1))

    def __str__(self) -> str:
        signed = self.result.extension == "sext"
        return f"result {self.number} is not {'sign' if signed else 'zero'}-extended"


@dataclass(frozen=True, slots=True)
class _Code:
    """The code of a driver.

    Attributes:
        address, size: where it lies.
        thunk: what it calls the function through.
        word_bits: of a word of the ISA.
    """

    address: int
    size: int
    thunk: Thunk
    word_bits: int


class Driver:
    """The driver of one signature, and its view of the table of results.

    Attributes:
        address, size: of its code, which other signatures may share.
        checks_stack: the driver compares its own stack pointer, because the thunk cannot.
        params: where in the table of arguments the driver finds them.
        returns: where in the table of results it leaves them.
        extended: the results that are checked to be extended.
        table: the table of results.
    """

    __slots__ = (
        "address",
        "checks_stack",
        "extended",
        "params",
        "returns",
        "size",
        "table",
        "thunk",
    )

    def __init__(self, code: _Code, params: Layout, returns: Layout, memory: GuestMemory) -> None:
        self.address = code.address
        self.size = code.size
        self.thunk = code.thunk
        self.checks_stack = not code.thunk.preserved.stack_pointer
        self.params = params
        self.returns = returns
        self.table = memory.results
        self.extended = [
            _extended_result(self.table, returns, number, code.word_bits)
            for number, place in enumerate(returns.places)
            if place.extended
        ]

    def holds(self, address: int) -> bool:
        """Return whether an address is in its code."""
        return self.address <= address < self.address + self.size

    def results(self, count: int) -> list[Words]:
        """Return the words of every result in the first ``count`` rows of the table, copied."""
        used = count * VALUE * self.returns.columns
        found = columns(self.table[:used].copy(), self.returns, count)
        return [native(words) for words in found]


def _extended_result(table: Bytes, returns: Layout, number: int, bits: int) -> ExtendedResult:
    place = returns.places[number]
    words = returns.view(table, place, I64, SLOTS)[:, 0]
    narrow = returns.view(table, place, place.param.type, SLOTS)[:, 0]
    return ExtendedResult(number, words, narrow, place.param, bits)


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
        self.word_bits = 8 * isa.pointer_bytes
        self.position = 0
        self.known: dict[tuple[Signature, _Settings], Driver] = {}
        self.codes: dict[tuple[Signature, _Settings], _Code] = {}
        self.targets: dict[_Settings, TargetIsa] = {}
        self.last: tuple[Signature, _Settings, Driver] | None = None

    def get(self, signature: Signature, settings: Mapping[str, str]) -> Driver:
        """Return the driver for a signature.

        Raises:
            SignatureError: it has too many parameters or results.
            ConventionError: its calling convention is not described.
            CompileError, CompilerPanic: Cranelift cannot compile a call of such a function.
        """
        abi, last = abi_settings(settings, self.isa.vector_flags), self.last
        # A case is run in several configurations, and hashing a signature takes long.
        if last is not None and last[0] is signature and last[1] == abi:
            return last[2]
        driver = self.known.get((signature, abi))
        if driver is None:
            driver = self._make(signature, abi)
            if len(self.known) >= _MOST_KNOWN:
                self.known.clear()
            self.known[signature, abi] = driver
        self.last = signature, abi, driver
        return driver

    def _make(self, signature: Signature, settings: _Settings) -> Driver:
        convention = self.isa.convention(signature.call_conv)
        extends = convention.extends_results
        order, floats = self.isa.byte_order, self.isa.float_order
        shared = register_signature(
            convention,
            signature,
            order,
            floats,
            extends_results=extends,
            word_bits=self.word_bits,
        )
        if shared is not None:
            code = self._code(shared.signature, _in_registers(settings))
            return Driver(code, shared.params, shared.returns, self.memory)
        if max(len(signature.params), len(signature.returns)) > _MOST_VALUES:
            raise SignatureError(f"more than {_MOST_VALUES} parameters or results")
        places = [
            Place(
                r,
                n,
                extended=extends and is_extended(r, self.word_bits),
                byte_order=self.isa.order_of(r.type),
            )
            for n, r in enumerate(signature.returns)
        ]
        returns = Layout(len(places), tuple(places))
        params = Layout.in_order(signature.params, order, floats)
        return Driver(self._code(signature, settings), params, returns, self.memory)

    def _code(self, signature: Signature, settings: _Settings) -> _Code:
        """Return the code of a driver that calls functions of exactly this signature."""
        key = signature, settings
        code = self.codes.get(key)
        if code is None:
            code = self._compile(signature, settings)
            self.codes[key] = code
        return code

    def _compile(self, signature: Signature, settings: _Settings) -> _Code:
        thunk = self.thunk(signature.call_conv, (_PINNED, "true") in settings)
        convention = self.isa.convention(signature.call_conv)
        text = driver_text(
            signature,
            thunk,
            self.isa,
            extends_results=convention.extends_results,
            boxed_floats=convention.boxed_floats,
        )
        with edge_counters.uncounted():
            (compiled,) = Functions(text).compile(self._target(settings))
        code = compiled.code
        return _Code(self._place(code), len(code), thunk, self.word_bits)

    def _target(self, settings: _Settings) -> TargetIsa:
        target = self.targets.get(settings)
        if target is None:
            # An optimiser might remove the garbage from the arguments.
            flags = {name: v for name, v in settings if name in self.isa.vector_flags}
            shared = {name: v for name, v in settings if name not in flags}
            shared |= {"opt_level": "none", "enable_verifier": "false"}
            target = self.targets[settings] = TargetIsa(self.isa.triple, shared, flags)
        return target

    def _place(self, code: bytes) -> int:
        if self.position + len(code) > len(self.memory.drivers):
            self.position = 0
            self.known.clear()
            self.codes.clear()
            self.last = None
            self.memory.mappings.drop_translations()
        start = self.position
        self.memory.drivers[start : start + len(code)] = np.frombuffer(code, np.uint8)
        self.position = -(-(start + len(code)) // 16) * 16
        return DRIVERS + start
