"""The reference interpreter: the meaning of each opcode, written from CLIF's documentation."""

from typing import Final

import interp.semantics  # noqa: F401  (registers the meanings)
from interp.frame import Frame
from interp.options import Counters, NanBits, RunOptions
from interp.recording import Activation, Recorder
from interp.registry import Unsupported, all_meanings
from interp.running import run
from interp.unsupported import REASONS

#: Every opcode that has a meaning, by CLIF name.
MEANINGS: Final = all_meanings()

__all__ = [
    "MEANINGS",
    "REASONS",
    "Activation",
    "Counters",
    "Frame",
    "NanBits",
    "Recorder",
    "RunOptions",
    "Unsupported",
    "run",
]
