"""Known faults of the emulators with instructions of RISC-V."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from backend.emulator.emulator_faults import Effect, EmulatorFault, Matcher

UNBOXED_SINGLE: Final = EmulatorFault(
    "unboxed-single",
    "A result of 32 bits has zeros or a sign above it in its register, not ones.",
    Effect.UNREAD_BITS,
)
SIGNALLING_MINIMUM: Final = EmulatorFault(
    "signalling-minimum",
    "fmin and fmax of a signalling NaN and a number are a NaN, not the number.",
)

_SINGLE_RESULT: Final = re.compile(
    r"f(?:n?madd|n?msub|add|sub|mul|div|sqrt|min|max|sgnj[nx]?|neg|abs|mv)\.s|fcvt\.s\..*|fmv\.w\.x"
)
_MINIMUM: Final = re.compile(r"f(?:min|max)\.[sd]")


def _of_single_instructions(instructions: Sequence[Any]) -> Iterator[EmulatorFault]:
    for instruction in instructions:
        if _SINGLE_RESULT.fullmatch(instruction.mnemonic):
            yield UNBOXED_SINGLE
        if _MINIMUM.fullmatch(instruction.mnemonic):
            yield SIGNALLING_MINIMUM


EMULATOR_FAULTS: Final[tuple[Matcher, ...]] = (_of_single_instructions,)
