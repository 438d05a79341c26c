"""AArch64 for proofs: registers, the operations that SLEIGH leaves opaque, what it gets wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import z3

from fuzz.prove import floats
from fuzz.prove.machine.description import (
    Instruction,
    InstructionMeaning,
    Machine,
    OpaqueOperation,
    ValueRegisters,
)
from fuzz.prove.semantics import UndecidedError
from fuzz.prove.semantics.float import saturated
from fuzz.prove.terms import (
    Term,
    choose,
    clipped,
    const,
    join,
    lanes,
    lanewise,
    low,
    negative,
    part,
    resized,
    sext,
    value_of,
    zext,
)

OPAQUE: Final[dict[str, OpaqueOperation]] = {}
INSTRUCTIONS: Final[dict[str, InstructionMeaning]] = {}


def _nothing(_path: Any, _bits: int, _operands: Sequence[Term]) -> None:
    """Do nothing: one thread sees no difference."""


for _name in ("LOAcquire", "LORelease", "DataMemoryBarrier", "DataSynchronizationBarrier"):
    OPAQUE[_name] = _nothing

# An exclusive store succeeds: where nothing else runs, the loop around it is left at once.
OPAQUE["ExclusiveMonitorPass"] = lambda _, bits, __: const(1, bits)
OPAQUE["ExclusiveMonitorsStatus"] = lambda _, bits, __: const(0, bits)


def _number(term: Term) -> int:
    value = value_of(term)
    if value is None:
        raise UndecidedError("an opaque operation whose immediate is not known")
    return value


# --- operations on lanes, the last operand of which is a lane's size in bytes ---


def _define(name: str, operation: Callable[..., Term]) -> None:
    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        *values, size = operands
        return resized(lanewise(operation, 8 * _number(size), *values), bits)

    OPAQUE[f"NEON_{name}"] = meaning


def _saturating(operation: Callable[[Term, Term], Term], *, signed: bool) -> Callable[..., Term]:
    extended = sext if signed else zext

    def saturated_result(x: Term, y: Term) -> Term:
        wide = x.size() + 2
        return clipped(operation(extended(x, wide), extended(y, wide)), x.size(), signed=signed)

    return saturated_result


def _average(x: Term, y: Term) -> Term:
    wide = x.size() + 1
    return z3.Extract(x.size(), 1, zext(x, wide) + zext(y, wide) + const(1, wide))


def _rounded_high(x: Term, y: Term) -> Term:
    bits = x.size()
    wide = 2 * bits + 1
    product = 2 * sext(x, wide) * sext(y, wide) + const(1 << (bits - 1), wide)
    return clipped(product >> const(bits, wide), bits, signed=True)


def _shifted_by_register(
    right: Callable[[Term, Term], Term],
) -> Callable[[Term, Term], Term]:
    """Return a shift to the left by the signed low byte of a lane, to the right if negative."""

    def shifted(x: Term, y: Term) -> Term:
        bits = x.size()
        wide = max(bits, 16)
        amount = sext(low(y, 8), wide)
        back = low(right(_widened(right, x, wide), -amount), bits)
        return choose(negative(amount), back, low(zext(x, wide) << amount, bits))

    return shifted


def _arithmetic(x: Term, amount: Term) -> Term:
    return x >> amount


def _widened(right: Callable[[Term, Term], Term], x: Term, bits: int) -> Term:
    return (sext if right is _arithmetic else zext)(x, bits)


_LANEWISE: Final[dict[str, Callable[..., Term]]] = {
    "smin": lambda x, y: choose(x < y, x, y),
    "smax": lambda x, y: choose(x > y, x, y),
    "umin": lambda x, y: choose(z3.ULT(x, y), x, y),
    "umax": lambda x, y: choose(z3.UGT(x, y), x, y),
    "fmin": floats.minimum,
    "fmax": floats.maximum,
    "uqadd": _saturating(lambda x, y: x + y, signed=False),
    "sqadd": _saturating(lambda x, y: x + y, signed=True),
    "uqsub": _saturating(lambda x, y: x - y, signed=False),
    "sqsub": _saturating(lambda x, y: x - y, signed=True),
    "urhadd": _average,
    "sqrdmulh": _rounded_high,
    "sshl": _shifted_by_register(_arithmetic),
    "ushl": _shifted_by_register(z3.LShR),
    "scvtf": lambda x: floats.from_integer(x, x.size(), signed=True),
    "ucvtf": lambda x: floats.from_integer(x, x.size(), signed=False),
    "fsqrt": lambda x: floats.arithmetic("sqrt", x),
}
for _name, _operation in _LANEWISE.items():
    _define(_name, _operation)


def _reversed(container: int) -> OpaqueOperation:
    """Return what reverses the lanes in each container of so many bits."""

    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        x, size = operands
        lane = 8 * _number(size)
        return resized(lanewise(lambda c: join(lanes(c, lane)[::-1]), container, x), bits)

    return meaning


for _bits in (16, 32, 64):
    OPAQUE[f"NEON_rev{_bits}"] = _reversed(_bits)


def _narrowing(clip: Callable[[Term, int], Term], *, upper: bool) -> OpaqueOperation:
    """Return what narrows each lane of the second operand to half, into the lower or the upper half
    of the register that the first operand is."""

    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        old, x, size = operands
        lane = 8 * _number(size)
        narrow = join([clip(each, lane // 2) for each in lanes(x, lane)])
        return resized(z3.Concat(narrow, low(old, 64)) if upper else narrow, bits)

    return meaning


def _unsigned_clip(x: Term, bits: int) -> Term:
    most = const((1 << bits) - 1, x.size())
    return low(choose(z3.UGT(x, most), most, x), bits)


for _name, _clip in (
    ("uqxtn", _unsigned_clip),
    ("sqxtn", lambda x, bits: clipped(x, bits, signed=True)),
    ("sqxtun", lambda x, bits: clipped(x, bits, signed=False)),
):
    OPAQUE[f"NEON_{_name}"] = _narrowing(_clip, upper=False)
    OPAQUE[f"NEON_{_name}2"] = _narrowing(_clip, upper=True)


def _extracted(_: Any, bits: int, operands: Sequence[Term]) -> Term:
    x, y, index, _size = operands
    return part(z3.Concat(y, x), 8 * _number(index), bits)


OPAQUE["NEON_ext"] = _extracted


def _table(_: Any, bits: int, operands: Sequence[Term]) -> Term:
    """Look up bytes; an index outside of the table gives that of the first operand."""
    other, *tables, indices = operands
    table = [byte for each in tables for byte in lanes(each, 8)]

    def found(index: Term, otherwise: Term) -> Term:
        result = otherwise
        for at, byte in enumerate(table):
            result = choose(index == const(at, 8), byte, result)
        return result

    return resized(lanewise(found, 8, indices, low(other, indices.size())), bits)


OPAQUE["a64_TBL"] = _table


def _long_product(extended: Callable[[Term, int], Term]) -> OpaqueOperation:
    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        x, y, size = operands
        lane = 8 * _number(size)
        pairs = zip(lanes(x, lane), lanes(y, lane), strict=True)
        return resized(
            join([extended(a, 2 * lane) * extended(b, 2 * lane) for a, b in pairs]), bits
        )

    return meaning


OPAQUE["NEON_umull"] = _long_product(zext)
OPAQUE["NEON_smull"] = _long_product(sext)


def _across(better: Callable[[Term, Term], Term]) -> OpaqueOperation:
    """Return what reduces all lanes to one."""

    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        x, size = operands
        first, *others = lanes(x, 8 * _number(size))
        for other in others:
            first = better(first, other)
        return resized(first, bits)

    return meaning


def _pairwise(better: Callable[[Term, Term], Term]) -> OpaqueOperation:
    def meaning(_: Any, bits: int, operands: Sequence[Term]) -> Term:
        x, y, size = operands
        both = lanes(x, 8 * _number(size)) + lanes(y, 8 * _number(size))
        return resized(
            join([better(a, b) for a, b in zip(both[::2], both[1::2], strict=True)]), bits
        )

    return meaning


for _name in ("smin", "smax", "umin", "umax"):
    OPAQUE[f"NEON_{_name}v"] = _across(_LANEWISE[_name])
    OPAQUE[f"NEON_{_name}p"] = _pairwise(_LANEWISE[_name])


def _splatted(_: Any, bits: int, operands: Sequence[Term]) -> Term:
    x, size = operands
    lane = 8 * _number(size)
    return join([resized(x, lane)] * (bits // lane))


OPAQUE["NEON_fmov"] = _splatted


# --- instructions that SLEIGH gets wrong ---


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


def _negated(x: Term) -> Term:
    return x ^ const(1 << (x.size() - 1), x.size())


def _fused(*, product: bool, addend: bool) -> InstructionMeaning:
    """Return a fused multiply-add, with the product or the addend negated."""

    def one(x: Term, y: Term, z: Term) -> Term:
        return floats.arithmetic(
            "fma", _negated(x) if product else x, y, _negated(z) if addend else z
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
            return floats.arithmetic("fma", _negated(b) if negated else b, c, a)

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


def _clearing_above(path: Any, instruction: Instruction) -> None:
    """Do what SLEIGH says, which leaves the upper part of the register as it was."""
    path.execute(instruction)
    to = operands(instruction)[0]
    _set(path, to, _get(path, to))


for _name in ("addv", "ld1r", "ldar"):
    INSTRUCTIONS[_name] = _clearing_above


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
        path.store(where, _LANEWISE[name](old, low(_get(path, value), bits)))
        _set(path, to, old)

    return meaning


for _name in ("smin", "smax", "umin", "umax"):
    for _suffix, _bits in (("b", 8), ("h", 16)):
        for _order in ("", "a", "l", "al"):
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


def _to_integer(x: Term, bits: int) -> Term:
    return saturated(x, bits, signed=True)


_INTEGERS: Final = tuple(f"x{n}" for n in range(8))
_VECTORS: Final = tuple(f"q{n}" for n in range(8))
_USUAL: Final = ValueRegisters(_INTEGERS, _VECTORS, _INTEGERS, _VECTORS)
# x0 and x1 hold what an exception carries.
_TAIL: Final = ValueRegisters(_INTEGERS[2:], _VECTORS, _INTEGERS[2:], _VECTORS)

MACHINE: Final = Machine(
    isa="aarch64",
    language="AARCH64:LE:64:v8A",
    conventions={"system_v": _USUAL, "fast": _USUAL, "tail": _TAIL, "preserve_all": _USUAL},
    vector="q0",
    stack_pointer="sp",
    link="x30",
    opaque=OPAQUE,
    instructions=INSTRUCTIONS,
    library_calls={},
    to_integer=_to_integer,
    division_traps=False,
    clears_above=True,
    traps=frozenset({"udf"}),
    name_of=str.lower,
)
