"""RISC-V of 64 bits, as data."""

from __future__ import annotations

from typing import Final

from backend.emulator.convention import ArgumentRegisters, Convention, ResultRegisters
from backend.emulator.isa import Isa
from backend.isa.riscv64.flags import FLAGS

_SAVED: Final = ("x9", *(f"x{n}" for n in range(18, 28)))
# The platform's convention has f9 among them, Cranelift does not.
_SAVED_FLOATS: Final = ("f8", *(f"f{n}" for n in range(18, 28)))
_INTEGER_ARGUMENTS: Final = tuple(f"x{n}" for n in range(10, 18))
_FLOAT_ARGUMENTS: Final = tuple(f"f{n}" for n in range(10, 18))
_PASSED: Final = ArgumentRegisters(8, 8, vectors=0, integer_f128=True, boxed=True)
_RETURNED: Final = ResultRegisters(2, 2, 4, vectors=0, integer_f128=True)
# x30 and x31 are those that Cranelift itself works with; x1 holds the return address.
_ALL: Final = ("x5", "x6", "x7", *_INTEGER_ARGUMENTS, "x28", "x29", *_SAVED)
_ALL_FLOATS: Final = tuple(f"f{n}" for n in range(32))
_VECTORS: Final = tuple(f"v{n}" for n in range(32))

RISCV64: Final = Isa(
    name="riscv64",
    aliases=frozenset(["riscv64gc", "rv64"]),
    package="backend.isa.riscv64",
    triple="riscv64gc-unknown-linux-gnu",
    by_default=False,
    pointer_bytes=8,
    byte_order="little",
    stack_alignment=16,
    trap=b"\x00\x00\x00\x00",
    ends_block=frozenset(["j", "c.j", "jr", "c.jr", "ret", "unimp", "c.unimp"]),
    capstone=("RISCV", "RISCV64", "RISCVC"),
    frame_pointer="x8",
    stack_pointer="x2",
    return_register="x1",
    pinned="",  # Cranelift has no pinned register here
    conventions={
        "system_v": Convention(
            _SAVED,
            _SAVED_FLOATS,
            passed=_PASSED,
            results=_RETURNED,
            exceptions=True,
            sret=True,
            extends_results=True,
        ),
        "fast": Convention(
            _SAVED,
            _SAVED_FLOATS,
            passed=_PASSED,
            results=_RETURNED,
            sret=True,
            extends_results=True,
        ),
        "tail": Convention(
            _SAVED,
            _SAVED_FLOATS,
            passed=_PASSED,
            results=_RETURNED,
            exceptions=True,
            extends_results=True,
        ),
        "preserve_all": Convention(
            _ALL,
            _ALL_FLOATS,
            _VECTORS,
            arguments=frozenset((*_INTEGER_ARGUMENTS, *_FLOAT_ARGUMENTS)),
            no_scratch=True,
            passed=_PASSED,
            results=ResultRegisters(0, 0, 0),
            exceptions=True,
            stack_probes=False,  # inline probes clobber x28
        ),
    },
    flags=FLAGS,
    settings={},
    tail_call_settings={},
    probe_strategies=frozenset(["inline"]),  # docs/findings.md: outline-probes-argument
    vector_flags=("has_v", "has_zvfh"),
)
