"""The mutations ``settings`` and ``isa-flags``: other settings and ISA flags."""

from __future__ import annotations

from dataclasses import replace

from fuzz.generate.configurations import SEMANTIC_SETTINGS
from fuzz.generate.conventions import probes_clobber, tail_call_settings
from fuzz.generate.settings import draw_isa_settings, draw_settings
from fuzz.mutate.context import MutationContext

#: Settings that stay if they are on: with them NaNs have known bits, or tail calls are allowed.
_STICKY = frozenset({"enable_nan_canonicalization", *tail_call_settings()})


def change_settings(context: MutationContext) -> bool:
    """Draw other settings, as the generator does, except for those that the case depends on."""
    case = context.case
    isas = case.isas or context.options.isas
    drawn = draw_settings(context.entropy, replace(context.options, isas=isas))
    if any(probes_clobber(f.signature.call_conv) for f in case.functions):
        drawn.pop("enable_probestack", None)
    settings = {name: value for name, value in drawn.items() if name not in SEMANTIC_SETTINGS}
    settings |= {name: value for name, value in case.settings.items() if _stays(name, value)}
    before, case.settings = case.settings, settings
    if settings == before:
        return False
    if not context.is_lowered():
        case.settings = before
        return False
    return True


def _stays(name: str, value: str) -> bool:
    return name in SEMANTIC_SETTINGS or (name in _STICKY and value == "true")


def change_flags(context: MutationContext) -> bool:
    """Draw other ISA flags, if everything in the case is known to be lowered with them."""
    case = context.case
    before = case.isa_settings
    isas = case.isas or context.options.isas
    case.isa_settings = before | draw_isa_settings(
        context.entropy, replace(context.options, isas=isas)
    )
    if case.isa_settings == before or not context.is_lowered():
        case.isa_settings = before
        return False
    return True
