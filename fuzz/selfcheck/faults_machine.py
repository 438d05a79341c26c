"""Machine code that breaks its promises to the caller.

A few instructions are put in front of main; they spoil something and jump on. What main preserves
is then the spoilt state, so the caller finds it changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from backend.emulator.linker import Compiled
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault

_ORIGINAL = "selfcheck_original"


@dataclass(frozen=True, slots=True)
class PatchedCode:
    """Code as an executor takes it, made by hand."""

    name: str
    code: bytes
    relocations: list[tuple[int, str, str, int]] = field(default_factory=list)
    traps: list[tuple[int, str]] = field(default_factory=list)
    alignment: int = 16


def _arm(*words: int) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)


def _jump(isa: str, at: int) -> tuple[bytes, tuple[int, str, str, int]]:
    """A jump to the original function behind ``at`` bytes of code, with its relocation."""
    if isa == "x86_64":
        return b"\xe9\0\0\0\0", (at + 1, "X86CallPCRel4", f"%{_ORIGINAL}", -4)
    return _arm(0x14000000), (at, "Arm64Call", f"%{_ORIGINAL}", 0)


def _prefixed(isa: str, program: Sequence[Compiled], main: str, prefix: bytes) -> list[Compiled]:
    """The program with ``prefix`` running before its main function."""
    jump, relocation = _jump(isa, len(prefix))
    patched: list[Compiled] = [PatchedCode(main, prefix + jump, [relocation])]
    for compiled in program:
        name = _ORIGINAL if compiled.name == main else compiled.name
        patched.append(
            PatchedCode(
                name,
                compiled.code,
                compiled.relocations,
                compiled.traps,
                compiled.alignment,
            )
        )
    return patched


def _prefix_injection(case: Case, prefixes: Mapping[str, bytes]) -> Injection:
    main = case.main.name

    def patch(isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
        if isa not in prefixes:
            return program
        return _prefixed(isa, program, main, prefixes[isa])

    return Injection(code=patch)


def _entry_fault(
    name: str, summary: str, prefixes: Mapping[str, bytes], convention: str | None = None
) -> None:
    """Registers a fault that consists of a few instructions in front of main.

    ``convention``: main must have this one.
    """

    def inject(case: Case, dice: Random) -> Injection | None:
        if convention is not None and case.main.signature.call_conv != convention:
            return None
        return _prefix_injection(case, prefixes)

    fault(name, summary, isas=tuple(prefixes))(inject)


_entry_fault(
    "callee-saved-clobbered",
    "a callee-saved integer register is changed",
    {
        "x86_64": b"\x48\xff\xc3",  # inc rbx
        "aarch64": _arm(0xD2400273),  # eor x19, x19, #1
    },
)
_entry_fault(
    "callee-saved-high-clobbered",
    "the last of the callee-saved registers is changed",
    {
        "x86_64": b"\x49\xff\xc7",  # inc r15
        "aarch64": _arm(0xD240039C),  # eor x28, x28, #1
    },
)
_entry_fault(
    "callee-saved-float-clobbered",
    "a callee-saved vector register is changed",
    {"aarch64": _arm(0x1E614108)},  # fneg d8, d8
)
_entry_fault(
    "windows-vector-clobbered",
    "the high half of a vector register is changed that windows_fastcall preserves in full",
    {"x86_64": b"\x66\x48\x0f\x3a\x22\xf4\x01"},  # pinsrq xmm6, rsp, 1
    convention="windows_fastcall",
)
_entry_fault(
    "scratch-clobbered",
    "a register is changed that only preserve_all preserves",
    {
        "x86_64": b"\x48\xff\xc0",  # inc rax
        "aarch64": _arm(0xD2400129),  # eor x9, x9, #1
    },
    convention="preserve_all",
)
_entry_fault(
    "tail-callee-saved-clobbered",
    "a register is changed that the tail convention preserves, too",
    {
        "x86_64": b"\x49\xff\xc4",  # inc r12
        "aarch64": _arm(0x1E614108),  # fneg d8, d8
    },
    convention="tail",
)
_entry_fault(
    "frame-pointer-clobbered",
    "the frame pointer is changed",
    {
        "x86_64": b"\x48\xff\xc5",  # inc rbp
        "aarch64": _arm(0x910007BD),  # add x29, x29, #1
    },
)
_entry_fault(
    "stack-pointer-not-restored",
    "the stack pointer is 16 bytes too low at the end",
    {
        "x86_64": b"\x58\x48\x83\xec\x10\x50",  # pop rax; sub rsp, 16; push rax
        "aarch64": _arm(0xD10043FF),  # sub sp, sp, #16
    },
)
_entry_fault(
    "never-returns",
    "an endless loop",
    {
        "x86_64": b"\xeb\xfe",  # jmp itself
        "aarch64": _arm(0x14000000),  # b itself
    },
)
_entry_fault(
    "undefined-instruction",
    "an instruction that no trap table knows",
    {
        "x86_64": b"\x0f\x0b",  # ud2
        "aarch64": _arm(0x00000000),  # udf #0
    },
)
_entry_fault(
    "wild-write",
    "a write to an address that belongs to nobody",
    {
        "x86_64": b"\xc6\x04\x25\x08\x00\x00\x00\x01",  # mov byte [8], 1
        "aarch64": _arm(0xD2800110, 0x3900021F),  # mov x16, #8; strb wzr, [x16]
    },
)
