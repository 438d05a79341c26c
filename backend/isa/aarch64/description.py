"""AArch64, as data."""

from __future__ import annotations

from typing import Final

from backend.emulator.convention import ArgumentRegisters, Convention, ResultRegisters
from backend.emulator.isa import Isa
from backend.isa.aarch64.flags import FLAGS

_SAVED: Final = tuple(f"x{n}" for n in range(19, 29))
_SAVED_FLOATS: Final = tuple(f"d{n}" for n in range(8, 16))
_VECTORS: Final = tuple(f"q{n}" for n in range(32))
# x16 and x17 belong to whoever stands between caller and callee, x18 to the platform.
_VOLATILE: Final = tuple(f"x{n}" for n in range(16))
_RETURNED: Final = ResultRegisters(8, 8, 16)
_PASSED: Final = ArgumentRegisters(8, 8, even=True)
_ARGUMENTS: Final = (*_VOLATILE[:9], *_VECTORS[:8])

AARCH64: Final = Isa(
    name="aarch64",
    aliases=frozenset(["arm64"]),
    package="backend.isa.aarch64",
    triple="aarch64-unknown-linux-gnu",
    by_default=True,
    pointer_bytes=8,
    byte_order="little",
    stack_alignment=16,
    trap=b"\x00\x00\x00\x00",  # udf
    ends_block=frozenset(["b", "br", "ret", "retaa", "retab", "udf", "brk", "hlt"]),
    capstone=("ARM64", "ARM"),
    frame_pointer="x29",
    stack_pointer="sp",
    return_register="x30",
    pinned="x21",
    conventions={
        "system_v": Convention(
            _SAVED,
            _SAVED_FLOATS,
            passed=_PASSED,
            returned=_RETURNED,
            exceptions=True,
            sret=True,
        ),
        "fast": Convention(_SAVED, _SAVED_FLOATS, passed=_PASSED, returned=_RETURNED, sret=True),
        "tail": Convention(
            _SAVED,
            _SAVED_FLOATS,
            passed=ArgumentRegisters(6, 8, even=True),
            results=_RETURNED,
            returned=ResultRegisters(6, 8, 14),  # x0 and x1 are left out
            exceptions=True,
        ),
        "windows_fastcall": Convention(
            _SAVED, _SAVED_FLOATS, passed=_PASSED, returned=_RETURNED, sret=True
        ),
        "apple_aarch64": Convention(
            _SAVED,
            _SAVED_FLOATS,
            passed=ArgumentRegisters(8, 8),
            returned=_RETURNED,
            exceptions=True,
            sret=True,
            extends_results=True,
            extends_stack_arguments=False,  # docs/findings.md: uext-stack-argument-apple
        ),
        "winch": Convention(
            ("x28",),  # where Winch keeps its own stack pointer
            passed=_PASSED,
            results=ResultRegisters(1, 1, 1),
            exceptions=True,
            exception_payload=False,
        ),
        "preserve_all": Convention(
            (*_VOLATILE, *_SAVED),
            vectors=_VECTORS,
            arguments=frozenset(_ARGUMENTS),
            no_scratch=True,
            passed=_PASSED,
            results=ResultRegisters(0, 0, 0),
            exceptions=True,
        ),
    },
    flags=FLAGS,
    settings={},
    tail_call_settings={},
    probe_strategies=frozenset(["inline"]),
)
