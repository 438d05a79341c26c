"""Names of s390x's registers."""

from __future__ import annotations

import re
from typing import Final

from backend.isa.parts import RegisterNames

_NUMBERED: Final = re.compile(r"%?([rfv]?)(\d+)")


def whole_register(name: str) -> str:
    """Return the whole register of a part of it: ``v1`` for ``f1``, ``r1`` for ``1``.

    Empty for what holds no value of a program: the stack pointer.
    """
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return ""
    kind = match[1].replace("f", "v") or "r"
    return "" if (kind, match[2]) == ("r", "15") else kind + match[2]


REGISTERS: Final = RegisterNames(whole_register, ("v",))
