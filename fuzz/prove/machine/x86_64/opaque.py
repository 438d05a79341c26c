"""What the operations do that SLEIGH leaves opaque."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import z3

from fuzz.prove import floats
from fuzz.prove.lane_operations import (
    absolute,
    high_product,
    in_pairs,
    multiplied_and_added,
    narrowed,
    pairwise,
    rounded_average,
    rounded_product,
    saturating,
    shuffled_bytes,
    signed_maximum,
    signed_minimum,
    unsigned_maximum,
    unsigned_minimum,
)
from fuzz.prove.machine.description import OpaqueOperation, do_nothing, known_number
from fuzz.prove.terms import (
    Term,
    bit,
    choose,
    clipped,
    const,
    flag,
    join,
    lanes,
    lanewise,
    low,
    mask,
    negative,
    nonzero,
    part,
    resized,
    sext,
    zext,
)

OPAQUE: Final[dict[str, OpaqueOperation]] = {}


def _define(*names: str) -> Callable[[Callable[..., Term]], Callable[..., Term]]:
    """Return a decorator that defines operations.

    Its function is given the last operands, as many as it takes: SLEIGH passes the register that is
    written as the first one, also where it is not read.
    """

    def register(function: Callable[..., Term]) -> Callable[..., Term]:
        count = function.__code__.co_argcount
        for name in names:
            OPAQUE[name] = lambda _, bits, operands: resized(function(*operands[-count:]), bits)
        return function

    return register


for _name in ("LOCK", "UNLOCK", "mfence", "lfence", "sfence"):
    OPAQUE[_name] = do_nothing


def _each(operation: Callable[..., Term], bits: int) -> Callable[..., Term]:
    """Return what applies an operation to each lane of its one or two operands."""
    if operation.__code__.co_argcount == 1:
        return lambda x: lanewise(operation, bits, x)
    return lambda x, y: lanewise(operation, bits, x, y)


def _define_lanes(operations: dict[str, tuple[int, Callable[..., Term]]]) -> None:
    for name, (bits, operation) in operations.items():
        for each in (name, f"v{name}", f"v{name}_avx", f"{name}_avx"):
            _define(each)(_each(operation, bits))


def _minimum(x: Term, y: Term) -> Term:
    """Return the lesser of two floats, the second one if they are equal or unordered."""
    return choose(floats.less(x, y), x, y)


def _maximum(x: Term, y: Term) -> Term:
    return choose(floats.less(y, x), x, y)


def _plus(x: Term, y: Term) -> Term:
    return x + y


def _minus(x: Term, y: Term) -> Term:
    return x - y


_define_lanes(
    {
        "minps": (32, _minimum),
        "minpd": (64, _minimum),
        "maxps": (32, _maximum),
        "maxpd": (64, _maximum),
        "pavgb": (8, rounded_average),
        "pavgw": (16, rounded_average),
        "paddsb": (8, saturating(_plus, signed=True)),
        "paddsw": (16, saturating(_plus, signed=True)),
        "paddusb": (8, saturating(_plus, signed=False)),
        "paddusw": (16, saturating(_plus, signed=False)),
        "psubsb": (8, saturating(_minus, signed=True)),
        "psubsw": (16, saturating(_minus, signed=True)),
        "psubusb": (8, saturating(_minus, signed=False)),
        "psubusw": (16, saturating(_minus, signed=False)),
        "pmulhw": (16, high_product(sext)),
        "pmulhuw": (16, high_product(zext)),
        "pmulhrsw": (16, lambda x, y: low(rounded_product(x, y), 16)),
        "pmullw": (16, lambda x, y: x * y),
        "pmulld": (32, lambda x, y: x * y),
        "pmuldq": (64, lambda x, y: sext(low(x, 32), 64) * sext(low(y, 32), 64)),
        "pmuludq": (64, lambda x, y: zext(low(x, 32), 64) * zext(low(y, 32), 64)),
        "pabsb": (8, absolute),
        "pabsw": (16, absolute),
        "pabsd": (32, absolute),
        "pcmpeqq": (64, lambda x, y: mask(x == y, 64)),
        "pcmpgtq": (64, lambda x, y: mask(x > y, 64)),
        "divps": (32, lambda x, y: floats.arithmetic("div", x, y)),
        "divpd": (64, lambda x, y: floats.arithmetic("div", x, y)),
        "sqrtps": (32, lambda x: floats.arithmetic("sqrt", x)),
        "sqrtpd": (64, lambda x: floats.arithmetic("sqrt", x)),
    }
)
for _letter, _bits in (("b", 8), ("w", 16), ("d", 32)):
    _define_lanes(
        {
            f"pmins{_letter}": (_bits, signed_minimum),
            f"pmaxs{_letter}": (_bits, signed_maximum),
            f"pminu{_letter}": (_bits, unsigned_minimum),
            f"pmaxu{_letter}": (_bits, unsigned_maximum),
            f"pcmpgt{_letter}": (_bits, lambda x, y: mask(x > y, x.size())),
            f"pcmpeq{_letter}": (_bits, lambda x, y: mask(x == y, x.size())),
        }
    )


def shift_all(
    operation: Callable[[Term, Term], Term], bits: int, *, arithmetic: bool
) -> Callable[..., Term]:
    """Return a shift of all lanes by one amount, the low 64 bits of the second operand."""

    def shifted(x: Term, amount: Term) -> Term:
        count = resized(amount, 64)
        most = const(bits - 1, 64)
        if arithmetic:
            count = choose(z3.UGT(count, most), most, count)
            return lanewise(lambda lane: operation(lane, low(count, bits)), bits, x)
        over = z3.UGT(count, most)
        return lanewise(
            lambda lane: choose(over, const(0, bits), operation(lane, low(count, bits))), bits, x
        )

    return shifted


_define("psraw", "vpsraw")(shift_all(lambda x, n: x >> n, 16, arithmetic=True))


# --- moving and narrowing lanes ---


_define("pshufb", "vpshufb", "vpshufb_avx")(shuffled_bytes)


@_define("pblendvb", "pblendvb_avx")
def _blend_bytes(x: Term, y: Term, c: Term) -> Term:
    return lanewise(lambda d, a, b: choose(negative(d), b, a), 8, c, x, y)


@_define("blendvps")
def _blend_single(x: Term, y: Term, c: Term) -> Term:
    return lanewise(lambda d, a, b: choose(negative(d), b, a), 32, c, x, y)


@_define("blendvpd")
def _blend_double(x: Term, y: Term, c: Term) -> Term:
    return lanewise(lambda d, a, b: choose(negative(d), b, a), 64, c, x, y)


def _packed(bits: int, *, signed: bool) -> Callable[[Term, Term], Term]:
    def clip(lane: Term, half: int) -> Term:
        return clipped(lane, half, signed=signed)

    return lambda x, y: narrowed(clip, bits, x, y)


_define("packsswb", "vpacksswb")(_packed(16, signed=True))
_define("packssdw", "vpackssdw")(_packed(32, signed=True))
_define("packuswb", "vpackuswb")(_packed(16, signed=False))
_define("packusdw", "vpackusdw")(_packed(32, signed=False))


@_define("pmaddwd", "vpmaddwd")
def _multiply_add(x: Term, y: Term) -> Term:
    pairs = zip(lanes(x, 16), lanes(y, 16), strict=True)
    return in_pairs(_plus, [sext(a, 32) * sext(b, 32) for a, b in pairs])


@_define("pmaddubsw", "vpmaddubsw")
def _multiply_add_bytes(x: Term, y: Term) -> Term:
    return multiplied_and_added(y, x)


def _pairwise(bits: int) -> Callable[[Term, Term], Term]:
    return lambda x, y: pairwise(_plus, bits, x, y)


_define("phaddw", "vphaddw")(_pairwise(16))
_define("phaddd", "vphaddd")(_pairwise(32))


def _top_bits(bits: int) -> Callable[[Term], Term]:
    return lambda x: join([flag(bit(lane, bits - 1), 1) for lane in lanes(x, bits)])


for _name, _bits in (("pmovmskb", 8), ("movmskps", 32), ("movmskpd", 64)):
    _define(_name, f"v{_name}")(_top_bits(_bits))


def _extended(
    extended: Callable[[Term, int], Term], narrow: int, wide: int
) -> Callable[[Term], Term]:
    def whole(x: Term) -> Term:
        count = 128 // wide
        return join([extended(lane, wide) for lane in lanes(low(x, narrow * count), narrow)])

    return whole


for _letters, _narrow, _wide in (
    ("bw", 8, 16),
    ("bd", 8, 32),
    ("bq", 8, 64),
    ("wd", 16, 32),
    ("wq", 16, 64),
    ("dq", 32, 64),
):
    _define(f"pmovsx{_letters}", f"vpmovsx{_letters}")(_extended(sext, _narrow, _wide))
    _define(f"pmovzx{_letters}", f"vpmovzx{_letters}")(_extended(zext, _narrow, _wide))


def _interleaved(bits: int, *, high: bool) -> Callable[[Term, Term], Term]:
    def interleaved(x: Term, y: Term) -> Term:
        half = x.size() // 2
        halves = (part(each, half if high else 0, half) for each in (x, y))
        pairs = zip(*(lanes(each, bits) for each in halves), strict=True)
        return join([lane for pair in pairs for lane in pair])

    return interleaved


for _letters, _bits in (("bw", 8), ("wd", 16), ("dq", 32), ("qdq", 64)):
    _define(f"punpckl{_letters}", f"vpunpckl{_letters}")(_interleaved(_bits, high=False))
    _define(f"punpckh{_letters}", f"vpunpckh{_letters}")(_interleaved(_bits, high=True))


@_define("palignr", "vpalignr")
def _align(x: Term, y: Term, amount: Term) -> Term:
    whole = z3.Concat(x, y)
    return low(z3.LShR(whole, const(8 * known_number(amount), whole.size())), x.size())


@_define("ptest")
def _ptest(x: Term, y: Term) -> Term:
    return flag(z3.Not(nonzero(x & y)))


@_define("insertps", "vinsertps")
def _insert(x: Term, y: Term, selection: Term) -> Term:
    chosen = known_number(selection)
    found = lanes(x, 32)
    found[chosen >> 4 & 3] = lanes(y, 32)[chosen >> 6 if y.size() > 32 else 0]
    return join([const(0, 32) if chosen >> at & 1 else lane for at, lane in enumerate(found)])


def _words_shuffled(*, high: bool) -> Callable[[Term, Term], Term]:
    def shuffled(x: Term, selection: Term) -> Term:
        chosen, words = known_number(selection), lanes(x, 16)
        first = 4 if high else 0
        moved = [words[first + (chosen >> 2 * at & 3)] for at in range(4)]
        return join(words[:first] + moved + words[first + 4 :])

    return shuffled


_define("pshuflw", "vpshuflw")(_words_shuffled(high=False))
_define("pshufhw", "vpshufhw")(_words_shuffled(high=True))


@_define("pblendw", "vpblendw")
def _blend_words(x: Term, y: Term, selection: Term) -> Term:
    chosen = known_number(selection)
    pairs = zip(lanes(x, 16), lanes(y, 16), strict=True)
    return join([b if chosen >> at & 1 else a for at, (a, b) in enumerate(pairs)])


# --- floats ---

_MODES: Final = ("nearest", "floor", "ceil", "trunc")


def _rounded(bits: int) -> Callable[[Term, Term], Term]:
    def rounded(x: Term, mode: Term) -> Term:
        name = _MODES[known_number(mode) & 3]
        return lanewise(lambda lane: floats.arithmetic(name, lane), bits, x)

    return rounded


_define("roundps", "vroundps")(_rounded(32))
_define("roundpd", "vroundpd")(_rounded(64))


def _rounded_low(bits: int) -> Callable[[Term, Term, Term], Term]:
    """Return an operation that rounds the low lane of the second operand into the first one."""

    def rounded(x: Term, y: Term, mode: Term) -> Term:
        name = _MODES[known_number(mode) & 3]
        lane = floats.arithmetic(name, low(y, bits))
        return z3.Concat(part(x, bits, x.size() - bits), lane) if x.size() > bits else lane

    return rounded


_define("roundss", "vroundss")(_rounded_low(32))
_define("roundsd", "vroundsd")(_rounded_low(64))
