"""Known faults of the emulator with instructions of s390x."""

from __future__ import annotations

from typing import Final

from backend.emulator.emulator_faults import Matcher

EMULATOR_FAULTS: Final[tuple[Matcher, ...]] = ()
