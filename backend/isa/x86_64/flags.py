"""Cranelift's flags for x86-64."""

from __future__ import annotations

from typing import Final

from backend.emulator.isa import Flags, FlagWeights

_SSE: Final = ("has_sse3", "has_ssse3", "has_sse41", "has_sse42")
_DRAWN: Final = (
    *_SSE,
    *("has_popcnt", "has_lzcnt", "has_bmi1", "has_bmi2", "has_cmpxchg16b"),
)

FLAGS: Final = Flags(
    has=frozenset(_DRAWN),
    # The emulator runs 128-bit VEX forms as their two-operand SSE relatives: wrong results without
    # any error. FMA, YMM and EVEX fail loudly.
    lacks=frozenset(
        ["has_avx", "has_avx2", "has_fma", "has_avx_vnni", "has_apx"]
        + [f"has_avx512{part}" for part in ("bitalg", "dq", "vl", "vbmi", "f", "vnni")]
    ),
    drawn=_DRAWN,
    weights=FlagWeights(all=3, none=1, levels=1, any=3, presets=2),
    levels=_SSE,
).as_built("x86_64-unknown-linux-gnu")
