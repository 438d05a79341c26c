"""What handlers of exceptions find on AArch64."""

from __future__ import annotations

from typing import Final

from backend.emulator.unwinder import Throwing

THROWING: Final = Throwing(
    payload=("x0", "x1"),
    # x18 belongs to the platform, x29 is the frame pointer.
    integers=tuple(f"x{number}" for number in (*range(18), *range(19, 29), 30)),
    vectors=tuple(f"q{number}" for number in range(32)),
    numbered=tuple(f"x{number}" for number in range(31)),
    restored=frozenset(["system_v", "apple_aarch64"]),
    wide={f"d{number}": f"q{number}" for number in range(8, 16)},
)
