"""x86-64, as data."""

from __future__ import annotations

from typing import Final

from backend.emulator.convention import ArgumentRegisters, Convention, ResultRegisters
from backend.emulator.isa import Isa
from backend.isa.x86_64.flags import FLAGS

_SAVED: Final = ("rbx", "r12", "r13", "r14", "r15")
_ARGUMENTS: Final = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
_PASSED: Final = ArgumentRegisters(6, 8)
_VECTORS: Final = tuple(f"xmm{n}" for n in range(16))

X86_64: Final = Isa(
    name="x86_64",
    aliases=frozenset(["x86-64", "x64", "amd64"]),
    package="backend.isa.x86_64",
    triple="x86_64-unknown-linux-gnu",
    by_default=True,
    pointer_bytes=8,
    byte_order="little",
    stack_alignment=16,
    trap=b"\x0f\x0b",  # ud2
    ends_block=frozenset(["jmp", "ret", "ud2", "hlt", "int3"]),
    capstone=("X86", "64"),
    frame_pointer="rbp",
    stack_pointer="rsp",
    return_register="",
    pinned="r15",
    conventions={
        "system_v": Convention(
            _SAVED, passed=_PASSED, exceptions=True, sret=True, extends_results=True
        ),
        "fast": Convention(_SAVED, passed=_PASSED, sret=True, extends_results=True),
        "tail": Convention(
            _SAVED,
            no_scratch=True,  # r10 carries a result
            passed=_PASSED,
            results=ResultRegisters(6, 8, 14),
            exceptions=True,
            extends_results=True,
        ),
        "windows_fastcall": Convention(
            ("rdi", "rsi", *_SAVED),
            vectors=_VECTORS[6:],
            results=ResultRegisters(2, 1, 3),
            sret=True,
            extends_results=True,
        ),
        "winch": Convention(
            passed=_PASSED,
            results=ResultRegisters(1, 1, 1),
            exceptions=True,
            exception_payload=False,
        ),
        "preserve_all": Convention(
            ("rax", *_ARGUMENTS, "r10", "r11", *_SAVED),
            vectors=_VECTORS,
            arguments=frozenset((*_ARGUMENTS, *_VECTORS[:8])),
            no_scratch=True,
            passed=_PASSED,
            results=ResultRegisters(0, 0, 0),
            exceptions=True,
            stack_probes=False,  # inline probes clobber r11
        ),
    },
    flags=FLAGS,
    settings={"enable_llvm_abi_extensions": "true"},  # else i128 arguments are a panic
    tail_call_settings={"preserve_frame_pointers": "true"},
    probe_strategies=frozenset(["inline", "outline"]),
)
