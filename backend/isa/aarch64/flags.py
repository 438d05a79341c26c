"""Cranelift's flags for AArch64."""

from __future__ import annotations

from typing import Final

from backend.emulator.isa import Flags, FlagWeights

_SIGNING: Final = ("sign_return_address_all", "sign_return_address_with_bkey")
_DRAWN: Final = (
    *("has_lse", "has_fp16", "has_dotprod", "has_pauth", "use_bti", "use_csdb"),
    *("sign_return_address", *_SIGNING),
)

FLAGS: Final = Flags(
    has=frozenset(_DRAWN),
    lacks=frozenset(["has_i8mm"]),
    drawn=_DRAWN,
    weights=FlagWeights(all=0, none=1, levels=0, any=2),
    needs=dict.fromkeys(_SIGNING, "sign_return_address"),
).as_built("aarch64-unknown-linux-gnu")
