"""Cranelift's settings for a case: tables of what may be drawn, and how often.

ISA flags come in levels, as CPUs do: free combinations would defeat every cache of targets.
Never here: AVX, FMA and whatever else the emulated CPUs lack or get wrong.
"""

from __future__ import annotations

from itertools import accumulate

from fuzz.entropy import Entropy
from fuzz.generate.options import Options

_OPT_LEVELS = ("speed", "none", "speed_and_size")
_OPT_CUMULATIVE = tuple(accumulate((6, 2, 2)))

_SSE = ("has_sse3", "has_ssse3", "has_sse41", "has_sse42")
_BITS = ("has_popcnt", "has_lzcnt", "has_bmi1", "has_bmi2")
_ALL_X64 = (*_SSE, *_BITS, "has_cmpxchg16b")

#: By ISA: the levels of flags that are on; every other flag of the ISA keeps its default.
LEVELS: dict[str, tuple[tuple[str, ...], ...]] = {
    "x86_64": (
        _ALL_X64,
        (),
        ("has_sse3", "has_ssse3"),
        ("has_sse3", "has_ssse3", "has_sse41"),
        (*_SSE, "has_popcnt"),
        (*_SSE, "has_popcnt", "has_lzcnt", "has_bmi1"),
        (*_SSE, *_BITS),
    ),
    "aarch64": ((), ("has_lse",), ("has_lse", "has_fp16"), ("use_csdb",)),
}


def draw_settings(entropy: Entropy, options: Options) -> dict[str, str]:
    """Shared settings, the ones that generation depends on included."""
    settings = {"opt_level": entropy.weighted(_OPT_LEVELS, _OPT_CUMULATIVE)}
    if options.single_pass and entropy.chance(0.25):
        settings["regalloc_algorithm"] = "single_pass"
    if entropy.chance(0.2):
        settings["enable_nan_canonicalization"] = "true"
    if entropy.chance(0.1):
        settings["enable_alias_analysis"] = "false"
    if entropy.chance(0.15):
        settings["enable_multi_ret_implicit_sret"] = "true"
    return settings


def draw_isa_settings(entropy: Entropy, options: Options) -> dict[str, dict[str, str]]:
    """Flags by ISA, for those of ``options.isas`` that have a table."""
    drawn: dict[str, dict[str, str]] = {}
    for isa in options.isas:
        if isa in LEVELS:
            flags = LEVELS[isa][0] if entropy.chance(0.5) else entropy.choice(LEVELS[isa])
            drawn[isa] = dict.fromkeys(flags, "true")
    return drawn
