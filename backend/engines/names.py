"""The engines' names, and which of them this process uses. Cheap to import.

The choice is in the environment, so that worker processes, and those that minimise and report, have
the same.
"""

from __future__ import annotations

import os
from typing import Final

UNICORN: Final = "unicorn"
QEMU_USER: Final = "qemu-user"
BOCHS: Final = "bochs"
ENGINE_NAMES: Final = (UNICORN, QEMU_USER, BOCHS)

#: The engine that is used if none is chosen.
DEFAULT_ENGINE: Final = UNICORN

#: The environment variable with the name of the engine that is chosen.
VARIABLE: Final = "CLIF_FUZZ_ENGINE"


def chosen_engine() -> str:
    """Return the name of the engine that is used if none is named."""
    return os.environ.get(VARIABLE) or DEFAULT_ENGINE
