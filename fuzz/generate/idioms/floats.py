"""Shapes of float code: signs, extremes, fused products, conversions there and back."""

from __future__ import annotations

from clif.floats import fraction_bits
from clif.function import Value
from clif.typed_instructions import FLOAT_CONDITIONS
from clif.types import F32, F64, I32, I64, Type
from fuzz.generate.constants import draw_bits
from fuzz.generate.idioms.part import EmitPart, Idiom, op
from fuzz.generate.operands import pick, pick_other
from fuzz.generate.writer import Writer

_FLOATS = (F32, F64)
_BINARY = ("fadd", "fsub", "fmul", "fdiv", "fmin", "fmax", "fcopysign")


def _fused(w: Writer, t: Type) -> Value:
    """A product and a sum, or a fused one with a negated operand."""
    if w.entropy.below(2):
        product = w.op("fmul", pick(w, t), pick(w, t))
        return w.op(w.entropy.choice(("fadd", "fsub")), product, pick(w, t))
    args = [pick(w, t) for _ in range(3)]
    at = w.entropy.below(3)
    args[at] = w.op("fneg", args[at])
    return w.op("fma", *args)


def _float_extreme(w: Writer, t: Type) -> Value:
    x = pick(w, t)
    y = pick_other(w, t, x)
    return w.op("select", w.op("fcmp", x, y, cond=w.entropy.choice(FLOAT_CONDITIONS)), x, y)


def _float_sign(w: Writer, t: Type) -> Value:
    """fneg, fabs and a sum: signs that can be moved."""
    name = w.entropy.choice(("fneg", "fabs"))
    return w.op(w.entropy.choice(("fadd", "fsub", "fmul")), pick(w, t), w.op(name, pick(w, t)))


def _sign_of_sign(w: Writer, t: Type) -> Value:
    names = ("fneg", "fabs", "fneg", "fcopysign", "sqrt", "ceil", "trunc")
    value = pick(w, t)
    for _ in range(2):
        name = w.entropy.choice(names)
        if name == "fcopysign":
            sign = op(w, "fneg", pick(w, t)) if w.entropy.below(2) else pick(w, t)
            value = op(w, name, value, sign)
        else:
            value = op(w, name, value)
    return value


def _by_constant(w: Writer, t: Type) -> Value:
    """An operation with 0, 1, -1, a power of two, or any constant, on either side."""
    one = ((1 << (t.lane_bits - 2 - fraction_bits(t))) - 1) << fraction_bits(t)
    powers = (one, one | t.sign_bit, one + (1 << fraction_bits(t)), one - (1 << fraction_bits(t)))
    bits = w.entropy.choice((0, t.sign_bit, *powers, draw_bits(w.entropy, t)))
    args = [pick(w, t), w.constant(t, bits)]
    if w.entropy.below(3) == 0:
        args.reverse()
    return op(w, w.entropy.choice(_BINARY), *args)


def _same_twice(w: Writer, t: Type) -> Value:
    x = pick(w, t)
    return op(w, w.entropy.choice(_BINARY), x, x)


def _there_and_back(w: Writer, t: Type) -> Value:
    """To an integer or another float and back, rounded before."""
    x = pick(w, t)
    if w.entropy.below(3) == 0:
        x = op(w, w.entropy.choice(("trunc", "floor", "nearest")), x)
    kind = w.entropy.below(3)
    if kind == 0 and t is F32:
        return op(w, "fdemote", op(w, "sqrt", op(w, "fpromote", x, type=F64)), type=t)
    if kind == 1:
        same = I32 if t is F32 else I64
        changed = op(w, w.entropy.choice(("bnot", "ineg")), op(w, "bitcast", x, type=same))
        return op(w, "bitcast", changed, type=t)
    sign = w.entropy.choice(("sint", "uint"))
    number = op(w, f"fcvt_to_{sign}_sat", x, type=w.entropy.choice((I32, I64)))
    return op(w, f"fcvt_from_{w.entropy.choice(('sint', 'uint'))}", number, type=t)


def _select_by_float(w: Writer, t: Type) -> Value:
    """Every condition, with arms that have nothing to do with it."""
    x = pick(w, t)
    chosen = op(w, "fcmp", x, pick_other(w, t, x), cond=w.entropy.choice(FLOAT_CONDITIONS))
    arms = w.entropy.choice([a for a in w.swarm.types if not a.is_vector])
    return op(w, "select", chosen, pick(w, arms), pick(w, arms))


IDIOMS: tuple[EmitPart, ...] = (
    Idiom(_fused, _FLOATS, ("fadd", "fmul", "fneg")),
    Idiom(_float_extreme, _FLOATS),
    Idiom(_float_sign, _FLOATS, ("fneg", "fabs")),
    Idiom(_sign_of_sign, _FLOATS),
    Idiom(_by_constant, _FLOATS),
    Idiom(_same_twice, _FLOATS),
    Idiom(_there_and_back, _FLOATS),
    Idiom(_select_by_float, _FLOATS),
)
