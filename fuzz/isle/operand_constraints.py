"""What a fragment demands of its operands so that it does not trap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final

from clif.types import Type

if TYPE_CHECKING:
    from fuzz.isle.fragment import Step


class Demand(Enum):
    """Of an operand."""

    NOTHING = "any value"
    NONZERO = "never 0"
    POSITIVE = "neither 0 nor -1"
    ZERO = "0, without being a constant"
    HALF = "the highest bit is 0"
    SIGNED_RANGE = "converts to a signed integer of the step's type"
    UNSIGNED_RANGE = "converts to an unsigned integer of the step's type"


#: Opcodes whose first operand is 0 exactly if the result is.
_SAME_TRUTH: Final = frozenset(
    ["uextend", "sextend", "bmask", "ineg", "iabs", "bswap", "bitrev", "rotl", "rotr", "popcnt"]
)
_DIVISIONS: Final = {
    "udiv": Demand.NONZERO,
    "urem": Demand.NONZERO,
    "srem": Demand.NONZERO,
    "sdiv": Demand.POSITIVE,
}
_CONVERSIONS: Final = {
    "fcvt_to_sint": Demand.SIGNED_RANGE,
    "fcvt_to_uint": Demand.UNSIGNED_RANGE,
}


class _Unsafe(Exception):
    """It cannot be told, or the fragment always traps."""


class _Demands:
    def __init__(self, operands: Sequence[Type], steps: Sequence[Step]) -> None:
        self.of = [Demand.NOTHING] * len(operands)
        self._steps = steps

    def check(self, step: Step) -> None:
        name, args = step.form.name, step.args
        if name in _DIVISIONS:
            self._divisor(args[1], _DIVISIONS[name])
        elif name in _CONVERSIONS:
            self._operand(args[0], _CONVERSIONS[name])
        elif name in ("trapz", "trapnz"):
            self._truth(args[0], name == "trapz")
        elif name == "uadd_overflow_trap":
            self._no_overflow(step)
        elif name == "trap":
            raise _Unsafe

    def _operand(self, number: int | None, demand: Demand) -> None:
        """Demand it of one of the fragment's operands. Raises _Unsafe if that is no such."""
        if number is None or number >= 0:
            raise _Unsafe
        if self.of[~number] not in (Demand.NOTHING, demand):
            raise _Unsafe
        self.of[~number] = demand

    def _constant(self, number: int | None) -> int | None:
        if number is None or number < 0:
            return None
        step = self._steps[number]
        return step.imm if step.form.name == "iconst" else None

    def _divisor(self, number: int | None, demand: Demand) -> None:
        assert number is not None
        if number < 0:
            self._operand(number, demand)
            return
        step = self._steps[number]
        if step.form.name == "select":
            self._divisor(step.args[1], demand)
            self._divisor(step.args[2], demand)
            return
        value = self._constant(number)
        minus_one = demand is Demand.POSITIVE and value == step.form.results[0].mask
        if not value or minus_one:
            raise _Unsafe

    def _no_overflow(self, step: Step) -> None:
        constants = [self._constant(number) for number in step.args]
        if None not in constants:
            if sum(value or 0 for value in constants) > step.form.results[0].mask:
                raise _Unsafe
            return
        for number, value in zip(step.args, constants, strict=True):
            assert number is not None
            if number < 0:
                self._operand(number, Demand.HALF)
            elif value is not None:
                if value >= step.form.results[0].sign_bit:
                    raise _Unsafe
            elif self._steps[number].form.name != "uextend":
                raise _Unsafe

    def _truth(self, number: int | None, wanted: bool) -> None:
        """See to it that a value is not 0, or that it is."""
        assert number is not None
        if number < 0:
            self._operand(number, Demand.NONZERO if wanted else Demand.ZERO)
            return
        step = self._steps[number]
        name = step.form.name
        if name in _SAME_TRUTH:
            self._truth(step.args[0], wanted)
        elif name == "iconst":
            if (step.imm != 0) != wanted:
                raise _Unsafe
        elif name == "select":
            self._select(step, wanted)
        elif name == "icmp" and step.cond in ("eq", "ne") and self._constant(step.args[1]) == 0:
            self._truth(step.args[0], wanted == (step.cond == "ne"))
        else:
            raise _Unsafe

    def _select(self, step: Step, wanted: bool) -> None:
        """Of constants: the condition decides."""
        yes, no = (self._constant(number) for number in step.args[1:])
        if yes is None or no is None:
            raise _Unsafe
        if (yes != 0) != (no != 0):
            self._truth(step.args[0], wanted == (yes != 0))
        elif (yes != 0) != wanted:
            raise _Unsafe


def demands(operands: Sequence[Type], steps: Sequence[Step]) -> tuple[Demand, ...] | None:
    """One for each operand; None where no demand keeps the fragment from trapping."""
    found = _Demands(operands, steps)
    check: Callable[[Step], None] = found.check
    try:
        for step in steps:
            check(step)
    except _Unsafe:
        return None
    return tuple(found.of)
