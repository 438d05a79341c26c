"""Extractors and constructors that are Rust functions of Cranelift and test constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from backend.cranelift.isle import Bool, Term
from clif.types import Type
from fuzz.entropy import Entropy
from fuzz.generate.constants import special_ints
from fuzz.isle import integer_functions
from fuzz.isle.matcher import Constructor, Env, Extractor, Matcher, Relation
from fuzz.isle.unifier import LogicVariable


def _draws(test: Callable[[int], bool]) -> Callable[[Entropy, list[Any], list[Any]], list[Any]]:
    """Return a function that proposes constants of 64 bits that pass a test."""
    passing = [value for value in special_ints(64) if test(value)]

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        if results and results[0] is not None:
            return [results[0]]
        return [entropy.choice(passing) for _ in range(4)] if passing else []

    return candidates


def _through(
    m: Matcher, term: Term, variable: LogicVariable, env: Env, convert: Callable[[int], int | None]
) -> bool:
    """Match an integer that is converted to another one of the same value."""
    result = LogicVariable()
    if m.unifier.find(variable).opaque:
        return False
    draws = _draws(lambda value: convert(value) is not None)
    m.relations.append(Relation([variable], [result], convert, draws))
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


def _constant(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match a constant that one of ``_CONSTANTS`` accepts."""
    return _through(m, term, variable, env, _CONSTANTS[term.name])


def _exponent(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match a power of two by its exponent."""
    result = LogicVariable()

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        exponent = entropy.below(63) if results[0] is None else results[0]
        return [1 << exponent, 1 << (exponent & 7)]

    def exponent(a: int) -> int | None:
        return a.bit_length() - 1 if 0 < a < 1 << 63 and a & (a - 1) == 0 else None

    m.relations.append(Relation([variable], [result], exponent, candidates))
    m.match(term.args[0], result, env)
    return True


def numeric(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match ``u8_from_u64`` and ``u64_matches_odd`` of all widths."""
    convert = integer_functions.widening(term.name)
    if convert is not None:
        return _through(m, term, variable, env, convert)
    test = integer_functions.test(term.name)
    wanted = term.args[0] if term.args else None
    if test is None or not isinstance(wanted, Bool):
        return False
    holds = wanted.value

    def passes(value: int) -> bool:
        return test(value) == holds

    m.relations.append(Relation([variable], [], passes, _draws(passes)))
    return True


def _signed_constant(m: Matcher, variable: LogicVariable) -> LogicVariable:
    """Define the value as an ``iconst``, and return the variable for its sign-extended number."""
    m.define(variable, "iconst", "Imm64")
    op = m.unifier.find(variable).op
    assert op is not None
    result = LogicVariable()

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        if results[0] is None or args[0] is None or args[1] is not None:
            return []
        bits = results[0] & args[0].mask
        return [bits] if integer_functions.sign_extend(args[0], bits) == results[0] else [None]

    args = [m.unifier.type_of(variable), op.fields["Imm64"]]
    m.relations.append(Relation(args, [result], integer_functions.sign_extend, candidates))
    return result


def _i64_from_iconst(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match the sign-extended number of an ``iconst``."""
    if m.unifier.find(variable).opaque:
        return False
    m.match(term.args[0], _signed_constant(m, variable), env)
    return True


def _tupled(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match type and sign-extended number of an ``iconst``."""
    inner = term.args[0]
    if not isinstance(inner, Term) or inner.name != "iconst_sextend_etor":
        return False
    m.match(inner.args[0], m.unifier.type_of(variable), env)
    m.match(inner.args[1], _signed_constant(m, variable), env)
    return True


def _simm32(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Restrict the value to an ``iconst`` that fits in 32 signed bits."""
    number = _signed_constant(m, variable)
    m.relations.append(Relation([number], [], lambda a: integer_functions.fits(a, "i32")))
    return False


def _ones_or_zeros(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Restrict a vector constant to bytes of all ones or all zeros."""

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        data = bytes(0xFF * entropy.below(2) for _ in range(16))
        return [(1 << 128) - 1, 0, int.from_bytes(data, "little")]

    def passes(value: int) -> bool:
        return all(byte in (0, 0xFF) for byte in value.to_bytes(16, "little"))

    m.relations.append(Relation([variable], [], passes, candidates))
    return True


def _replicated(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match a constant whose two halves are the same."""
    bits = int(term.name.rpartition("u")[2])
    result = LogicVariable()

    def half(value: int) -> int | None:
        low = value & ((1 << bits) - 1)
        return low if value == low << bits | low else None

    def candidates(entropy: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        low = entropy.choice(special_ints(bits)) if results[0] is None else results[0]
        return [low << bits | low]

    m.relations.append(Relation([variable], [result], half, candidates))
    m.match(term.args[0], result, env)
    return True


# --- constructors of conditions ---


def _limited(low: int, high: int) -> Callable[[Matcher, list[LogicVariable]], LogicVariable]:
    """Return a constructor that restricts its last argument to a range; its result is unknown."""

    def precondition(m: Matcher, args: list[LogicVariable]) -> LogicVariable:
        variable = args[-1]
        if not m.unifier.find(variable).opaque:

            def candidates(entropy: Entropy, _: list[Any], __: list[Any]) -> list[Any]:
                return [entropy.between(low, high), low, high]

            m.relations.append(Relation([variable], [], lambda a: low <= a <= high, candidates))
        return LogicVariable(opaque=True)

    return precondition


def _safe_divisor(m: Matcher, args: list[LogicVariable]) -> LogicVariable:
    """Restrict a constant to values other than 0 and -1."""
    type_, variable = args
    if m.unifier.find(variable).opaque:
        return LogicVariable(opaque=True)

    def safe(type_: Type, value: int) -> int | None:
        return value if value not in (0, type_.mask) else None

    def candidates(entropy: Entropy, _: list[Any], args: list[Any]) -> list[Any]:
        return [entropy.between(2, 100)]

    return m.relate([type_, variable], safe, candidates)


EXTRACTORS: Final[dict[str, Extractor]] = {
    **dict.fromkeys(_CONSTANTS, _constant),
    "imm64_power_of_two": _exponent,
    "i64_from_iconst": _i64_from_iconst,
    "inst_data_value_tupled": _tupled,
    "simm32_from_value": _simm32,
    "vconst_all_ones_or_all_zeros": _ones_or_zeros,
    "u128_replicated_u64": _replicated,
    "u64_replicated_u32": _replicated,
    "u32_replicated_u16": _replicated,
    "u16_replicated_u8": _replicated,
}

CONSTRUCTORS: Final[dict[str, Constructor]] = {
    "lshl_from_imm64": _limited(0, 4),
    "imm_shift_from_imm64": _limited(0, 63),
    "safe_divisor_from_imm64": _safe_divisor,
}
