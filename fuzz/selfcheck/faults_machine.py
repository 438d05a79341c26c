"""Machine code that breaks its promises to the caller.

A few instructions are put in front of main. They change a register or the stack and jump to main,
which preserves the changed state, so that the caller finds it changed. Their code is a part of each
ISA, ``backend/isa/<name>/injected_code.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from backend.emulator.linker import Compiled, PlainCode
from backend.isa.parts import INJECTED_CODE, InjectedCode
from backend.isa.registry import ISAS
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault

_ORIGINAL = "selfcheck_original"


def _prefixed(
    program: Sequence[Compiled], main: str, code: InjectedCode, prefix: bytes
) -> list[Compiled]:
    """Return the program with ``prefix`` running before its main function."""
    offset, kind, addend = code.relocation
    relocation = len(prefix) + offset, kind, f"%{_ORIGINAL}", addend
    patched: list[Compiled] = [PlainCode(main, prefix + code.jump, [relocation])]
    for compiled in program:
        name = _ORIGINAL if compiled.name == main else compiled.name
        patched.append(
            PlainCode(
                name,
                compiled.code,
                compiled.relocations,
                compiled.traps,
                compiled.alignment,
                compiled.block_starts,
                compiled.frame_size,
            )
        )
    return patched


def _prefix_injection(name: str, main: str) -> Injection:
    def patch(_: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
        code = INJECTED_CODE.of(ISAS[isa])
        prefix = code.faults.get(name)
        return program if prefix is None else _prefixed(program, main, code, prefix)

    return Injection(code=patch)


#: By name: what is wrong, and the convention that main must have, empty for any.
ENTRY_FAULTS: Final = {
    "callee-saved-clobbered": ("a callee-saved integer register is changed", ""),
    "callee-saved-high-clobbered": ("the last of the callee-saved registers is changed", ""),
    "callee-saved-float-clobbered": ("a callee-saved vector register is changed", ""),
    "windows-vector-clobbered": (
        "the high half of a vector register is changed that windows_fastcall preserves in full",
        "windows_fastcall",
    ),
    "scratch-clobbered": ("a register is changed that only preserve_all preserves", "preserve_all"),
    "tail-callee-saved-clobbered": (
        "a register is changed that the tail convention preserves, too",
        "tail",
    ),
    "frame-pointer-clobbered": ("the frame pointer is changed", ""),
    "stack-pointer-not-restored": ("the stack pointer is 16 bytes too low at the end", ""),
    "never-returns": ("an endless loop", ""),
    "undefined-instruction": ("an instruction that no trap table knows", ""),
    "wild-write": ("a write to an address that belongs to nobody", ""),
}


def _register(name: str, summary: str, convention: str) -> None:
    def inject(case: Case, rng: Random) -> Injection | None:
        if convention and case.main.signature.call_conv != convention:
            return None
        return _prefix_injection(name, case.main.name)

    isas = [isa for isa in ISAS if name in INJECTED_CODE.of(ISAS[isa]).faults]
    fault(name, summary, isas=tuple(isas))(inject)


for _name, (_summary, _convention) in ENTRY_FAULTS.items():
    _register(_name, _summary, _convention)
