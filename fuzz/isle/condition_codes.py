"""The names that ISLE gives to condition codes and to the operations of ``atomic_rmw``."""

from __future__ import annotations

from typing import Final

_INT_CODES: Final = {
    "IntCC.Equal": "eq",
    "IntCC.NotEqual": "ne",
    "IntCC.SignedLessThan": "slt",
    "IntCC.SignedGreaterThanOrEqual": "sge",
    "IntCC.SignedGreaterThan": "sgt",
    "IntCC.SignedLessThanOrEqual": "sle",
    "IntCC.UnsignedLessThan": "ult",
    "IntCC.UnsignedGreaterThanOrEqual": "uge",
    "IntCC.UnsignedGreaterThan": "ugt",
    "IntCC.UnsignedLessThanOrEqual": "ule",
}
_FLOAT_CODES: Final = {
    "FloatCC.Equal": "eq",
    "FloatCC.NotEqual": "ne",
    "FloatCC.LessThan": "lt",
    "FloatCC.LessThanOrEqual": "le",
    "FloatCC.GreaterThan": "gt",
    "FloatCC.GreaterThanOrEqual": "ge",
    "FloatCC.Ordered": "ord",
    "FloatCC.Unordered": "uno",
    "FloatCC.OrderedNotEqual": "one",
    "FloatCC.UnorderedOrEqual": "ueq",
    "FloatCC.UnorderedOrLessThan": "ult",
    "FloatCC.UnorderedOrLessThanOrEqual": "ule",
    "FloatCC.UnorderedOrGreaterThan": "ugt",
    "FloatCC.UnorderedOrGreaterThanOrEqual": "uge",
}
_RMW: Final = ("Add", "Sub", "And", "Nand", "Or", "Xor", "Xchg", "Umin", "Umax", "Smin", "Smax")

#: ISLE's names of condition codes, and CLIF's.
CONDITIONS: Final = _INT_CODES | _FLOAT_CODES
#: ISLE's names of the operations of ``atomic_rmw``, and CLIF's.
RMW_OPERATIONS: Final = {f"AtomicRmwOp.{name}": name.lower() for name in _RMW}
#: The possible values of the fields that are enums, by the names of their ISLE types.
ENUM_FIELDS: Final = {
    "IntCC": _INT_CODES,
    "FloatCC": _FLOAT_CODES,
    "AtomicRmwOp": RMW_OPERATIONS,
}
