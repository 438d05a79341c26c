"""Known faults of the interpreter: none."""

from __future__ import annotations

from typing import Final

from backend.emulator.emulator_faults import Matcher

EMULATOR_FAULTS: Final[tuple[Matcher, ...]] = ()
