"""What handlers of exceptions find in Pulley bytecode: no register is preserved for them."""

from __future__ import annotations

import sys
from typing import Final

from backend.emulator.unwinder import Throwing

_INTEGERS: Final = tuple(f"x{number}" for number in range(30))

THROWING: Final = Throwing(
    payload=("x0", "x1"),
    integers=(*_INTEGERS, "spilltmp0"),
    vectors=tuple(f"v{number}" for number in range(32)),
    numbered=_INTEGERS,
    restored=frozenset(),
    floats=tuple(f"f{number}" for number in range(32)),
    # Frames are made by the interpreter, whatever the bytecode's byte order is.
    linkage_order=sys.byteorder,
)
