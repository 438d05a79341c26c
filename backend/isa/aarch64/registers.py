"""Names of AArch64's registers."""

from __future__ import annotations

import re
from typing import Final

from backend.isa.parts import RegisterNames

_NUMBERED: Final = re.compile(r"([wxbhsdqv])(\d+)")


def whole_register(name: str) -> str:
    """Return the whole register of a part of it: ``x1`` for ``w1``, ``q3`` for ``s3``.

    Empty for what holds no value of a program: flags, the stack pointer, the zero register.
    """
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return ""
    return ("x" if match[1] in "wx" else "q") + match[2]


REGISTERS: Final = RegisterNames(whole_register, ("q",))
