"""Calling conventions: which may be drawn, and what a signature under each can hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from backend.emulator.convention import ResultRegisters
from backend.isa.registry import ISAS
from clif.function import AbiParam
from clif.types import I128, Type
from fuzz.entropy import Entropy
from fuzz.known.status import has_fault

_DEFAULT = "system_v"
_MAIN_SHARE = 0.25
_CALLEE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class _Common:
    """What a convention allows on every ISA that has it; see ``Convention`` for the attributes."""

    results: ResultRegisters
    exceptions: bool
    exception_payload: bool
    sret: bool
    extends_stack_arguments: bool


@cache
def _common(convention: str) -> _Common:
    isas = [name for name, isa in ISAS.items() if convention in isa.conventions]
    named = [i.conventions[convention] for i in ISAS.values() if convention in i.conventions]
    return _Common(
        results=ResultRegisters(
            min(c.results.integers for c in named),
            min(c.results.others for c in named),
            min(c.results.total for c in named),
        ),
        exceptions=all(c.exceptions for c in named),
        exception_payload=all(c.exception_payload for c in named),
        sret=all(c.sret for c in named),
        extends_stack_arguments=all(
            ISAS[isa].conventions[convention].extends_stack_arguments
            or not has_fault("uext-stack-argument-apple", isa)
            for isa in isas
        ),
    )


def fits(convention: str, types: Sequence[Type]) -> bool:
    """Return whether results of these types are returned in registers, on every ISA."""
    registers = _common(convention).results
    others = sum(t.is_float or t.is_vector for t in types)
    integers = sum(1 + (t is I128) for t in types) - others
    total = integers + others
    return (
        integers <= registers.integers and others <= registers.others and total <= registers.total
    )


def takes_exceptions(convention: str) -> bool:
    """Return whether ``try_call`` may call a function of the convention, on every ISA."""
    return _common(convention).exceptions


def has_payload(convention: str) -> bool:
    """Return whether an exception that such a function throws has a payload, on every ISA."""
    return _common(convention).exception_payload


def takes_sret(convention: str) -> bool:
    """Return whether such a function may have an explicit ``sret`` argument, on every ISA."""
    return _common(convention).sret


def as_allowed(convention: str, params: tuple[AbiParam, ...]) -> tuple[AbiParam, ...]:
    """Return the parameters, without extensions where they do not work for stack arguments."""
    if _common(convention).extends_stack_arguments:
        return params
    return tuple(replace(param, extension=None) for param in params)


def results_as_allowed(results: tuple[AbiParam, ...], *, on_stack: bool) -> tuple[AbiParam, ...]:
    """Return results, without extensions where these have no effect on the stack.

    Args:
        on_stack: results that do not fit in registers are returned on the stack.
    """
    if not on_stack or not has_fault("uext-stack-result"):
        return results
    return tuple(replace(result, extension=None) for result in results)


def probes_clobber(convention: str, isas: Iterable[str] = ISAS) -> bool:
    """Return whether stack probes clobber what such a function preserves, on one of the ISAs."""
    return any(
        not ISAS[isa].conventions[convention].stack_probes
        and has_fault("preserve-all-inline-probes", isa)
        for isa in isas
        if isa in ISAS and convention in ISAS[isa].conventions
    )


@cache
def tail_call_settings() -> dict[str, str]:
    """Return the shared settings that functions with tail calls need, on every ISA."""
    return {name: v for isa in ISAS.values() for name, v in isa.tail_call_settings.items()}


@cache
def common(isas: tuple[str, ...]) -> tuple[str, ...]:
    """Return the conventions that all of the ISAs have; ISAs that are not emulated do not count."""
    described = [ISAS[isa].conventions for isa in isas if isa in ISAS]
    first = described[0] if described else next(iter(ISAS.values())).conventions
    return tuple(name for name in first if all(name in each for each in described))


def draw(entropy: Entropy, conventions: tuple[str, ...], *, main: bool) -> str:
    """Draw a function's convention: the default, or any."""
    if len(conventions) == 1 or not entropy.chance(_MAIN_SHARE if main else _CALLEE_SHARE):
        return conventions[0] if _DEFAULT not in conventions else _DEFAULT
    if not main and "tail" in conventions and entropy.below(3) == 0:
        return "tail"
    return entropy.choice(conventions)
