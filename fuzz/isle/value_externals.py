"""Extractors and constructors that are Rust functions of Cranelift and look at values."""

from __future__ import annotations

from typing import Any, Final

from backend.cranelift.isle import Term
from fuzz.entropy import Entropy
from fuzz.isle import shuffles
from fuzz.isle.matcher import INT_COMPARE, Constructor, Env, Extractor, Matcher, Relation
from fuzz.isle.unifier import Conflict, LogicVariable


def _identity(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match the same thing under another name."""
    m.match(term.args[0], variable, env)
    return True


def _flags(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match any memory flags: accesses have none for the byte order of the ISA."""
    return False


def _little_endian(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match the flags of a little-endian access; those of a big-endian ISA have to say so."""
    m.unifier.set(variable, "little")
    return True


_INT_ZERO: Final = (
    "Equal",
    *(f"Signed{c}Than{e}" for c in ("Greater", "Less") for e in ("", "OrEqual")),
)


_FLOAT_ZERO: Final = (
    "Equal",
    *(f"{c}Than{e}" for c in ("Greater", "Less") for e in ("", "OrEqual")),
)


_CODES: Final = {
    "icmp_zero_cond": frozenset(f"IntCC.{code}" for code in _INT_ZERO),
    "icmp_zero_cond_not_eq": frozenset({"IntCC.NotEqual"}),
    "fcmp_zero_cond": frozenset(f"FloatCC.{code}" for code in _FLOAT_ZERO),
    "fcmp_zero_cond_not_eq": frozenset({"FloatCC.NotEqual"}),
}


def _code(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Restrict a condition code."""
    m.unifier.restrict(variable, _CODES[term.name])
    m.match(term.args[0], variable, env)
    return True


def _mask(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Restrict the mask of a ``shuffle``, and match its lanes if the extractor binds them."""
    name = term.name
    count = shuffles.WIDE_LANES.get(name)
    if count is None:

        def draw(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
            return [shuffles.draw_mask(entropy, name)]

        m.relations.append(Relation([variable], [], lambda _: True, draw))
        return False
    lanes = [LogicVariable() for _ in range(count)]

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        mask = shuffles.draw_mask(entropy, name, results)
        drawn = shuffles.lanes_of(mask, count)
        assert drawn is not None
        # Lanes that are the same variable of the rule must be equal.
        first = {m.unifier.find(lane): n for n, lane in reversed(list(enumerate(lanes)))}
        return [shuffles.mask_of([drawn[first[m.unifier.find(lane)]] for lane in lanes])]

    def forward(mask: int) -> tuple[int, ...] | None:
        return shuffles.lanes_of(mask, count)

    m.relations.append(Relation([variable], lanes, forward, candidates))
    for arg, lane in zip(term.args, lanes, strict=True):
        m.match(arg, lane, env)
    return True


def _sinkable_load(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Define the value as a load of the size that the extractor needs."""
    if m.unifier.find(variable).opaque:
        return False
    m.define(variable, "load", "MemFlags", "Offset32")
    type_ = m.unifier.type_of(variable)
    size = term.name.rpartition("_")[2]
    if size.isdigit():
        m.unifier.keep_if(type_, lambda t: t.bits == int(size))
    elif size == "load":
        m.unifier.keep_if(type_, lambda t: t.bits >= 32)
    return False


def _extended(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Define the value as an extension."""
    if m.unifier.find(variable).opaque:
        return False
    m.define(variable, m.entropy.choice(("uextend", "sextend")))
    return False


def _extend_maybe(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match a value, or what it is extended from."""
    inner = variable
    if not m.unifier.find(variable).opaque and m.entropy.below(2):
        name = "sextend" if term.name.startswith("s") else "uextend"
        inner = m.define(variable, name)[0]
    if len(term.args) == 2:
        m.match(term.args[0], m.unifier.type_of(variable), env)
    m.match(term.args[-1], inner, env)
    return True


def _int_compare(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match the condition code and the values of a comparison."""
    if m.unifier.find(variable).opaque:
        return False
    m.match_variant(Term(INT_COMPARE, term.args), variable, env)
    return True


def _zero_register(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match the register of a zero: that is how the values of a comparison are passed on."""
    if m.unifier.find(variable).opaque:
        return False
    _zero_of(m, variable, "iconst")
    return True


# --- constructors of conditions ---


def _same_value(m: Matcher, args: list[LogicVariable]) -> LogicVariable:
    """Return the first argument."""
    return args[0]


def _sinkable_inst(m: Matcher, args: list[LogicVariable]) -> LogicVariable:
    """Define the value as a load, if it is not defined yet."""
    if not m.unifier.find(args[0]).opaque and m.unifier.find(args[0]).op is None:
        m.define(args[0], "load", "MemFlags", "Offset32")
    return args[0]


def _zero_value(m: Matcher, args: list[LogicVariable]) -> LogicVariable:
    """Define the value as a zero: a scalar constant, or one of the ways to make a zero vector."""
    variable = m.unifier.find(args[0])
    if variable.opaque:
        return variable
    if variable.op is None:
        vector = [t for t in m.unifier.type_of(variable).domain or () if t.is_vector]
        kinds = ("f32const", "f64const", "iconst") if not vector else ("splat", "vconst")
        return _zero_of(m, variable, m.entropy.choice(kinds))
    return _zero_of(m, variable, variable.op.opcode.name)


_ZERO_FIELDS: Final = {
    "f32const": "Ieee32",
    "f64const": "Ieee64",
    "iconst": "Imm64",
    "vconst": "Constant",
}


def _zero_of(m: Matcher, variable: LogicVariable, name: str) -> LogicVariable:
    """Define the value as a zero that an opcode makes."""
    if name == "splat":
        inner = m.define(variable, "splat")[0]
        _zero_of(m, inner, m.entropy.choice(("f32const", "f64const", "iconst")))
        return variable
    if name not in _ZERO_FIELDS:
        raise Conflict
    field = _ZERO_FIELDS[name]
    m.define(variable, name, field)
    op = m.unifier.find(variable).op
    assert op is not None
    m.unifier.set(op.fields[field], 0)
    return variable


def _unused(m: Matcher, args: list[LogicVariable]) -> LogicVariable:
    """Require that the first result of the instruction that is lowered is not used."""
    m.unused = True
    return LogicVariable(True)


#: Extractors that show the same thing under another name.
_IDENTITIES: Final = (
    "def_inst",
    "mem_flags_data",
    "sinkable_inst",
    "first_result",
    "u64_from_imm64",
    "u8_from_uimm8",
    "u16_from_ieee16",
    "u32_from_ieee32",
    "u64_from_ieee64",
    "ieee128_constant",
    "u128_from_immediate",
    "u128_from_constant",
    "u64_from_constant",
    "vec_mask_from_immediate",
    "vconst_from_immediate",
    "offset32",
    "imm64",
)
_SINKABLE_LOADS: Final = (
    "sinkable_load",
    "sinkable_load_exact",
    *(f"sinkable_load_{bits}" for bits in (8, 16, 32, 64, 128)),
)

EXTRACTORS: Final[dict[str, Extractor]] = {
    **dict.fromkeys(_IDENTITIES, _identity),
    "little_or_native_endian": _flags,
    "bigendian": _flags,
    "littleendian": _little_endian,
    **dict.fromkeys(shuffles.NAMES, _mask),
    **dict.fromkeys(_CODES, _code),
    **dict.fromkeys(_SINKABLE_LOADS, _sinkable_load),
    "extended_value_from_value": _extended,
    "uextend_maybe_etor": _extend_maybe,
    "sextend_maybe_etor": _extend_maybe,
    "maybe_uextend": _extend_maybe,
    "int_compare_decompose": _int_compare,
    "zero_reg": _zero_register,
}

CONSTRUCTORS: Final[dict[str, Constructor]] = {
    "block_call_block": _same_value,
    "value_regs_get": _same_value,
    "subsume": _same_value,
    "imm64": _same_value,
    "u64_from_imm64": _same_value,
    "first_result": _same_value,
    "is_sinkable_inst": _sinkable_inst,
    "zero_value": _zero_value,
    "value_is_unused": _unused,
}
