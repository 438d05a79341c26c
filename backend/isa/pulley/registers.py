"""Names of Pulley's registers."""

from __future__ import annotations

import re
from typing import Final

from backend.isa.parts import RegisterNames

_NUMBERED: Final = re.compile(r"[xfv]\d+")


def whole_register(name: str) -> str:
    """Return a register that holds a value of a program; it has no names for parts of it."""
    return name if _NUMBERED.fullmatch(name) else ""


REGISTERS: Final = RegisterNames(whole_register, ("v",))
