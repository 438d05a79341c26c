"""Cranelift's flags for Pulley: none that a case could draw, as the triple decides about both."""

from __future__ import annotations

from typing import Final

from backend.emulator.isa import Flags, FlagWeights

FLAGS: Final = Flags(
    has=frozenset(),
    lacks=frozenset(),
    drawn=(),
    weights=FlagWeights(all=0, none=1, levels=0, any=0),
    not_drawn={
        "big_endian": "the triple decides it",
        "pointer_width": "the triple decides it",
    },
)
