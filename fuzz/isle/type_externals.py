"""Extractors that are Rust functions of Cranelift and look at types."""

from __future__ import annotations

from typing import Final

from backend.cranelift.isle import Int, Term, Wildcard
from clif.types import Type
from fuzz.isle import typesets
from fuzz.isle.matcher import Env, Extractor, Matcher
from fuzz.isle.unifier import LogicVariable


def _value_type(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match the type of a value."""
    m.match(term.args[0], m.unifier.type_of(variable), env)
    return True


def _type_set(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match a type of a set."""
    m.unifier.keep_if(m.unifier.as_type(variable), typesets.SETS[term.name])
    if len(term.args) == 1:
        m.match(term.args[0], variable, env)
    return True


def _multi_lane(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match a vector type, with the width and number of its lanes."""
    variable = m.unifier.as_type(variable)
    bits, lanes = term.args
    wanted = [arg.value if isinstance(arg, Int) else None for arg in (bits, lanes)]
    m.unifier.keep_if(
        variable,
        lambda t: t.is_vector and wanted[0] in (None, t.lane_bits) and wanted[1] in (None, t.lanes),
    )
    for arg, measure in ((bits, _lane_bits), (lanes, _lanes)):
        if not isinstance(arg, Int | Wildcard):
            m.match(arg, m.relate([variable], measure), env)
    return True


def _lane_bits(type_: Type) -> int:
    return type_.lane_bits


def _lanes(type_: Type) -> int:
    return type_.lanes


def _register_class(m: Matcher, term: Term, variable: LogicVariable, env: Env) -> bool:
    """Match a type by the class and number of registers that it needs."""
    variant = term.args[0]
    test = typesets.REGISTER_CLASSES.get(variant.name) if isinstance(variant, Term) else None
    if test is None:
        return False
    m.unifier.keep_if(m.unifier.as_type(variable), test)
    if variant.args and isinstance(variant.args[0], Term):
        single = variant.args[0].name.endswith("SingleRegister")
        m.unifier.keep_if(m.unifier.as_type(variable), lambda t: (t.bits <= 64) == single)
    return True


EXTRACTORS: Final[dict[str, Extractor]] = {
    "value_type": _value_type,
    **dict.fromkeys(typesets.SETS, _type_set),
    "multi_lane": _multi_lane,
    "type_register_class": _register_class,
}
