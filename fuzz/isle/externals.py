"""Extractors and constructors that are Rust functions in Cranelift: what each of them tests for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from backend.cranelift.isle import Bool, Int, Term, Wildcard
from clif.types import Type
from fuzz.entropy import Entropy
from fuzz.generate.constants import special_ints
from fuzz.isle import integer_functions, shuffles, typesets
from fuzz.isle.matcher import CONSTRUCTORS, EXTERNALS, OTHERS, Env, Matcher, Relation
from fuzz.isle.unifier import Cell, Conflict

Extractor = Callable[[Matcher, Term, Cell, Env], bool]


def _extractor(*names: str) -> Callable[[Extractor], Extractor]:
    def enter(function: Extractor) -> Extractor:
        for name in names:
            EXTERNALS[name] = function
        return function

    return enter


# --- the same thing under another name ---


@_extractor(
    "def_inst",
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
def _identity(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    m.match(term.args[0], cell, env)
    return True


@_extractor("little_or_native_endian", "mem_flags_data")
def _flags(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    return False  # any flags: those of big-endian accesses are not drawn


# --- types ---


@_extractor("value_type")
def _value_type(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    m.match(term.args[0], m.store.type_of(cell), env)
    return True


@_extractor(*typesets.SETS)
def _type_set(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    m.store.keep_if(m.store.as_type(cell), typesets.SETS[term.name])
    if len(term.args) == 1:
        m.match(term.args[0], cell, env)
    return True


@_extractor("multi_lane")
def _multi_lane(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    cell = m.store.as_type(cell)
    bits, lanes = term.args
    wanted = [arg.value if isinstance(arg, Int) else None for arg in (bits, lanes)]
    m.store.keep_if(
        cell,
        lambda t: t.is_vector and wanted[0] in (None, t.lane_bits) and wanted[1] in (None, t.lanes),
    )
    for arg, measure in ((bits, _lane_bits), (lanes, _lanes)):
        if not isinstance(arg, Int | Wildcard):
            m.match(arg, m.relate([cell], measure), env)
    return True


def _lane_bits(type_: Type) -> int:
    return type_.lane_bits


def _lanes(type_: Type) -> int:
    return type_.lanes


@_extractor("type_register_class")
def _register_class(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    variant = term.args[0]
    test = typesets.REGISTER_CLASSES.get(variant.name) if isinstance(variant, Term) else None
    if test is None:
        return False
    m.store.keep_if(m.store.as_type(cell), test)
    if variant.args and isinstance(variant.args[0], Term):
        single = variant.args[0].name.endswith("SingleRegister")
        m.store.keep_if(m.store.as_type(cell), lambda t: (t.bits <= 64) == single)
    return True


# --- constants ---


def _draws(test: Callable[[int], bool]) -> Callable[[Entropy, list[Any], list[Any]], list[Any]]:
    """Candidates for a constant of 64 bits that passes a test."""
    passing = [value for value in special_ints(64) if test(value)]

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        if results and results[0] is not None:
            return [results[0]]
        return [entropy.choice(passing) for _ in range(4)] if passing else []

    return candidates


def _through(
    m: Matcher, term: Term, cell: Cell, env: Env, convert: Callable[[int], int | None]
) -> bool:
    """An extractor from an integer to another one that is the same number."""
    result = Cell()
    if m.store.find(cell).opaque:
        return False
    draws = _draws(lambda value: convert(value) is not None)
    m.relations.append(Relation([cell], [result], convert, draws))
    m.match(term.args[0], result, env)
    return True


def _imm12(value: int) -> int | None:
    return value if value < 1 << 12 or (value & 0xFFF == 0 and value < 1 << 24) else None


_CONSTANTS: Final[dict[str, Callable[[int], int | None]]] = {
    "nonzero_u64_from_imm64": lambda a: a or None,
    "uimm8": lambda a: a if a < 256 else None,
    "u32_nonnegative": lambda a: a if a < 1 << 31 else None,
    "imm12_from_u64": _imm12,
    "u64_low32_bits_unset": lambda a: a if a & 0xFFFF_FFFF == 0 else None,
}


@_extractor(*_CONSTANTS)
def _constant(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    return _through(m, term, cell, env, _CONSTANTS[term.name])


@_extractor("imm64_power_of_two")
def _exponent(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    result = Cell()

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        exponent = entropy.below(63) if results[0] is None else results[0]
        return [1 << exponent, 1 << (exponent & 7)]

    def exponent(a: int) -> int | None:
        return a.bit_length() - 1 if 0 < a < 1 << 63 and a & (a - 1) == 0 else None

    m.relations.append(Relation([cell], [result], exponent, candidates))
    m.match(term.args[0], result, env)
    return True


@_extractor(OTHERS)
def _numeric(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    """``u8_from_u64`` and ``u64_matches_odd`` of all widths."""
    convert = integer_functions.widening(term.name)
    if convert is not None:
        return _through(m, term, cell, env, convert)
    test = integer_functions.test(term.name)
    wanted = term.args[0] if term.args else None
    if test is None or not isinstance(wanted, Bool):
        return False
    holds = wanted.value

    def passes(value: int) -> bool:
        return test(value) == holds

    m.relations.append(Relation([cell], [], passes, _draws(passes)))
    return True


def _signed_constant(m: Matcher, cell: Cell) -> Cell:
    """The number that an ``iconst`` is when it is sign-extended."""
    m.define(cell, "iconst", "Imm64")
    op = m.store.find(cell).op
    assert op is not None
    result = Cell()

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        if results[0] is None or args[0] is None or args[1] is not None:
            return []
        bits = results[0] & args[0].mask
        return [bits] if integer_functions.sign_extend(args[0], bits) == results[0] else [None]

    args = [m.store.type_of(cell), op.fields["Imm64"]]
    m.relations.append(Relation(args, [result], integer_functions.sign_extend, candidates))
    return result


@_extractor("i64_from_iconst")
def _i64_from_iconst(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    if m.store.find(cell).opaque:
        return False
    m.match(term.args[0], _signed_constant(m, cell), env)
    return True


@_extractor("inst_data_value_tupled")
def _tupled(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    inner = term.args[0]
    if not isinstance(inner, Term) or inner.name != "iconst_sextend_etor":
        return False
    m.match(inner.args[0], m.store.type_of(cell), env)
    m.match(inner.args[1], _signed_constant(m, cell), env)
    return True


@_extractor("simm32_from_value")
def _simm32(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    number = _signed_constant(m, cell)
    m.relations.append(Relation([number], [], lambda a: integer_functions.fits(a, "i32")))
    return False


@_extractor("vconst_all_ones_or_all_zeros")
def _ones_or_zeros(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        data = bytes(0xFF * entropy.below(2) for _ in range(16))
        return [(1 << 128) - 1, 0, int.from_bytes(data, "little")]

    def passes(value: int) -> bool:
        return all(byte in (0, 0xFF) for byte in value.to_bytes(16, "little"))

    m.relations.append(Relation([cell], [], passes, candidates))
    return True


# --- masks ---


@_extractor("u128_replicated_u64", "u64_replicated_u32", "u32_replicated_u16", "u16_replicated_u8")
def _replicated(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    bits = int(term.name.rpartition("u")[2])
    result = Cell()

    def half(value: int) -> int | None:
        low = value & ((1 << bits) - 1)
        return low if value == low << bits | low else None

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        low = entropy.choice(special_ints(bits)) if results[0] is None else results[0]
        return [low << bits | low]

    m.relations.append(Relation([cell], [result], half, candidates))
    m.match(term.args[0], result, env)
    return True


@_extractor(*shuffles.NAMES)
def _mask(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    name = term.name
    count = shuffles.WIDE_LANES.get(name)
    if count is None:

        def draw(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
            return [shuffles.draw_mask(entropy, name)]

        m.relations.append(Relation([cell], [], lambda _: True, draw))
        return False
    lanes = [Cell() for _ in range(count)]

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        mask = shuffles.draw_mask(entropy, name, results)
        drawn = shuffles.lanes_of(mask, count)
        assert drawn is not None
        # Lanes that are one variable of the rule are the same.
        first = {m.store.find(lane): n for n, lane in reversed(list(enumerate(lanes)))}
        return [shuffles.mask_of([drawn[first[m.store.find(lane)]] for lane in lanes])]

    def forward(mask: int) -> tuple[int, ...] | None:
        return shuffles.lanes_of(mask, count)

    m.relations.append(Relation([cell], lanes, forward, candidates))
    for arg, lane in zip(term.args, lanes, strict=True):
        m.match(arg, lane, env)
    return True


# --- condition codes ---

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


@_extractor(*_CODES)
def _code(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    m.store.restrict(cell, _CODES[term.name])
    m.match(term.args[0], cell, env)
    return True


# --- values ---


@_extractor(
    "sinkable_load",
    "sinkable_load_exact",
    *(f"sinkable_load_{bits}" for bits in (8, 16, 32, 64, 128)),
)
def _sinkable_load(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    if m.store.find(cell).opaque:
        return False
    m.define(cell, "load", "MemFlags", "Offset32")
    type_ = m.store.type_of(cell)
    size = term.name.rpartition("_")[2]
    if size.isdigit():
        m.store.keep_if(type_, lambda t: t.bits == int(size))
    elif size == "load":
        m.store.keep_if(type_, lambda t: t.bits >= 32)
    return False


@_extractor("extended_value_from_value")
def _extended(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    if m.store.find(cell).opaque:
        return False
    m.define(cell, m.entropy.choice(("uextend", "sextend")))
    return False


@_extractor("uextend_maybe_etor", "sextend_maybe_etor", "maybe_uextend")
def _extend_maybe(m: Matcher, term: Term, cell: Cell, env: Env) -> bool:
    inner = cell
    if not m.store.find(cell).opaque and m.entropy.below(2):
        name = "sextend" if term.name.startswith("s") else "uextend"
        inner = m.define(cell, name)[0]
    if len(term.args) == 2:
        m.match(term.args[0], m.store.type_of(cell), env)
    m.match(term.args[-1], inner, env)
    return True


# --- constructors of conditions ---


def _same_value(m: Matcher, args: list[Cell]) -> Cell:
    return args[0]


def _sinkable_inst(m: Matcher, args: list[Cell]) -> Cell:
    if not m.store.find(args[0]).opaque and m.store.find(args[0]).op is None:
        m.define(args[0], "load", "MemFlags", "Offset32")
    return args[0]


def _zero_value(m: Matcher, args: list[Cell]) -> Cell:
    """A constant zero: of a scalar, or of a vector in one way or another."""
    cell = m.store.find(args[0])
    if cell.opaque:
        return cell
    if cell.op is None:
        vector = [t for t in m.store.type_of(cell).domain or () if t.is_vector]
        kinds = ("f32const", "f64const", "iconst") if not vector else ("splat", "vconst")
        return _zero_of(m, cell, m.entropy.choice(kinds))
    return _zero_of(m, cell, cell.op.opcode.name)


_ZERO_FIELDS: Final = {
    "f32const": "Ieee32",
    "f64const": "Ieee64",
    "iconst": "Imm64",
    "vconst": "Constant",
}


def _zero_of(m: Matcher, cell: Cell, name: str) -> Cell:
    if name == "splat":
        inner = m.define(cell, "splat")[0]
        _zero_of(m, inner, m.entropy.choice(("f32const", "f64const", "iconst")))
        return cell
    if name not in _ZERO_FIELDS:
        raise Conflict
    field = _ZERO_FIELDS[name]
    m.define(cell, name, field)
    op = m.store.find(cell).op
    assert op is not None
    m.store.set(op.fields[field], 0)
    return cell


def _limited(low: int, high: int) -> Callable[[Matcher, list[Cell]], Cell]:
    """A constant, the last argument, that must be in a range; of the result nothing is known."""

    def demand(m: Matcher, args: list[Cell]) -> Cell:
        cell = args[-1]
        if not m.store.find(cell).opaque:

            def candidates(entropy: Entropy, _: list[Any], __: list[Any]) -> list[Any]:
                return [entropy.between(low, high), low, high]

            m.relations.append(Relation([cell], [], lambda a: low <= a <= high, candidates))
        return Cell(opaque=True)

    return demand


def _unused(m: Matcher, args: list[Cell]) -> Cell:
    """Only ever asked of the first result of the instruction that is lowered."""
    m.unused = True
    return Cell(True)


def _safe_divisor(m: Matcher, args: list[Cell]) -> Cell:
    """A constant that is neither 0 nor -1."""
    type_, cell = args
    if m.store.find(cell).opaque:
        return Cell(opaque=True)

    def safe(type_: Type, value: int) -> int | None:
        return value if value not in (0, type_.mask) else None

    def candidates(entropy: Entropy, _: list[Any], args: list[Any]) -> list[Any]:
        return [entropy.between(2, 100)]

    return m.relate([type_, cell], safe, candidates)


def enter() -> None:
    """Make all of these known to the matcher."""
    for name in ("block_call_block", "value_regs_get", "subsume", "imm64", "u64_from_imm64"):
        CONSTRUCTORS.setdefault(name, _same_value)
    CONSTRUCTORS["is_sinkable_inst"] = _sinkable_inst
    CONSTRUCTORS["first_result"] = _same_value
    CONSTRUCTORS["zero_value"] = _zero_value
    CONSTRUCTORS["lshl_from_imm64"] = _limited(0, 4)
    CONSTRUCTORS["imm_shift_from_imm64"] = _limited(0, 63)
    CONSTRUCTORS["value_is_unused"] = _unused
    CONSTRUCTORS["safe_divisor_from_imm64"] = _safe_divisor


enter()
