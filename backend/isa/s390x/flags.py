"""Cranelift's flags for s390x."""

from __future__ import annotations

from typing import Final

from backend.emulator.isa import Flags, FlagWeights

_Z15: Final = ("has_mie3", "has_vxrs_ext2")

FLAGS: Final = Flags(
    has=frozenset(_Z15),
    lacks=frozenset(["has_mie4", "has_vxrs_ext3"]),  # those of z17
    drawn=_Z15,
    weights=FlagWeights(all=2, none=1, levels=0, any=1),
).as_built("s390x-unknown-linux-gnu")
