"""NaNs whose sign and payload CLIF does not determine, and how each opcode treats them.

A NaN that float arithmetic makes may have any sign and payload: a *nondeterministic NaN*. It may
be computed with and returned, since the comparison of results takes all NaNs for equal. Its bits
must not get into integers or memory, where executors would differ without any of them being wrong.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from clif.opcodes import Opcode
from clif.types import F32, F64, Type


class NanEffect(Enum):
    """What an operation does with the sign and payload of NaN operands."""

    IGNORES = "the result does not depend on them"
    PRODUCES = "as IGNORES, and a NaN that it makes is nondeterministic"
    PROPAGATES = "the result is a nondeterministic NaN if an operand is"
    EXPOSES_SIGN = "PROPAGATES for the first operand; the second one's sign gets into the result"
    EXPOSES = "the operands' bits get into the result"


def has_nondeterministic_nans(type_: Type) -> bool:
    """Return whether there is arithmetic on a type: no ISA has it for f16 and f128."""
    return type_.lane is F32 or type_.lane is F64


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: The opcodes that make nondeterministic NaNs: those whose results Cranelift makes canonical with
#: ``enable_nan_canonicalization`` (``nan_canonicalization.rs``).
NAN_PRODUCING: Final = _words(
    "fadd fsub fmul fdiv sqrt fma fmin fmax ceil floor trunc nearest fpromote fdemote fvdemote "
    "fvpromote_low"
)
_PROPAGATING: Final = _words(
    "fneg fabs select select_spectre_guard splat scalar_to_vector insertlane extractlane"
)
_IGNORING: Final = _words(
    "fcmp fcvt_to_sint fcvt_to_uint fcvt_to_sint_sat fcvt_to_uint_sat x86_cvtt2dq"
)


def nan_effect_of(opcode: Opcode, operands: tuple[Type, ...]) -> NanEffect:
    """Return how an opcode treats NaNs among operands of these types.

    An opcode that is not listed here counts as exposing them, which is always safe: at worst an
    operand is made canonical that need not be.
    """
    if opcode.name in NAN_PRODUCING:
        return NanEffect.PRODUCES
    if not any(operand.is_float for operand in operands) or opcode.name in _IGNORING:
        return NanEffect.IGNORES
    if opcode.name == "fcopysign":
        return NanEffect.EXPOSES_SIGN
    return NanEffect.PROPAGATES if opcode.name in _PROPAGATING else NanEffect.EXPOSES
