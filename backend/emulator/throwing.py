"""Throws exceptions for the code under test, as the runtime does that it is compiled for.

The functions that throw (``clif.throwing``) are compiled by Cranelift like those of a case. They
leave the exception in the control block and call an address at which the machine stops and has
``Unwinder`` called. It walks the frames, reads the exception tables of the calls that it finds
(``Compiled.handler_sites``) and has the machine go on at the handler. If there is none, the
function that throws traps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from backend.cranelift import edge_counters
from backend.cranelift.compiler import Functions, TargetIsa
from backend.emulator import control_block
from backend.emulator.call_frames import UnwindError
from backend.emulator.guest_memory import address_map, garbage
from backend.emulator.isa import Isa
from backend.emulator.linker import Compiled, Linked
from backend.emulator.machine import Machine
from backend.emulator.unwinder import THROWING, Landing, ThrowError, Throwing, Unwinder
from clif.throwing import PAYLOAD, UNCAUGHT, thrower, thrower_named
from clif.types import I32, I64, Type

#: What the reason begins with if frames cannot be walked.
UNWINDING: Final = "unwinding"
_WORDS: Final = 4
_ABOVE: Final = 0xC7A4_19E6
_PINNED: Final = "enable_pinned_reg"
_LINKED: Final = "preserve_frame_pointers"


class Throwers:
    """What throws for the programs of one executor.

    Args:
        isa: whose code it is.
        machine: that runs it.
    """

    def __init__(self, isa: Isa, machine: Machine) -> None:
        self.isa = isa
        self.machine = machine
        self.throwing = THROWING.of_any(isa)
        self.known: dict[tuple[str, tuple[tuple[str, str], ...]], Compiled] = {}
        self.unwinder: Unwinder | None = None
        self.catching = False

    def complete(
        self, program: Sequence[Compiled], settings: Mapping[str, str]
    ) -> Sequence[Compiled]:
        """Return a program with the functions that throw which it calls and does not define.

        Raises:
            ThrowError: it calls some, and they cannot be answered.
            CompileError, CompilerPanic: Cranelift cannot compile one.
        """
        needed = self._needed(program)
        if not needed:
            return program
        if self.throwing is None:
            raise ThrowError("exceptions cannot be thrown on this ISA")
        if not all(hasattr(compiled, "handler_sites") for compiled in program):
            raise ThrowError("exceptions cannot be thrown through code without exception tables")
        if any(thrower(self._convention(name), self._word()).name != name for name in needed):
            raise ThrowError("the words of an exception do not have the size of an address")
        if settings.get("unwind_info") == "false":
            raise ThrowError("exceptions cannot be thrown without unwind_info")
        if not self.catching:
            self.machine.catch(self._throw)
            self.catching = True
        return [*program, *(self._compiled(name, settings) for name in needed)]

    def begin(self, linked: Linked, bottom: range, settings: Mapping[str, str]) -> None:
        """Prepare for a run.

        Args:
            bottom: the addresses of the code that has called main.
        """
        if self.catching and self.throwing is not None:
            self.unwinder = Unwinder(
                self.isa,
                self.throwing,
                self.machine,
                linked,
                bottom,
                pinned=self.isa.pinned if settings.get(_PINNED) == "true" else "",
                is_linked=settings.get(_LINKED) == "true",
            )

    def _needed(self, program: Sequence[Compiled]) -> list[str]:
        defined = {compiled.name for compiled in program}
        targets = {target for compiled in program for _, _, target, _ in compiled.relocations}
        names = {target[1:] for target in targets if target.startswith("%throw")} - defined
        return sorted(name for name in names if self._convention(name))

    def _convention(self, name: str) -> str:
        found = thrower_named(name)
        convention = "" if found is None else found.signature.call_conv
        return convention if convention in self.isa.conventions else ""

    def _word(self) -> Type:
        """Return the type of addresses."""
        return I32 if self.isa.pointer_bytes == 4 else I64

    def _compiled(self, name: str, settings: Mapping[str, str]) -> Compiled:
        kept = (_PINNED, *self.isa.vector_flags)
        chosen = tuple((each, settings[each]) for each in kept if each in settings)
        found = self.known.get((name, chosen))
        if found is None:
            text = throwing_text(self._convention(name), self._word())
            with edge_counters.uncounted():
                (found,) = Functions(text).compile(self._target(dict(chosen)))
            self.known[name, chosen] = found
        return found

    def _target(self, chosen: dict[str, str]) -> TargetIsa:
        flags = {name: v for name, v in chosen.items() if name in self.isa.vector_flags}
        shared = {name: v for name, v in chosen.items() if name not in flags}
        shared |= {"opt_level": "none", _LINKED: "true"}
        return TargetIsa(self.isa.triple, shared, flags)

    def _throw(self) -> None:
        """Answer the call of a function that throws."""
        assert self.unwinder is not None
        machine, first = self.machine, control_block.THROWN
        words = [int(word) for word in machine.memory.control[first : first + _WORDS]]
        try:
            landing = self.unwinder.find(words)
            if landing is None:
                machine.go_on(*self._return())
            else:
                found = self._registers(landing, words[-PAYLOAD:])
                machine.go_on(landing.address, found, self.garbage)
        except UnwindError as error:
            machine.refuse(f"{UNWINDING}: {error}")

    def _return(self) -> tuple[int, dict[str, int]]:
        """Return where the function that throws goes on to trap, and with which stack pointer."""
        assert self.unwinder is not None
        isa, pointer = self.isa, self.machine.register(self.isa.stack_pointer)
        if isa.return_register:
            return self.machine.register(isa.return_register), {isa.stack_pointer: pointer}
        back = self.unwinder.frames.word(pointer)
        return back, {isa.stack_pointer: pointer + isa.pointer_bytes}

    def _registers(self, landing: Landing, payload: Sequence[int]) -> dict[str, int]:
        """Return what a handler finds; there is garbage in all other registers."""
        assert self.unwinder is not None
        isa, throwing = self.isa, self.unwinder.throwing
        names = [*throwing.widened(landing.preserved)]
        if self.unwinder.pinned:
            names.append(self.unwinder.pinned)
        registers = {}
        for name in names:
            value = landing.registers.get(name)
            registers[name] = self.machine.register(name) if value is None else value
        if landing.has_payload:
            registers |= zip(throwing.payload, map(self._undefined_above, payload), strict=True)
        registers[isa.stack_pointer] = landing.stack_pointer
        if isa.frame_pointer:
            registers[isa.frame_pointer] = landing.frame_pointer
        return dict(self._whole(throwing, name, value) for name, value in registers.items())

    def _undefined_above(self, word: int) -> int:
        """Return a word with garbage in what is above it in its register."""
        bits = 8 * self.isa.pointer_bytes
        return word | (_ABOVE << bits & (1 << 64) - 1)

    def _whole(self, throwing: Throwing, name: str, value: int) -> tuple[str, int]:
        """Return the register that a part belongs to, with garbage in the rest of it."""
        wide = throwing.wide.get(name)
        if wide is None:
            return name, value
        part = (1 << 64) - 1 << throwing.wide_shift
        return wide, self.garbage[wide] & ~part | value << throwing.wide_shift

    @cached_property
    def garbage(self) -> Mapping[str, int]:
        """What handlers find in registers that they may not rely on."""
        assert self.throwing is not None
        return dict(_garbage(self.throwing))


def throwing_text(convention: str, word: Type = I64) -> str:
    """Return a function that throws in CLIF.

    Args:
        word: the type of addresses.
    """
    found, place = thrower(convention, word), control_block.address(control_block.THROWN)
    params = ", ".join(f"v{n}: {word}" for n in range(_WORDS))
    lines = [f"function %{found.name}{found.signature} {{", "    sig0 = () system_v"]
    lines += [f"block0({params}):", f"    v9 = iconst.{word} {place}"]
    for n in range(_WORDS):
        if word != I64:
            lines.append(f"    v{10 + n} = uextend.i64 v{n}")
        lines.append(f"    store notrap aligned v{n if word == I64 else 10 + n}, v9+{8 * n}")
    lines += [f"    v8 = iconst.{word} {address_map(word.bits // 8).throw:#x}"]
    return "\n".join([*lines, "    call_indirect sig0, v8()", f"    trap {UNCAUGHT}", "}"]) + "\n"


def _garbage(throwing: Throwing) -> Iterator[tuple[str, int]]:
    """Yield garbage for every register that code computes with."""
    count = len(throwing.integers) + len(throwing.floats) + 2 * len(throwing.vectors)
    words = iter(garbage(seed=7, size=8 * count).view("<u8").tolist())
    for name in (*throwing.integers, *throwing.floats):
        yield name, next(words)
    for name in throwing.vectors:
        yield name, next(words) << throwing.vector_bits - 64 | next(words)
