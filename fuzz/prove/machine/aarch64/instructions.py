"""What the instructions do that SLEIGH gets wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fuzz.prove import floats
from fuzz.prove.machine.description import Instruction, InstructionMeaning
from fuzz.prove.semantics import UndecidedError
from fuzz.prove.semantics.float import saturated
from fuzz.prove.terms import (
    Term,
    choose,
    const,
    join,
    lanes,
    lanewise,
    low,
    negative,
    part,
    resized,
    sext,
    zext,
)

from .opaque import LANEWISE

INSTRUCTIONS: Final[dict[str, InstructionMeaning]] = {}


@dataclass(frozen=True, slots=True)
class Operand:
    """A register as an instruction names it.

    Attributes:
        name: SLEIGH's name of the whole register.
        bits: of what is used of it.
        lane_bits: of its lanes; all bits for a scalar.
        index: of the only lane that is meant, if it is one.
    """

    name: str
    bits: int
    lane_bits: int
    index: int | None = None


_SIZES: Final = {"b": 8, "h": 16, "s": 32, "d": 64, "q": 128, "w": 32, "x": 64}
_REGISTER: Final = re.compile(
    r"(?<!\w)([bhsdqvwx])(zr|\d+)(?:\.(\d*)([BHSD]))?(?:\[(0x[0-9a-f]+|\d+)\])?"
)


def operands(instruction: Instruction) -> list[Operand]:
    """Return the registers among an instruction's operands.

    Raises:
        UndecidedError: there is one that is not known.
    """
    found = []
    for kind, number, count, letter, index in _REGISTER.findall(instruction.body):
        if kind == "v":
            lane = _SIZES[letter.lower()]
            bits = lane * int(count) if count else 128
            at = int(index, 0) if index else None
            found.append(Operand(f"q{number}", bits, lane, at))
        else:
            bank = "x" if kind in "wx" else "q"
            found.append(Operand(f"{bank}{number}", _SIZES[kind], _SIZES[kind]))
    return found


def _get(path: Any, operand: Operand) -> Term:
    if operand.index is not None:
        return part(path.get(operand.name), operand.index * operand.lane_bits, operand.lane_bits)
    return low(path.get(operand.name), operand.bits)


def _set(path: Any, operand: Operand, value: Term) -> None:
    """Write a register; what is above the value becomes 0."""
    if operand.name != "xzr":
        path.set(operand.name, zext(value, 64 if operand.name.startswith("x") else 128))


def _lanewise_instruction(operation: Callable[..., Term]) -> InstructionMeaning:
    """Return what applies an operation to the lanes of all operands but the first."""

    def meaning(path: Any, instruction: Instruction) -> None:
        to, *sources = operands(instruction)
        values = [_get(path, source) for source in sources]
        _set(path, to, lanewise(operation, to.lane_bits, *values))

    return meaning


for _name, _rounding in (
    ("frintn", "nearest"),
    ("frintm", "floor"),
    ("frintp", "ceil"),
    ("frintz", "trunc"),
):
    INSTRUCTIONS[_name] = _lanewise_instruction(
        lambda x, rounding=_rounding: floats.arithmetic(rounding, x)
    )
INSTRUCTIONS["fmax"] = _lanewise_instruction(floats.maximum)
INSTRUCTIONS["fmin"] = _lanewise_instruction(floats.minimum)
INSTRUCTIONS["abs"] = _lanewise_instruction(lambda x: choose(negative(x), -x, x))


def _fused(*, product: bool, addend: bool) -> InstructionMeaning:
    """Return a fused multiply-add, with the product or the addend negated."""

    def one(x: Term, y: Term, z: Term) -> Term:
        return floats.arithmetic(
            "fma", floats.negated(x) if product else x, y, floats.negated(z) if addend else z
        )

    return _lanewise_instruction(one)


INSTRUCTIONS["fmadd"] = _fused(product=False, addend=False)
INSTRUCTIONS["fmsub"] = _fused(product=True, addend=False)
INSTRUCTIONS["fnmadd"] = _fused(product=True, addend=True)
INSTRUCTIONS["fnmsub"] = _fused(product=False, addend=True)


def _accumulating(*, negated: bool) -> InstructionMeaning:
    """Return a fused multiply-add of vectors into the first operand, maybe by one lane."""

    def meaning(path: Any, instruction: Instruction) -> None:
        to, x, y = operands(instruction)
        factor = _get(path, y)
        if y.index is not None:
            factor = join([factor] * (to.bits // to.lane_bits))

        def one(a: Term, b: Term, c: Term) -> Term:
            return floats.arithmetic("fma", floats.negated(b) if negated else b, c, a)

        _set(path, to, lanewise(one, to.lane_bits, _get(path, to), _get(path, x), factor))

    return meaning


INSTRUCTIONS["fmla"] = _accumulating(negated=False)
INSTRUCTIONS["fmls"] = _accumulating(negated=True)


def _to_integers(*, signed: bool) -> InstructionMeaning:
    def meaning(path: Any, instruction: Instruction) -> None:
        to, x = operands(instruction)
        value = _get(path, x)
        _set(
            path,
            to,
            lanewise(lambda lane: saturated(lane, to.lane_bits, signed=signed), x.lane_bits, value),
        )

    return meaning


INSTRUCTIONS["fcvtzu"] = _to_integers(signed=False)
INSTRUCTIONS["fcvtzs"] = _to_integers(signed=True)


def _move_float(path: Any, instruction: Instruction) -> None:
    """Move bits; SLEIGH converts them where one register is of 16 bits."""
    registers = operands(instruction)
    if len(registers) != 2 or registers[0].index is not None or "v" in instruction.body:
        path.execute(instruction)
        return
    to, source = registers
    bits = min(to.bits, source.bits)
    _set(path, to, resized(low(_get(path, source), bits), to.bits))


INSTRUCTIONS["fmov"] = _move_float


def _dot(path: Any, instruction: Instruction) -> None:
    """Add the products of four bytes each to the lanes of the first operand."""
    to, x, y = operands(instruction)
    pairs = zip(lanes(_get(path, x), 32), lanes(_get(path, y), 32), strict=True)
    sums = []
    for old, (a, b) in zip(lanes(_get(path, to), 32), pairs, strict=True):
        for one, other in zip(lanes(a, 8), lanes(b, 8), strict=True):
            old = old + sext(one, 32) * sext(other, 32)
        sums.append(old)
    _set(path, to, join(sums))


INSTRUCTIONS["sdot"] = _dot


def _clearing_above(written: int) -> InstructionMeaning:
    """Return what SLEIGH says, which leaves the upper part of the register as it was that the
    operand of a number is."""

    def meaning(path: Any, instruction: Instruction) -> None:
        path.execute(instruction)
        to = operands(instruction)[written]
        _set(path, to, _get(path, to))

    return meaning


for _name in ("addv", "ld1r", "ldar"):
    INSTRUCTIONS[_name] = _clearing_above(0)

_ORDERS: Final = ("", "a", "l", "al")
_SIZE_SUFFIXES: Final = ("", "b", "h")
for _name in ("ldadd", "ldclr", "ldset", "ldeor", "swp"):
    for _order in _ORDERS:
        for _suffix in _SIZE_SUFFIXES:
            INSTRUCTIONS[f"{_name}{_order}{_suffix}"] = _clearing_above(1)
for _order in _ORDERS:
    for _suffix in _SIZE_SUFFIXES:
        INSTRUCTIONS[f"cas{_order}{_suffix}"] = _clearing_above(0)
    for _name in ("smin", "smax", "umin", "umax"):
        INSTRUCTIONS[f"ld{_name}{_order}"] = _clearing_above(1)

# SLEIGH has lanes of 16 bits where they are of 32.
INSTRUCTIONS["urhadd"] = _lanewise_instruction(LANEWISE["urhadd"])


def _shift_left_insert(path: Any, instruction: Instruction) -> None:
    """Insert a shifted value; SLEIGH takes only five bits of the amount."""
    to, x = operands(instruction)
    bits = to.lane_bits
    amount = (int.from_bytes(instruction.code, "little") >> 16 & 0x7F) - bits

    def inserted(a: Term, b: Term) -> Term:
        return b << const(amount, bits) | a & const((1 << amount) - 1, bits)

    _set(path, to, lanewise(inserted, bits, _get(path, to), _get(path, x)))


INSTRUCTIONS["sli"] = _shift_left_insert


def _narrow_extreme(name: str, bits: int) -> InstructionMeaning:
    """Return an atomic minimum or maximum of a byte or half; SLEIGH compares whole registers."""

    def meaning(path: Any, instruction: Instruction) -> None:
        value, to, address = operands(instruction)
        where = path.get(address.name)
        old = path.load(where, bits // 8)
        path.store(where, LANEWISE[name](old, low(_get(path, value), bits)))
        _set(path, to, old)

    return meaning


for _name in ("smin", "smax", "umin", "umax"):
    for _suffix, _bits in (("b", 8), ("h", 16)):
        for _order in _ORDERS:
            INSTRUCTIONS[f"ld{_name}{_order}{_suffix}"] = _narrow_extreme(_name, _bits)


def _store_release(bits: int) -> InstructionMeaning:
    """Return a store of the low bits; SLEIGH stores the whole register."""

    def meaning(path: Any, instruction: Instruction) -> None:
        value, address = operands(instruction)
        path.store(path.get(address.name), resized(_get(path, value), bits))

    return meaning


INSTRUCTIONS["stlrb"] = _store_release(8)
INSTRUCTIONS["stlrh"] = _store_release(16)


#: The condition flags, and where they are in their register.
_FLAGS: Final = (("NG", 31), ("ZR", 30), ("CY", 29), ("OV", 28))


def _write_flags(path: Any, instruction: Instruction) -> None:
    """Write the condition flags; SLEIGH has the register apart from the flags."""
    if not instruction.body.startswith("nzcv"):
        raise UndecidedError("a system register")
    (source,) = operands(instruction)
    for name, at in _FLAGS:
        path.set(name, zext(part(path.get(source.name), at, 1), 8))


def _read_flags(path: Any, instruction: Instruction) -> None:
    """Read the condition flags."""
    if not instruction.body.endswith("nzcv"):
        raise UndecidedError("a system register")
    (to,) = operands(instruction)
    word = const(0, 64)
    for name, at in _FLAGS:
        word = word | zext(path.get(name), 64) << const(at, 64)
    _set(path, to, word)


INSTRUCTIONS["msr"] = _write_flags
INSTRUCTIONS["mrs"] = _read_flags
