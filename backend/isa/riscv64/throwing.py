"""What handlers of exceptions find on RISC-V.

They may rely on no vector register. These are not filled with garbage, since the CPU may lack them.
"""

from __future__ import annotations

from typing import Final

from backend.emulator.unwind_tables import Unwinding
from backend.emulator.unwinder import Throwing

#: The registers that code computes with: not zero, the stack pointer, gp, tp, the frame pointer.
_INTEGERS: Final = tuple(f"x{number}" for number in (1, *range(5, 8), *range(9, 32)))
_FLOATS: Final = tuple(f"f{number}" for number in range(32))

#: The platform numbers vector registers from 96 on, Cranelift from 64 on.
_VECTORS: Final = {64 + number: f"v{number}" for number in range(32)}

#: The tables are read for handlers alone: that they hold at each instruction is not checked.
_TABLES: Final = Unwinding(
    registers={n: f"x{n}" for n in range(32)}
    | {32 + n: name for n, name in enumerate(_FLOATS)}
    | _VECTORS,
    return_address=1,
    restores_frame=lambda *_: False,
)

THROWING: Final = Throwing(
    payload=("x10", "x11"),
    integers=_INTEGERS,
    vectors=_FLOATS,
    numbered=tuple(f"x{number}" for number in range(32)),
    restored=frozenset(["system_v"]),
    vector_bits=64,
    tables=_TABLES,
)
