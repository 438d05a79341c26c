"""What the operands of a fragment must satisfy so that it does not trap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from clif.types import Type
from fuzz.isle.fragment import Precondition, Step

#: Opcodes whose result is 0 if and only if the first operand is 0.
_SAME_TRUTH: Final = frozenset(
    ["uextend", "sextend", "bmask", "ineg", "iabs", "bswap", "bitrev", "rotl", "rotr", "popcnt"]
)
_DIVISIONS: Final = {
    "udiv": Precondition.NONZERO,
    "urem": Precondition.NONZERO,
    "srem": Precondition.NONZERO,
    "sdiv": Precondition.POSITIVE,
}
_CONVERSIONS: Final = {
    "fcvt_to_sint": Precondition.SIGNED_RANGE,
    "fcvt_to_uint": Precondition.UNSIGNED_RANGE,
}


class _Unsafe(Exception):
    """The fragment always traps, or it is not known whether it does."""


class _Preconditions:
    """Collects the preconditions of a fragment's operands."""

    def __init__(self, operands: Sequence[Type], steps: Sequence[Step]) -> None:
        self.of = [Precondition.NOTHING] * len(operands)
        self._steps = steps

    def check(self, step: Step) -> None:
        """Add what keeps a step from trapping."""
        name, args = step.instruction.name, step.args
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

    def _operand(self, number: int | None, precondition: Precondition) -> None:
        """Require something of one of the fragment's operands.

        Raises:
            _Unsafe: the value is no operand, or something else is required of it.
        """
        if number is None or number >= 0:
            raise _Unsafe
        if self.of[~number] not in (Precondition.NOTHING, precondition):
            raise _Unsafe
        self.of[~number] = precondition

    def _constant(self, number: int | None) -> int | None:
        if number is None or number < 0:
            return None
        step = self._steps[number]
        return step.imm if step.instruction.name == "iconst" else None

    def _divisor(self, number: int | None, precondition: Precondition) -> None:
        assert number is not None
        if number < 0:
            self._operand(number, precondition)
            return
        step = self._steps[number]
        if step.instruction.name == "select":
            self._divisor(step.args[1], precondition)
            self._divisor(step.args[2], precondition)
            return
        value = self._constant(number)
        minus_one = (
            precondition is Precondition.POSITIVE and value == step.instruction.results[0].mask
        )
        if not value or minus_one:
            raise _Unsafe

    def _no_overflow(self, step: Step) -> None:
        constants = [self._constant(number) for number in step.args]
        if None not in constants:
            if sum(value or 0 for value in constants) > step.instruction.results[0].mask:
                raise _Unsafe
            return
        for number, value in zip(step.args, constants, strict=True):
            assert number is not None
            if number < 0:
                self._operand(number, Precondition.HALF)
            elif value is not None:
                if value >= step.instruction.results[0].sign_bit:
                    raise _Unsafe
            elif self._steps[number].instruction.name != "uextend":
                raise _Unsafe

    def _truth(self, number: int | None, wanted: bool) -> None:
        """Require that a value is not 0, or that it is 0."""
        assert number is not None
        if number < 0:
            self._operand(number, Precondition.NONZERO if wanted else Precondition.ZERO)
            return
        step = self._steps[number]
        name = step.instruction.name
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
        """Require a truth value of a ``select`` of constants, which its condition decides."""
        yes, no = (self._constant(number) for number in step.args[1:])
        if yes is None or no is None:
            raise _Unsafe
        if (yes != 0) != (no != 0):
            self._truth(step.args[0], wanted == (yes != 0))
        elif (yes != 0) != wanted:
            raise _Unsafe


def preconditions(
    operands: Sequence[Type], steps: Sequence[Step]
) -> tuple[Precondition, ...] | None:
    """Return one precondition for each operand, which together keep the fragment from trapping.

    Returns:
        None if no preconditions can.
    """
    found = _Preconditions(operands, steps)
    check: Callable[[Step], None] = found.check
    try:
        for step in steps:
            check(step)
    except _Unsafe:
        return None
    return tuple(found.of)
