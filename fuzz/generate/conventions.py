"""Calling conventions: which may be drawn, and what a signature under each can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from backend.isa.registry import ISAS
from clif.function import AbiParam
from clif.types import I128, Type
from fuzz.entropy import Entropy

#: Callees of these may be called by ``try_call``.
WITH_EXCEPTIONS = frozenset({"system_v", "tail", "preserve_all", "winch", "apple_aarch64"})
#: Of these, where an exception brings no payload.
WITHOUT_PAYLOAD = frozenset({"winch"})
#: Those for which Cranelift compiles an explicit ``sret`` argument on every ISA, and which leave
#: the register free that it is returned in.
WITH_SRET = frozenset({"system_v", "fast", "windows_fastcall", "apple_aarch64"})

_DEFAULT = "system_v"
_MAIN_SHARE = 0.25
_CALLEE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class _Registers:
    """How many words come back in registers, on the ISA with the fewest; ``total`` of both."""

    integers: int
    others: int
    total: int


_USUAL = _Registers(2, 2, 4)
_RESULTS = {
    "tail": _Registers(6, 8, 14),
    "windows_fastcall": _Registers(2, 1, 3),
    "winch": _Registers(1, 1, 1),
    "preserve_all": _Registers(0, 0, 0),
}


def fits(convention: str, types: Sequence[Type]) -> bool:
    """Whether results of these types are returned in registers, on every ISA."""
    registers = _RESULTS.get(convention, _USUAL)
    others = sum(t.is_float or t.is_vector for t in types)
    integers = sum(1 + (t is I128) for t in types) - others
    total = integers + others
    return (
        integers <= registers.integers and others <= registers.others and total <= registers.total
    )


def as_allowed(convention: str, params: tuple[AbiParam, ...]) -> tuple[AbiParam, ...]:
    """The parameters, none extended where an extended one on the stack overwrites its neighbours:
    docs/findings.md, uext-stack-argument-apple."""
    if convention != "apple_aarch64":
        return params
    return tuple(replace(param, extension=None) for param in params)


@cache
def common(isas: tuple[str, ...]) -> tuple[str, ...]:
    """The conventions that every one of the ISAs has; those not known here do not count."""
    described = [ISAS[isa].conventions for isa in isas if isa in ISAS]
    first = described[0] if described else ISAS["x86_64"].conventions
    return tuple(name for name in first if all(name in each for each in described))


def draw(entropy: Entropy, conventions: tuple[str, ...], *, main: bool) -> str:
    """A function's convention: the default, or any."""
    if len(conventions) == 1 or not entropy.chance(_MAIN_SHARE if main else _CALLEE_SHARE):
        return conventions[0] if _DEFAULT not in conventions else _DEFAULT
    if not main and "tail" in conventions and entropy.below(3) == 0:
        return "tail"
    return entropy.choice(conventions)
