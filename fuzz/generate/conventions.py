"""Calling conventions: which may be drawn, and what a signature under each can hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from backend.emulator.convention import Convention, ResultRegisters
from backend.emulator.register_signature import in_integers
from backend.isa.registry import DEFAULT_ISAS, ISAS
from clif.function import AbiParam
from clif.types import I64, Type
from fuzz.entropy import Entropy
from fuzz.known.status import has_fault

_DEFAULT = "system_v"
_MAIN_SHARE = 0.25
_CALLEE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class _Common:
    """What a convention allows on some ISAs; see ``Convention`` for the attributes."""

    exceptions: bool
    exception_payload: bool
    sret: bool
    extends_stack_arguments: bool


@cache
def _described(convention: str, isas: tuple[str, ...]) -> dict[str, Convention]:
    """Return the convention of those of the ISAs that have it; of all that do if none does."""
    having = {n: i.conventions[convention] for n, i in ISAS.items() if convention in i.conventions}
    return {name: c for name, c in having.items() if name in isas} or having


@cache
def _common(convention: str, isas: tuple[str, ...]) -> _Common:
    described = _described(convention, isas)
    named = described.values()
    return _Common(
        exceptions=all(c.exceptions for c in named),
        exception_payload=all(c.exception_payload for c in named),
        sret=all(c.sret for c in named),
        extends_stack_arguments=all(
            ISAS[isa].conventions[convention].extends_stack_arguments
            or not has_fault("uext-stack-argument-apple", isa)
            for isa in described
        ),
    )


def fits(convention: str, types: Sequence[Type], isas: tuple[str, ...] = DEFAULT_ISAS) -> bool:
    """Return whether results of these types are returned in registers, on each of the ISAs."""
    described = _described(convention, isas).values()
    return all(_in_registers(each.results, types) for each in described)


def _in_registers(registers: ResultRegisters, types: Sequence[Type]) -> bool:
    if any(t.bits > 64 and not t.is_vector and not registers.wide for t in types):
        return False
    integers = sum(1 + (t.bits > 64) for t in types if in_integers(t, registers))
    others = sum(not in_integers(t, registers) for t in types)
    vectors = 0
    if registers.vectors is not None:
        vectors = sum(t.is_vector for t in types)
        others -= vectors
    return (
        integers <= registers.integers
        and others <= registers.others
        and vectors <= (registers.vectors or 0)
        and integers + others + vectors <= registers.total
    )


def fitting(
    convention: str, results: tuple[AbiParam, ...], isas: tuple[str, ...]
) -> tuple[AbiParam, ...]:
    """Return as many of some results as are returned in registers, on each of the ISAs.

    If none is, the result is an i64.
    """
    found: tuple[AbiParam, ...] = ()
    for result in results:
        if fits(convention, [param.type for param in (*found, result)], isas):
            found += (result,)
    return found or (AbiParam(I64),)


def takes_exceptions(convention: str, isas: tuple[str, ...] = DEFAULT_ISAS) -> bool:
    """Return whether ``try_call`` may call a function of the convention, on each of the ISAs."""
    return _common(convention, isas).exceptions


def has_payload(convention: str, isas: tuple[str, ...] = DEFAULT_ISAS) -> bool:
    """Return whether an exception that such a function throws has a payload, on each of them."""
    return _common(convention, isas).exception_payload


def takes_sret(convention: str, isas: tuple[str, ...] = DEFAULT_ISAS) -> bool:
    """Return whether such a function may have an explicit ``sret`` argument, on each of them."""
    return _common(convention, isas).sret


def as_allowed(
    convention: str, params: tuple[AbiParam, ...], isas: tuple[str, ...] = DEFAULT_ISAS
) -> tuple[AbiParam, ...]:
    """Return the parameters, without extensions where they do not work for stack arguments."""
    if _common(convention, isas).extends_stack_arguments:
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


def takes_results_on_stack(isas: Iterable[str]) -> bool:
    """Return whether results that do not fit into registers come back right on each of the ISAs."""
    return not any(has_fault("spilled-result-big", isa) for isa in isas)


def takes_far_calls(isas: Iterable[str]) -> bool:
    """Return whether functions that are not near are called like others, on each of the ISAs."""
    return not any(ISAS[isa].host_calls for isa in isas if isa in ISAS)


def probes_clobber(convention: str, isas: Iterable[str] = ISAS) -> bool:
    """Return whether stack probes clobber what such a function preserves, on one of the ISAs."""
    return any(
        not ISAS[isa].conventions[convention].stack_probes
        and has_fault("preserve-all-inline-probes", isa)
        for isa in isas
        if isa in ISAS and convention in ISAS[isa].conventions
    )


def calls_lack_vectors(convention: str, isas: Iterable[str] = ISAS) -> bool:
    """Return whether a call in such a function saves vector registers that a CPU does not have."""
    return any(
        ISAS[isa].lacks_vectors
        and _preserves_vectors(isa, convention)
        and has_fault("preserve-all-call-vectors", isa)
        for isa in isas
        if isa in ISAS
    )


def _preserves_vectors(isa: str, convention: str) -> bool:
    described = ISAS[isa].conventions.get(convention)
    return described is not None and bool(described.vectors)


def tail_call_settings(isas: Iterable[str] = ISAS) -> dict[str, str]:
    """Return the shared settings that functions with tail calls need, on each of the ISAs."""
    described = (ISAS[isa] for isa in isas if isa in ISAS)
    return {name: v for isa in described for name, v in isa.tail_call_settings.items()}


@cache
def common(isas: tuple[str, ...]) -> tuple[str, ...]:
    """Return the conventions that all of the ISAs have; ISAs that are not emulated do not count.

    Those are left out under which Cranelift loses what a function saves.
    """
    described = [ISAS[isa].conventions for isa in isas if isa in ISAS]
    first = described[0] if described else next(iter(ISAS.values())).conventions
    lost = {
        name
        for isa in isas
        if isa in ISAS
        for name, convention in ISAS[isa].conventions.items()
        if not convention.saves_vectors and has_fault("preserve-all-vectors", isa)
    }
    return tuple(
        name for name in first if all(name in each for each in described) and name not in lost
    )


def draw(entropy: Entropy, conventions: tuple[str, ...], *, main: bool) -> str:
    """Draw a function's convention: the default, or any."""
    if len(conventions) == 1 or not entropy.chance(_MAIN_SHARE if main else _CALLEE_SHARE):
        return conventions[0] if _DEFAULT not in conventions else _DEFAULT
    if not main and "tail" in conventions and entropy.below(3) == 0:
        return "tail"
    return entropy.choice(conventions)
