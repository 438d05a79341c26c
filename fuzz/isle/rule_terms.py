"""The terms of rules: walking through expressions, substituting in patterns, reading names."""

from __future__ import annotations

from collections.abc import Iterator

from backend.cranelift.isle import And, Bind, Expr, Let, Pattern, Term, Var
from clif.types import Type, by_name
from fuzz.isle.unifier import Conflict


def terms(expr: Expr) -> Iterator[Term]:
    """Every term of an expression."""
    if isinstance(expr, Let):
        for _, _, value in expr.definitions:
            yield from terms(value)
        yield from terms(expr.body)
    elif isinstance(expr, Term):
        yield expr
        for arg in expr.args:
            yield from terms(arg)


def type_constant(name: str) -> Type:
    """The type that an external constant stands for. Raises Conflict for others."""
    try:
        return by_name(name.lower())
    except KeyError:
        raise Conflict from None


def is_enum_variant(name: str) -> bool:
    """``IntCC.Equal``, in contrast to a term."""
    return "." in name


def substitute(pattern: Pattern, replacements: dict[str, Pattern]) -> Pattern:
    """An extractor's template with the patterns that it was called with."""
    if isinstance(pattern, Var):
        return replacements.get(pattern.name, pattern)
    if isinstance(pattern, Bind):
        inner = substitute(pattern.pattern, replacements)
        given = replacements.get(pattern.name)
        return And((given, inner)) if given is not None else Bind(pattern.name, inner)
    if isinstance(pattern, And):
        return And(tuple(substitute(part, replacements) for part in pattern.patterns))
    if isinstance(pattern, Term):
        return Term(pattern.name, tuple(substitute(arg, replacements) for arg in pattern.args))
    return pattern
