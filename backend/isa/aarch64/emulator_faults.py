"""Known faults of the emulator with instructions of AArch64."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from backend.emulator.emulator_faults import EmulatorFault, Matcher

NARROW_SIGNED_ATOMIC: Final = EmulatorFault(
    "narrow-signed-atomic",
    "ldsmin and ldsmax of less than 64 bits compare their operands as unsigned numbers.",
)

_SIGNED_ATOMIC: Final = re.compile(r"(?:ld|st)sm(?:in|ax)a?l?([bh]?)")


def _signed_atomics(instructions: Sequence[Any]) -> Iterator[EmulatorFault]:
    for instruction in instructions:
        match = _SIGNED_ATOMIC.fullmatch(instruction.mnemonic)
        if match is not None and (match.group(1) or instruction.op_str.startswith("w")):
            yield NARROW_SIGNED_ATOMIC


EMULATOR_FAULTS: Final[tuple[Matcher, ...]] = (_signed_atomics,)
