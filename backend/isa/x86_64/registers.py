"""Names of x86-64's registers."""

from __future__ import annotations

import re
from typing import Final

from backend.isa.parts import RegisterNames

_NUMBERED: Final = re.compile(r"(r\d+)[bwd]?|(xmm\d+)")
_NAMED: Final = re.compile(r"[er]?([abcd])[xlh]|[er]?(si|di|bp)l?")


def whole_register(name: str) -> str:
    """Return the whole register of a part of it: ``rax`` for ``al``.

    Empty for what holds no value of a program: flags, the stack pointer, the program counter.
    """
    numbered = _NUMBERED.fullmatch(name)
    if numbered is not None:
        return numbered[1] or numbered[2]
    named = _NAMED.fullmatch(name)
    if named is None:
        return ""
    return f"r{named[1]}x" if named[1] else f"r{named[2]}"


REGISTERS: Final = RegisterNames(whole_register, ("xmm",))
