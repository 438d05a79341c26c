"""Throws exceptions for the code under test, as the runtime does that it is compiled for.

The functions that throw (``clif.throwing``) are compiled by Cranelift like those of a case. They
leave the exception in the control block and call an address at which a hook calls ``Unwinder``. It
walks the frames, reads the exception tables of the calls that it finds (``Compiled.handler_sites``)
and has the CPU go on at the handler. If there is none, the function that throws traps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
from unicorn.unicorn_const import UC_HOOK_CODE

from backend.cranelift import edge_counters
from backend.cranelift.compiler import Functions, TargetIsa
from backend.emulator import control_block
from backend.emulator.cpu import Cpu
from backend.emulator.guest_memory import STUBS, THROW, garbage
from backend.emulator.isa import Isa
from backend.emulator.linker import Compiled, Linked
from backend.emulator.machine import Machine
from backend.emulator.unicorn_engine import RegisterFile, Uc, UcError, add_hook
from backend.emulator.unwinder import THROWING, Landing, Throwing, Unwinder, UnwindError
from clif.throwing import PAYLOAD, UNCAUGHT, thrower, thrower_named

#: What the reason begins with if frames cannot be walked.
UNWINDING: Final = "unwinding"
_WORDS: Final = 4
_PINNED: Final = "enable_pinned_reg"


class ThrowError(ValueError):
    """A program throws, and nothing can throw for it: why."""


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
        self.garbage: _Garbage | None = None
        self.hooked = False

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
        if not isinstance(self.machine, Cpu) or self.throwing is None:
            raise ThrowError("exceptions cannot be thrown on this engine")
        if not all(hasattr(compiled, "handler_sites") for compiled in program):
            raise ThrowError("exceptions cannot be thrown through code without exception tables")
        if settings.get("unwind_info") == "false":
            raise ThrowError("exceptions cannot be thrown without unwind_info")
        if not self.hooked:
            self._hook(self.machine)
        return [*program, *(self._compiled(name, settings) for name in needed)]

    def _hook(self, cpu: Cpu) -> None:
        code = np.frombuffer(self.isa.trap, np.uint8)
        start = THROW - STUBS
        cpu.memory.stubs[start : start + len(code)] = code
        add_hook(cpu.uc, UC_HOOK_CODE, self._throw, THROW, THROW)
        self.hooked = True

    def begin(self, linked: Linked, bottom: range, settings: Mapping[str, str]) -> None:
        """Prepare for a run.

        Args:
            bottom: the addresses of the code that has called main.
        """
        if self.hooked and self.throwing is not None:
            pinned = self.isa.pinned if settings.get(_PINNED) == "true" else ""
            cpu = cast(Cpu, self.machine)
            self.unwinder = Unwinder(self.isa, self.throwing, cpu, linked, bottom, pinned)

    def _needed(self, program: Sequence[Compiled]) -> list[str]:
        defined = {compiled.name for compiled in program}
        targets = {target for compiled in program for _, _, target, _ in compiled.relocations}
        names = {target[1:] for target in targets if target.startswith("%throw_")} - defined
        return sorted(name for name in names if self._convention(name))

    def _convention(self, name: str) -> str:
        found = thrower_named(name)
        convention = "" if found is None else found.signature.call_conv
        return convention if convention in self.isa.conventions else ""

    def _compiled(self, name: str, settings: Mapping[str, str]) -> Compiled:
        kept = (_PINNED, *self.isa.vector_flags)
        chosen = tuple((each, settings[each]) for each in kept if each in settings)
        found = self.known.get((name, chosen))
        if found is None:
            text = throwing_text(self._convention(name))
            with edge_counters.uncounted():
                (found,) = Functions(text).compile(self._target(dict(chosen)))
            self.known[name, chosen] = found
        return found

    def _target(self, chosen: dict[str, str]) -> TargetIsa:
        flags = {name: v for name, v in chosen.items() if name in self.isa.vector_flags}
        shared = {name: v for name, v in chosen.items() if name not in flags}
        shared |= {"opt_level": "none", "preserve_frame_pointers": "true"}
        return TargetIsa(self.isa.triple, shared, flags)

    def _throw(self, uc: Uc, address: int, size: int, data: Any) -> None:
        """Answer the call of a function that throws."""
        assert self.unwinder is not None
        cpu = cast(Cpu, self.machine)
        first = control_block.THROWN
        words = [int(word) for word in cpu.memory.control[first : first + _WORDS]]
        try:
            landing = self.unwinder.find(words)
        except (UnwindError, UcError) as error:
            cpu.refuse(f"{UNWINDING}: {error}")
            return
        if landing is None:
            _return(cpu)
        else:
            _land(cpu, landing, words[-PAYLOAD:], self.unwinder, self._garbage(cpu))

    def _garbage(self, cpu: Cpu) -> _Garbage:
        assert self.throwing is not None
        if self.garbage is None:
            self.garbage = _Garbage(cpu, self.throwing)
        return self.garbage


def throwing_text(convention: str) -> str:
    """Return a function that throws in CLIF."""
    found = thrower(convention)
    params = ", ".join(f"v{n}: i64" for n in range(_WORDS))
    place = control_block.address(control_block.THROWN)
    lines = [f"function %{found.name}{found.signature} {{", "    sig0 = () system_v"]
    lines += [f"block0({params}):", f"    v9 = iconst.i64 {place}"]
    lines += [f"    store notrap aligned v{n}, v9+{8 * n}" for n in range(_WORDS)]
    lines += [f"    v8 = iconst.i64 {THROW}", "    call_indirect sig0, v8()"]
    return "\n".join([*lines, f"    trap {UNCAUGHT}", "}"]) + "\n"


def _return(cpu: Cpu) -> None:
    """Return from the hooked address, to where the function that throws traps."""
    isa = cpu.isa
    if isa.return_register:
        back = cpu.register(isa.return_register)
    else:
        pointer = cpu.register(isa.stack_pointer)
        back = int.from_bytes(cpu.uc.mem_read(pointer, isa.pointer_bytes), isa.byte_order)
        cpu.write(isa.stack_pointer, pointer + isa.pointer_bytes)
    cpu.go_to(back)


class _Garbage:
    """Garbage for every register that code computes with; ``words`` is by register."""

    def __init__(self, cpu: Cpu, throwing: Throwing) -> None:
        self.words = dict(_garbage(throwing))
        self.file = RegisterFile([(cpu.number(name), v) for name, v in self.words.items()])


def _land(
    cpu: Cpu, landing: Landing, payload: Sequence[int], unwinder: Unwinder, found: _Garbage
) -> None:
    """Have the CPU go on at a handler, with garbage in all registers that it knows nothing of."""
    isa, throwing = cpu.isa, unwinder.throwing
    names = [*throwing.widened(landing.preserved)]
    if unwinder.pinned:
        names.append(unwinder.pinned)
    registers = {name: landing.registers.get(name, cpu.register(name)) for name in names}
    if landing.has_payload:
        registers |= zip(throwing.payload, payload, strict=True)
    registers[isa.stack_pointer] = landing.stack_pointer
    registers[isa.frame_pointer] = landing.frame_pointer
    found.file.write(cpu.uc)
    for name, value in registers.items():
        wide = throwing.wide.get(name)
        if wide is None:
            cpu.write(name, value)
        else:  # writing the part alone would clear the rest
            cpu.write(wide, found.words[wide] >> 64 << 64 | value)
    cpu.go_to(landing.address)


def _garbage(throwing: Throwing) -> Iterator[tuple[str, int]]:
    """Yield garbage for every register that code computes with."""
    count = len(throwing.integers) + 2 * len(throwing.vectors)
    words = iter(garbage(seed=7, size=8 * count).view("<u8").tolist())
    for name in throwing.integers:
        yield name, next(words)
    for name in throwing.vectors:
        yield name, next(words) << throwing.vector_bits - 64 | next(words)
