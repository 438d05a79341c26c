"""Shapes of vector code: masks of shuffles that have instructions of their own, splats, widening
products, narrowings, selections by mask."""

from __future__ import annotations

from collections.abc import Callable

from clif.function import Value
from clif.typed_instructions import FLOAT_CONDITIONS, INT_CONDITIONS
from clif.types import F32, F64, I8, I16, I32, I64, VECTORS_128, Type
from fuzz.entropy import Entropy
from fuzz.generate.idioms.operands import special_operand
from fuzz.generate.idioms.part import EmitPart, Idiom, Unfit, constant, op
from fuzz.generate.memory import load_value
from fuzz.generate.operands import pick, pick_other
from fuzz.generate.writer import Writer

_ALL = tuple(VECTORS_128)
_INTS = tuple(t for t in _ALL if t.is_int)
_FLOATS = tuple(t for t in _ALL if t.lane in (F32, F64))


def _zip(n: int, high: int) -> list[int]:
    return [lane for k in range(n // 2) for lane in (k + high * n // 2, n + k + high * n // 2)]


def _unzip(n: int, odd: int) -> list[int]:
    return [2 * k + odd for k in range(n)]


def _transpose(n: int, odd: int) -> list[int]:
    return [lane for k in range(0, n, 2) for lane in (k + odd, n + k + odd)]


def _patterns(entropy: Entropy, n: int) -> list[int]:
    """Numbers of ``n`` lanes out of two vectors, in an instruction that some instruction has."""
    kind = entropy.below(9)
    if kind < 3:
        return (_zip, _unzip, _transpose)[kind](n, entropy.below(2))
    if kind == 3:  # reversed within groups
        group = 1 << entropy.below(n.bit_length())
        return [k // group * group + (group - 1 - k % group) for k in range(n)]
    if kind == 4:  # a window onto both
        start = entropy.below(n + 1)
        return [start + k for k in range(n)]
    if kind == 5:  # one lane everywhere
        return [entropy.below(2 * n)] * n
    if kind == 6:  # of one vector only
        return [entropy.below(n) + n * (entropy.below(4) == 0) for _ in range(n)]
    if kind == 7:  # half of one, half of the other
        return [entropy.below(n) + n * (k >= n // 2) for k in range(n)]
    return [k + n * entropy.below(2) for k in range(n)]  # blended


def _half_shuffled(entropy: Entropy) -> list[int]:
    """16-bit lanes of which one half stays in place, as pshuflw and pshufhw do."""
    high = 4 * entropy.below(2)
    moved = [high + entropy.below(4) for _ in range(4)]
    return [moved[k - high] if high <= k < high + 4 else k for k in range(8)]


def shuffle_mask(entropy: Entropy) -> int:
    """The 16 byte numbers of a shuffle of lanes of 1 to 8 bytes."""
    size = 1 << entropy.below(4)
    lanes = _patterns(entropy, 16 // size)
    if size == 2 and entropy.below(3) == 0:
        lanes = _half_shuffled(entropy)
    if entropy.below(4) == 0:
        lanes = [(lane + 16 // size) % (32 // size) for lane in lanes]  # operands exchanged
    numbers = bytes(lane * size + n for lane in lanes for n in range(size))
    return int.from_bytes(numbers, "little")


def _shuffle(w: Writer, t: Type) -> Value:
    x = pick(w, t)
    y = x if w.entropy.below(3) == 0 else pick(w, t)
    if w.entropy.below(8) == 0:
        y = constant(w, t, 0)
    return op(w, "shuffle", x, y, imm=shuffle_mask(w.entropy))


def _lane_value(w: Writer, t: Type) -> Value:
    """A scalar for a lane, often from memory."""
    objects = [target for target in w.memory if target.size >= t.lane.bytes]
    if objects and w.entropy.below(2):
        return load_value(w, w.entropy.choice(objects), t.lane)
    if t.is_int and w.entropy.below(2):
        return special_operand(w, t.lane)
    return pick(w, t.lane)


def _splat(w: Writer, t: Type) -> Value:
    """A splat on its own, or as one operand."""
    splat = op(w, "splat", _lane_value(w, t), type=t)
    if w.entropy.below(2):
        return splat
    return op(w, _operation(w, t), pick(w, t), splat)


def _operation(w: Writer, t: Type) -> str:
    if t.is_float:
        return w.entropy.choice(("fadd", "fsub", "fmul", "fmin", "fmax", "fdiv"))
    return w.entropy.choice(("iadd", "isub", "imul", "band", "bor", "bxor", "smin", "umax"))


def _insert(w: Writer, t: Type) -> Value:
    """A lane from a scalar, memory or another vector, into a vector or zeros."""
    into = constant(w, t, 0) if w.entropy.below(4) == 0 else pick(w, t)
    if w.entropy.below(2):
        lane = op(w, "extractlane", pick(w, t), imm=w.entropy.below(t.lanes))
    else:
        lane = _lane_value(w, t)
    if w.entropy.below(4) == 0:
        return op(w, "scalar_to_vector", lane, type=t)
    return op(w, "insertlane", into, lane, imm=w.entropy.below(t.lanes))


def _extracted(w: Writer, t: Type) -> Value:
    """A lane, extended or stored by what follows."""
    lane = op(w, "extractlane", pick(w, t), imm=w.entropy.below(t.lanes))
    if t.is_float or t.lane is I64 or w.entropy.below(3) == 0:
        return lane
    wide = w.entropy.choice([n for n in (I16, I32, I64) if n.bits > t.lane_bits])
    return op(w, w.entropy.choice(("uextend", "sextend")), lane, type=wide)


def _widening_product(w: Writer, t: Type) -> Value:
    """extmul: a product of widened halves; sums of such for dot products."""
    kind, half = w.entropy.choice(("swiden", "uwiden")), w.entropy.choice(("low", "high"))
    x, y = pick(w, t), pick(w, t)
    product = _extended_product(w, f"{kind}_{half}", x, y)
    if w.entropy.below(3):
        return product
    other = _extended_product(w, f"{kind}_{'high' if half == 'low' else 'low'}", x, y)
    return op(w, w.entropy.choice(("iadd_pairwise", "iadd")), product, other)


def _extended_product(w: Writer, widen: str, x: Value, y: Value) -> Value:
    return op(w, "imul", op(w, widen, x), op(w, widen, y))


def _widened(w: Writer, t: Type) -> Value:
    """Sums of widened halves: pairwise, of one or two vectors, with an accumulator."""
    kind, x = w.entropy.choice(("swiden", "uwiden")), pick(w, t)
    low, high = op(w, f"{kind}_low", x), op(w, f"{kind}_high", pick(w, t) if not _odds(w) else x)
    name = w.entropy.choice(("iadd_pairwise", "iadd_pairwise", "iadd", "isub", "umax"))
    total = op(w, name, low, high)
    return op(w, "iadd", total, pick(w, total.type)) if w.entropy.below(2) else total


def _odds(w: Writer) -> bool:
    return w.entropy.below(3) < 2


def _dot_product(w: Writer, t: Type) -> Value:
    """Of bytes into 32 bits, with an accumulator: what relaxed SIMD comes down to."""
    x, y = pick(w, t), pick(w, t)
    left = w.entropy.choice(("swiden", "swiden", "uwiden"))
    sums = []
    for half in ("low", "high"):
        product = op(w, "imul", op(w, f"{left}_{half}", x), op(w, f"swiden_{half}", y))
        widened = [op(w, f"swiden_{h}", product) for h in ("low", "high")]
        sums.append(op(w, "iadd_pairwise", *widened))
    total = op(w, "iadd_pairwise", *sums)
    return op(w, "iadd", total, pick(w, total.type))


def _narrowed(w: Writer, t: Type) -> Value:
    """Two vectors narrowed into one, of comparisons or shifts too."""
    x, y = pick(w, t), pick(w, t)
    if w.entropy.below(3) == 0:
        x = op(w, "icmp", x, y, cond=w.entropy.choice(INT_CONDITIONS))
    elif w.entropy.below(2):
        amount = constant(w, I32, t.lane_bits // 2)
        x = op(w, w.entropy.choice(("ushr", "sshr")), x, amount)
    return op(w, w.entropy.choice(("snarrow", "unarrow", "uunarrow")), x, y)


def _mask(w: Writer, t: Type) -> Value:
    """All ones or zeros in each lane, by a comparison, often with a constant."""
    x = pick(w, t)
    other = constant(w, t, 0) if w.entropy.below(3) == 0 else pick_other(w, t, x)
    if t.is_float:
        return op(w, "fcmp", x, other, cond=w.entropy.choice(FLOAT_CONDITIONS))
    return op(w, "icmp", x, other, cond=w.entropy.choice(INT_CONDITIONS))


def _chosen(w: Writer, t: Type) -> Value:
    """bitselect by a comparison, and min, max and abs by it."""
    mask = _mask(w, t)
    if mask.type is not t:
        mask = op(w, "bitcast", mask, type=t)
    if w.entropy.below(4) == 0:
        mask = op(w, "bnot", mask)
    x, y = pick(w, t), pick(w, t)
    if t.is_int and w.entropy.below(3) == 0:
        y = op(w, "ineg", x)
    return op(w, "bitselect", mask, x, y)


def _tested(w: Writer, t: Type) -> Value:
    """A scalar made of a mask: any, all, high bits; compared or selected on."""
    value = _mask(w, t) if w.entropy.below(2) else pick(w, t)
    name = w.entropy.choice(("vany_true", "vall_true", "vhigh_bits"))
    if name == "vhigh_bits":
        return op(w, name, value, type=w.entropy.choice((I8, I16, I32, I64)))
    flag = op(w, name, value)
    return op(w, "select", flag, pick(w, t), pick(w, t)) if w.entropy.below(2) else flag


def _logic(w: Writer, t: Type) -> Value:
    """and-not, or-not, double negations, masks merged by hand."""
    x, y = pick(w, t), pick(w, t)
    name = w.entropy.choice(("band", "bor", "bxor"))
    kind = w.entropy.below(4)
    if kind == 0:
        return op(w, "bor", op(w, "band", x, y), op(w, "band", pick(w, t), op(w, "bnot", y)))
    if kind == 1:
        return op(w, "bnot", op(w, name, op(w, "bnot", x), op(w, "bnot", y)))
    negated = op(w, "bnot", y) if kind == 2 else op(w, "bxor", y, constant(w, t, t.mask))
    return op(w, name, x, negated)


def _shifted(w: Writer, t: Type) -> Value:
    """By a constant, by a masked amount, twice, with a sum."""
    amount = constant(w, I32, w.entropy.below(t.lane_bits + 2))
    if w.entropy.below(2):
        amount = op(w, "band", pick(w, I32), constant(w, I32, t.lane_bits - 1))
    shifted = op(w, w.entropy.choice(("ishl", "ushr", "sshr")), pick(w, t), amount)
    return op(w, w.entropy.choice(("iadd", "bor", "isub")), shifted, pick(w, t))


def _absolute(w: Writer, t: Type) -> Value:
    """iabs, max(x, -x), averages and saturations."""
    x = pick(w, t)
    kind = w.entropy.below(3)
    if kind == 0:
        return op(w, "smax", x, op(w, "ineg", x))
    if kind == 1:
        return op(w, "iabs", op(w, w.entropy.choice(("isub", "iadd", "ssub_sat")), x, pick(w, t)))
    names = ("avg_round", "uadd_sat", "usub_sat", "sadd_sat", "ssub_sat", "sqmul_round_sat")
    return op(w, w.entropy.choice(names), x, special_splat(w, t))


def special_splat(w: Writer, t: Type) -> Value:
    return op(w, "splat", special_operand(w, t.lane), type=t)


def _converted(w: Writer, t: Type) -> Value:
    """fcvt_low_from_sint and its kin: a widened half to doubles; saturating conversions."""
    kind = w.entropy.below(4)
    sign = w.entropy.choice(("s", "u"))
    lanes = t.lane
    if kind == 0 and lanes is F64:
        wide = op(w, f"{sign}widen_low", pick(w, I32.by(4)))
        return op(w, f"fcvt_from_{sign}int", wide, type=t)
    if kind == 1 and lanes is F64:
        return op(w, "fvpromote_low", pick(w, F32.by(4)))
    if kind == 2 and lanes is F64:
        number = op(w, f"fcvt_to_{sign}int_sat", pick(w, t), type=I64.by(2))
        narrow = "snarrow" if sign == "s" else "uunarrow"
        return op(w, narrow, number, constant(w, I64.by(2), 0))
    integer = (I32 if lanes is F32 else I64).by(t.lanes)
    number = op(w, f"fcvt_to_{sign}int_sat", pick(w, t), type=integer)
    return op(w, f"fcvt_from_{sign}int", number, type=t) if w.entropy.below(2) else number


def _fused(w: Writer, t: Type) -> Value:
    """fma with negated or splat operands, negated products."""
    args = [pick(w, t) for _ in range(3)]
    at = w.entropy.below(3)
    if w.entropy.below(2):
        args[at] = op(w, "fneg", args[at])
    else:
        args[at] = op(w, "splat", op(w, "extractlane", args[at], imm=0), type=t)
    return op(w, "fma", *args)


def _swizzled(w: Writer, t: Type) -> Value:
    """Byte numbers that are constant, in range, or masked."""
    kind = w.entropy.below(3)
    if kind == 0:
        numbers = constant(w, t, w.entropy.bits(128) & int("0f" * 16, 16))
    elif kind == 1:
        numbers = op(w, "band", pick(w, t), constant(w, t, int("0f" * 16, 16)))
    else:
        numbers = op(w, "uadd_sat", pick(w, t), constant(w, t, int("70" * 16, 16)))
    return op(w, "swizzle", pick(w, t), numbers)


_Build = Callable[[Writer, Type], Value]


def _some_lane(build: _Build) -> _Build:
    """The shape, but only where the vector's lane is a type that is lowered alone too."""

    def checked(w: Writer, t: Type) -> Value:
        if t.lane not in w.instruction_set.types:
            raise Unfit
        return build(w, t)

    return checked


_I8X16, _I16X8, _I32X4 = I8.by(16), I16.by(8), I32.by(4)

IDIOMS: tuple[EmitPart, ...] = (
    *[Idiom(_shuffle, (_I8X16,))] * 6,
    *[Idiom(_some_lane(_splat), _ALL)] * 2,
    *[Idiom(_some_lane(_insert), _ALL)] * 2,
    Idiom(_some_lane(_extracted), _ALL),
    *[Idiom(_widening_product, (_I8X16, _I16X8, _I32X4))] * 2,
    *[Idiom(_widened, (_I8X16, _I16X8, _I32X4))] * 2,
    Idiom(_dot_product, (_I8X16,)),
    *[Idiom(_narrowed, _INTS)] * 2,
    *[Idiom(_chosen, _ALL)] * 2,
    *[Idiom(_tested, _INTS)] * 2,
    Idiom(_logic, _ALL),
    Idiom(_shifted, _INTS),
    Idiom(_some_lane(_absolute), _INTS),
    *[Idiom(_converted, _FLOATS)] * 2,
    Idiom(_some_lane(_fused), _FLOATS),
    Idiom(_swizzled, (_I8X16,)),
)
