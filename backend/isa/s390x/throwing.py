"""What handlers of exceptions find on s390x.

There is no frame pointer, so frames are walked by their tables.
"""

from __future__ import annotations

from typing import Final

from backend.emulator.unwind_tables import Unwinding
from backend.emulator.unwinder import Throwing

_NUMBERED: Final = tuple(f"r{number}" for number in range(16))
#: The float registers in the order of DWARF's numbers, which begin with 16.
_FLOATS: Final = (0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15)

#: The tables are read for handlers alone: that they hold at each instruction is not checked.
_TABLES: Final = Unwinding(
    registers=dict(enumerate(_NUMBERED)) | {16 + n: f"f{f}" for n, f in enumerate(_FLOATS)},
    return_address=14,
    restores_frame=lambda *_: False,
)

THROWING: Final = Throwing(
    payload=("r6", "r7"),
    integers=_NUMBERED[:15],
    vectors=tuple(f"v{number}" for number in range(32)),
    numbered=_NUMBERED,
    restored=frozenset(["system_v"]),
    # A float register is the upper half of a vector register.
    wide={f"f{number}": f"v{number}" for number in range(8, 16)},
    wide_shift=64,
    # It saves whole vector registers, which no table of Cranelift's can say.
    unsaved=frozenset(["preserve_all"]),
    tables=_TABLES,
)
