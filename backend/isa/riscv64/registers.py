"""Names of RISC-V's registers."""

from __future__ import annotations

from typing import Final

from backend.isa.parts import RegisterNames

#: By the disassembler's names, as calling conventions call them. All but zero, sp, gp and tp.
_INTEGERS: Final = (
    {"ra": "x1", "s0": "x8", "s1": "x9"}
    | {f"t{n}": f"x{5 + n}" for n in range(3)}
    | {f"a{n}": f"x{10 + n}" for n in range(8)}
    | {f"s{n}": f"x{16 + n}" for n in range(2, 12)}
    | {f"t{n}": f"x{25 + n}" for n in range(3, 7)}
)
_FLOATS: Final = (
    {f"ft{n}": f"f{n}" for n in range(8)}
    | {f"fs{n}": f"f{8 + n}" for n in range(2)}
    | {f"fa{n}": f"f{10 + n}" for n in range(8)}
    | {f"fs{n}": f"f{16 + n}" for n in range(2, 12)}
    | {f"ft{n}": f"f{20 + n}" for n in range(8, 12)}
)
_NAMES: Final = _INTEGERS | _FLOATS | {f"v{n}": f"v{n}" for n in range(32)}


def whole_register(name: str) -> str:
    """Return the number of a register: ``x10`` for ``a0``, ``f10`` for ``fa0``.

    Empty for what holds no value of a program: the stack pointer, the zero register.
    """
    return _NAMES.get(name, "")


REGISTERS: Final = RegisterNames(whole_register, ("f", "v"))
