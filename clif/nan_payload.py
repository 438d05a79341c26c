"""NaN payloads that CLIF leaves open: which operations make them, pass them on, or expose them.

The result of float arithmetic that is a NaN has any sign and payload. Such a value is *open* here.
It may be computed with and returned (a NaN equals a NaN), but its bits must not get into integers
or memory: the executors would rightly differ.
"""

from __future__ import annotations

from enum import Enum

from clif.opcodes import Opcode
from clif.types import F32, F64, Type


class Payload(Enum):
    """How an operation treats the payloads of NaN operands."""

    BLIND = "its result does not depend on them"
    ARITHMETIC = "like BLIND, and a NaN that it makes is open"
    PASS = "the result is open when an operand is"
    SIGN = "PASS for the first operand, the second one's sign is exposed"
    EXPOSE = "the result has the operands' bits"


def may_be_open(type_: Type) -> bool:
    """Whether there is arithmetic on the type: no ISA of ours has it for f16 and f128."""
    return type_.lane is F32 or type_.lane is F64


_ARITHMETIC = frozenset(
    {
        "fadd",
        "fsub",
        "fmul",
        "fdiv",
        "sqrt",
        "fma",
        "fmin",
        "fmax",
        "ceil",
        "floor",
        "trunc",
        "nearest",
        "fpromote",
        "fdemote",
        "fvdemote",
        "fvpromote_low",
    }
)
_PASS = frozenset(
    {
        "fneg",
        "fabs",
        "select",
        "select_spectre_guard",
        "splat",
        "scalar_to_vector",
        "insertlane",
        "extractlane",
    }
)
_BLIND = frozenset(
    {
        "fcmp",
        "fcvt_to_sint",
        "fcvt_to_uint",
        "fcvt_to_sint_sat",
        "fcvt_to_uint_sat",
        "x86_cvtt2dq",
    }
)


def payload_of(opcode: Opcode, operands: tuple[Type, ...]) -> Payload:
    """Unknown opcodes with float operands count as exposing: safe, if a little dull."""
    if opcode.name in _ARITHMETIC:
        return Payload.ARITHMETIC
    if not any(operand.is_float for operand in operands) or opcode.name in _BLIND:
        return Payload.BLIND
    if opcode.name == "fcopysign":
        return Payload.SIGN
    return Payload.PASS if opcode.name in _PASS else Payload.EXPOSE
