"""Cranelift's settings for a case: tables of what is drawn and how often, and of what is not drawn.

Every setting of Cranelift is in one of these tables; a test fails for a setting that is in none. A
target takes some microseconds to create, so combinations may be drawn freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from backend.cranelift import _cranelift
from backend.emulator.isa import Flags
from backend.isa.registry import ISAS
from fuzz.entropy import Entropy
from fuzz.generate.options import Options

_OPT_LEVELS = ("speed", "none", "speed_and_size")
_OPT_CUMULATIVE = tuple(accumulate((6, 2, 2)))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A setting that is drawn.

    Attributes:
        share: the share of the cases that have it.
        values: the values to draw from; more frequent values are repeated.
    """

    share: float
    values: tuple[str, ...] = ("true",)


#: Drawn for every case.
USUAL: dict[str, Drawn] = {
    "enable_nan_canonicalization": Drawn(0.2),
    "enable_alias_analysis": Drawn(0.1, ("false",)),
    "enable_multi_ret_implicit_sret": Drawn(0.15),
}
#: Drawn for half of the cases; the other half has settings that are common in practice.
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
#: What is there of a table's settings in the Cranelift that is linked. Another version may lack a
#: setting, or a value.
_SETTINGS = {setting["name"]: setting for setting in _cranelift.settings()}


def _as_built(table: dict[str, Drawn]) -> dict[str, Drawn]:
    found = {}
    for name, drawn in table.items():
        setting = _SETTINGS.get(name)
        if setting is None:
            continue
        enumerated = setting["kind"] == "enum"
        values = [v for v in drawn.values if not enumerated or v in setting["values"]]
        if values:
            found[name] = replace(drawn, values=tuple(values))
    return found


_USUAL, _UNUSUAL = _as_built(USUAL), _as_built(UNUSUAL)
_PROBESTACK_SHARE = 0.3
# From 16 bytes up, so that probing keeps the stack pointer aligned.
_PROBESTACK_SIZES = ("12", "4", "5", "6", "8", "10", "14", "16")
#: Padding that is larger than the reach of branches, which is 32 KiB or 1 MiB on some ISAs.
_FAR_SHARE, _FAR_PADDING = 0.004, ("13", "14", "15", "16")

PROBESTACK_SETTINGS = ("enable_probestack", "probestack_strategy", "probestack_size_log2")

#: Drawn by other code.
OTHERS = frozenset({"opt_level", *PROBESTACK_SETTINGS})

#: Shared settings that are not drawn, and why.
NOT_DRAWN: dict[str, str] = {
    "enable_verifier": "always on: it changes no code, and finds faults of the optimiser",
    "enable_llvm_abi_extensions": "always on: without it some ISAs cannot pass i128",
    "enable_heap_access_spectre_mitigation": "nothing in the code generator reads it",
    "enable_incremental_compilation_cache_checks": "only the incremental cache reads it",
    "regalloc_verbose_logs": "only writes logs",
    "stack_switch_model": "stack_switch has no meaning in the interpreter",
    "tls_model": "tls_value has no meaning in the interpreter",
}


def draw_settings(entropy: Entropy, options: Options) -> dict[str, str]:
    """Draw shared settings, including those that generation depends on."""
    settings = {"opt_level": entropy.weighted(_OPT_LEVELS, _OPT_CUMULATIVE)}
    if not options.settings:
        return settings
    _draw_from(_USUAL, entropy, settings)
    if entropy.below(2):
        _draw_from(_UNUSUAL, entropy, settings)
        if not _all_pinned(options.isas):
            settings.pop("enable_pinned_reg", None)
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
    outline = all_outline_probes(options.isas) and entropy.below(2)
    return {
        "enable_probestack": "true",
        "probestack_strategy": "outline" if outline else "inline",
        "probestack_size_log2": entropy.choice(_PROBESTACK_SIZES),
    }


def all_outline_probes(isas: Iterable[str]) -> bool:
    """Return whether Cranelift implements outlined stack probes for all of these ISAs.

    A case has the same settings on all of its ISAs.
    """
    return all("outline" in ISAS[isa].probe_strategies for isa in isas if isa in ISAS)


def _all_pinned(isas: Iterable[str]) -> bool:
    """Return whether Cranelift has a pinned register on all of these ISAs."""
    return all(ISAS[isa].pinned for isa in isas if isa in ISAS)


def draw_isa_settings(entropy: Entropy, options: Options) -> dict[str, dict[str, str]]:
    """Draw flags by ISA, for those of ``options.isas`` that are emulated."""
    drawn: dict[str, dict[str, str]] = {}
    for isa in options.isas:
        if isa in ISAS and options.settings:
            drawn[isa] = dict.fromkeys(_draw_flags(entropy, ISAS[isa].flags), "true")
    return drawn


def _draw_flags(entropy: Entropy, flags: Flags) -> Sequence[str]:
    """Draw the flags that are on: all, none, any of them, or a CPU's; see ``FlagWeights``."""
    weights = flags.weights
    every = weights.all + weights.none + weights.levels + weights.any
    kind = entropy.below(every + weights.presets)
    if kind >= every:
        return entropy.choice(flags.cpus)
    if kind < weights.all:
        return flags.drawn
    kind -= weights.all
    if kind < weights.none:
        return ()
    bits = entropy.bits(len(flags.drawn))
    some = [flag for n, flag in enumerate(flags.drawn) if bits >> n & 1]
    if kind < weights.none + weights.levels:
        level = entropy.below(len(flags.levels) + 1)
        return [*flags.levels[:level], *(flag for flag in some if flag not in flags.levels)]
    return [flag for flag in some if flags.needs.get(flag, flag) in some]


_CHAOS_SHARE = 0.05
_MOST_CHAOS = 64


def draw_chaos(entropy: Entropy, options: Options) -> bytes:
    """Draw the bytes for Cranelift's chaos mode, which most cases do not have."""
    if not (options.chaos and options.settings) or not entropy.chance(_CHAOS_SHARE):
        return b""
    size = 1 + entropy.below(_MOST_CHAOS)
    return entropy.bits(8 * size).to_bytes(size, "little")


_MOST_INLINED = 8


def draw_inlining(entropy: Entropy, options: Options, callees: int) -> bytes:
    """Draw which calls are inlined before compiling: a byte for each, mostly of the kind that does.

    Args:
        callees: how many functions the case has besides main.
    """
    if not (callees and options.settings and entropy.chance(options.inlining_share)):
        return b""
    size = 1 + entropy.below(_MOST_INLINED)
    return bytes(entropy.below(8) | (entropy.below(4) > 0) for _ in range(size))
