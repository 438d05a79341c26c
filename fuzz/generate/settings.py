"""Cranelift's settings for a case: tables of what is drawn and how often, and why the rest is not.

Every setting of Cranelift's own tables is in one of these; a test fails for one that is in none.
A target costs some microseconds to make, so that nothing speaks against free combinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from backend.isa.registry import ISAS
from fuzz.entropy import Entropy
from fuzz.generate.options import Options

_OPT_LEVELS = ("speed", "none", "speed_and_size")
_OPT_CUMULATIVE = tuple(accumulate((6, 2, 2)))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A setting, the share of cases that it is drawn for, and the values to draw from.

    A value is named as often as it is to be drawn.
    """

    share: float
    values: tuple[str, ...] = ("true",)


#: Drawn for any case.
USUAL: dict[str, Drawn] = {
    "enable_nan_canonicalization": Drawn(0.2),
    "enable_alias_analysis": Drawn(0.1, ("false",)),
    "enable_multi_ret_implicit_sret": Drawn(0.15),
}
#: Drawn in half of the cases: the other half is what people compile with.
UNUSUAL: dict[str, Drawn] = {
    "regalloc_algorithm": Drawn(0.15, ("single_pass",)),
    "regalloc_checker": Drawn(0.1),
    "bb_padding_log2_minus_one": Drawn(0.1, (*"1234567", "8", "10", "12")),
    "log2_min_function_alignment": Drawn(0.15, (*"12345678", "12")),
    "is_pic": Drawn(0.25),
    "use_colocated_libcalls": Drawn(0.25),
    "libcall_call_conv": Drawn(0.1, ("fast", "system_v")),
    "enable_pinned_reg": Drawn(0.2),
    "unwind_info": Drawn(0.2, ("false",)),
    "preserve_frame_pointers": Drawn(0.3),
    "machine_code_cfg_info": Drawn(0.2),
    "enable_table_access_spectre_mitigation": Drawn(0.25, ("false",)),
    "enable_compact_unwind_abi": Drawn(0.1),
}
_PROBESTACK_SHARE = 0.3
# From 16 bytes up, so that probing keeps the stack pointer aligned.
_PROBESTACK_SIZES = ("12", "4", "5", "6", "8", "10", "14", "16")
#: So much padding that branches do not reach: aarch64 has some of 32 KiB, and of 1 MiB.
_FAR_SHARE, _FAR_PADDING = 0.004, ("13", "14", "15", "16")

#: Drawn by code of their own.
OTHERS = frozenset(
    {"opt_level", "enable_probestack", "probestack_strategy", "probestack_size_log2"}
)

#: Shared settings that are not drawn, and why.
NOT_DRAWN: dict[str, str] = {
    "enable_verifier": "always on: it changes no code, and finds faults of the optimiser",
    "enable_llvm_abi_extensions": "always on: without it i128 cannot be passed on x86-64",
    "enable_heap_access_spectre_mitigation": "nothing in the code generator reads it",
    "enable_incremental_compilation_cache_checks": "only the incremental cache reads it",
    "regalloc_verbose_logs": "only writes logs",
    "stack_switch_model": "stack_switch has no meaning in the interpreter",
    "tls_model": "tls_value has no meaning in the interpreter",
}
#: Flags of the emulated CPUs that are not drawn, and why.
NOT_DRAWN_FLAGS: dict[str, str] = {}

_SSE = ("has_sse3", "has_ssse3", "has_sse41", "has_sse42")
_SIGNING = ("sign_return_address_all", "sign_return_address_with_bkey")
#: By ISA: the flags that are drawn, each on or off. Cranelift takes none for implied by another.
FLAGS: dict[str, tuple[str, ...]] = {
    "x86_64": (
        *_SSE,
        *("has_popcnt", "has_lzcnt", "has_bmi1", "has_bmi2", "has_cmpxchg16b"),
    ),
    "aarch64": (
        *("has_lse", "has_fp16", "has_dotprod", "has_pauth", "use_bti", "use_csdb"),
        *("sign_return_address", *_SIGNING),
    ),
}


def draw_settings(entropy: Entropy, options: Options) -> dict[str, str]:
    """Shared settings, the ones that generation depends on included."""
    settings = {"opt_level": entropy.weighted(_OPT_LEVELS, _OPT_CUMULATIVE)}
    if not options.settings:
        return settings
    _draw_from(USUAL, entropy, settings)
    if entropy.below(2):
        _draw_from(UNUSUAL, entropy, settings)
        if not options.single_pass:
            settings.pop("regalloc_algorithm", None)
        if entropy.chance(_PROBESTACK_SHARE):
            settings |= _draw_probestack(entropy, options)
        if entropy.chance(2 * _FAR_SHARE):
            settings["bb_padding_log2_minus_one"] = entropy.choice(_FAR_PADDING)
    return settings


def _draw_from(table: dict[str, Drawn], entropy: Entropy, settings: dict[str, str]) -> None:
    for name, drawn in table.items():
        if entropy.chance(drawn.share):
            settings[name] = entropy.choice(drawn.values)


def _draw_probestack(entropy: Entropy, options: Options) -> dict[str, str]:
    """Outlined probes are not implemented for aarch64, and settings are the same for all ISAs."""
    outline = options.isas == ("x86_64",) and entropy.below(2)
    return {
        "enable_probestack": "true",
        "probestack_strategy": "outline" if outline else "inline",
        "probestack_size_log2": entropy.choice(_PROBESTACK_SIZES),
    }


def draw_isa_settings(entropy: Entropy, options: Options) -> dict[str, dict[str, str]]:
    """Flags by ISA, for those of ``options.isas`` that have a table."""
    drawn: dict[str, dict[str, str]] = {}
    for isa in options.isas:
        if isa in FLAGS and options.settings:
            flags = _draw_x64(entropy) if isa == "x86_64" else _draw_aarch64(entropy)
            assert ISAS[isa].flags.has.issuperset(flags)
            drawn[isa] = dict.fromkeys(flags, "true")
    return drawn


def _draw_x64(entropy: Entropy) -> tuple[str, ...]:
    """All, none, as far as some CPU goes, or any."""
    flags = FLAGS["x86_64"]
    kind = entropy.below(8)
    if kind < 3:
        return flags
    if kind == 3:
        return ()
    any_ = _some(flags, entropy.bits(len(flags)))
    if kind == 4:
        rest = (flag for flag in any_ if flag not in _SSE)
        return (*_SSE[: entropy.below(len(_SSE) + 1)], *rest)
    return any_


def _draw_aarch64(entropy: Entropy) -> tuple[str, ...]:
    """None, or any."""
    flags = FLAGS["aarch64"]
    if entropy.below(3) == 0:
        return ()
    any_ = _some(flags, entropy.bits(len(flags)))
    signs = "sign_return_address" in any_
    return any_ if signs else tuple(flag for flag in any_ if flag not in _SIGNING)


def _some(flags: tuple[str, ...], bits: int) -> tuple[str, ...]:
    return tuple(flag for n, flag in enumerate(flags) if bits >> n & 1)


_CHAOS_SHARE = 0.05
_MOST_CHAOS = 64


def draw_chaos(entropy: Entropy, options: Options) -> bytes:
    """Bytes for Cranelift's chaos mode, empty for most cases."""
    if not (options.chaos and options.settings) or not entropy.chance(_CHAOS_SHARE):
        return b""
    size = 1 + entropy.below(_MOST_CHAOS)
    return entropy.bits(8 * size).to_bytes(size, "little")
