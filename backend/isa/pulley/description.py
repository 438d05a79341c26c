"""Pulley, as data: what its four ISAs have in common, and what they differ in."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from backend.emulator.convention import ArgumentRegisters, Convention, ResultRegisters
from backend.emulator.isa import Isa
from backend.isa.pulley.encoding import encode
from backend.isa.pulley.flags import FLAGS

_SAVED: Final = tuple(f"x{n}" for n in range(16, 30))
_ARGUMENTS: Final = (
    *(f"x{n}" for n in range(15)),
    *(f"f{n}" for n in range(16)),
    *(f"v{n}" for n in range(16)),
)
_PASSED: Final = ArgumentRegisters(15, 16, vectors=16)
_RETURNED: Final = ResultRegisters(15, 16, 47, vectors=16)


#: A nop makes it four bytes long.
TRAP: Final = (encode("nop") + encode("trap"))[-4:]


def _usual(*, payload: bool = False, results: ResultRegisters = _RETURNED) -> Convention:
    """Return a convention: but for exceptions nearly all of them are the same."""
    return Convention(
        _SAVED,
        passed=_PASSED,
        results=results,
        returned=_RETURNED,
        exceptions=payload,  # without registers of a payload the verifier refuses them
        sret=True,
        extends_results=True,
        little_lanes=True,
    )


_CONVENTIONS: Final = {
    "system_v": _usual(payload=True),
    "fast": _usual(),
    "tail": replace(_usual(payload=True), sret=False),  # a tail call could not hand it on
    "windows_fastcall": _usual(),
    "winch": _usual(),
    "preserve_all": Convention(
        tuple(f"x{n}" for n in range(30)),
        floats=tuple(f"f{n}" for n in range(32)),
        vectors=tuple(f"v{n}" for n in range(32)),
        arguments=frozenset(_ARGUMENTS),
        no_scratch=True,
        passed=_PASSED,
        results=ResultRegisters(0, 0, 0),
        exceptions=True,
        saves_vectors=False,
        extends_results=True,
        little_lanes=True,
    ),
}


def _isa(pointer_bytes: int, byte_order: Literal["little", "big"]) -> Isa:
    name = f"pulley{8 * pointer_bytes}" + ("be" if byte_order == "big" else "")
    return Isa(
        name=name,
        aliases=frozenset(),
        package="backend.isa.pulley",
        triple=name,
        by_default=False,
        pointer_bytes=pointer_bytes,
        byte_order=byte_order,
        stack_alignment=16,
        trap=TRAP,
        ends_block=frozenset(["jump", "xjump", "ret", "trap", "br_table32"]),
        capstone=(),
        frame_pointer="fp",
        stack_pointer="sp",
        return_register="lr",
        pinned="",
        conventions=_CONVENTIONS,
        flags=FLAGS,
        settings={},
        tail_call_settings={},
        probe_strategies=frozenset(["inline", "outline"]),
        host_calls=True,
        # Cranelift has no instructions for big-endian vectors, and spills them little-endian.
        float_order="little",
    )


PULLEY64: Final = _isa(8, "little")
PULLEY64BE: Final = _isa(8, "big")
PULLEY32: Final = _isa(4, "little")
PULLEY32BE: Final = _isa(4, "big")
