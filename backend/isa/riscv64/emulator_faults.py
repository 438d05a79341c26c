"""Known faults of the emulators with instructions of RISC-V."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from backend.emulator.emulator_faults import Effect, EmulatorFault, Matcher
from backend.engines.names import QEMU_USER

UNBOXED_SINGLE: Final = EmulatorFault(
    "unboxed-single",
    "A result of 32 bits has zeros or a sign above it in its register, not ones.",
    Effect.UNREAD_BITS,
)
SIGNALLING_MINIMUM: Final = EmulatorFault(
    "signalling-minimum",
    "fmin and fmax of a signalling NaN and a number are a NaN, not the number.",
)
COUNT_IN_WORD: Final = EmulatorFault(
    "count-in-word",
    "ctzw of zero goes on counting in the upper half of the register.",
    engine=QEMU_USER,
)

STATIC_ROUNDING: Final = EmulatorFault(
    "static-rounding",
    "vfcvt.rtz and its like end the engine, unless one shortly before them rounds as usual.",
    Effect.DEATH,
    engine=QEMU_USER,
)

_SINGLE_RESULT: Final = re.compile(
    r"f(?:n?madd|n?msub|add|sub|mul|div|sqrt|min|max|sgnj[nx]|neg|abs)\.s|fcvt\.s\..*|fmv\.w\.x"
)
_MINIMUM: Final = re.compile(r"f(?:min|max)\.[sd]")

#: The disassembler does not know it.
_CTZW, _CTZW_MASK = 0x6010_101B, 0xFFF0_707F
#: Nor conversions of vectors, of which some round in a way of their own: to zero, or to odd.
_CONVERSION, _CONVERSION_MASK = 0x4800_1057, 0xFC00_707F
_STATIC: Final = frozenset({6, 7, 14, 15, 21, 22, 23})


def _of_single_instructions(instructions: Sequence[Any]) -> Iterator[EmulatorFault]:
    for instruction in instructions:
        if _SINGLE_RESULT.fullmatch(instruction.mnemonic):
            yield UNBOXED_SINGLE
        if _MINIMUM.fullmatch(instruction.mnemonic):
            yield SIGNALLING_MINIMUM
        word = int.from_bytes(instruction.bytes, "little")
        if word & _CTZW_MASK == _CTZW:
            yield COUNT_IN_WORD
        if word & _CONVERSION_MASK == _CONVERSION and word >> 15 & 31 in _STATIC:
            yield STATIC_ROUNDING


EMULATOR_FAULTS: Final[tuple[Matcher, ...]] = (_of_single_instructions,)
