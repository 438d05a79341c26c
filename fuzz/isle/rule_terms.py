"""The terms of rules: iterating over them, substituting in them, reading their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from backend.cranelift.isle import And, Bind, Expr, Let, Pattern, Rule, Term, Unit, Var
from clif.types import Type, by_name
from fuzz.isle.unifier import Conflict


def terms(expr: Expr) -> Iterator[Term]:
    """Yield every term of an expression."""
    if isinstance(expr, Let):
        for _, _, value in expr.definitions:
            yield from terms(value)
        yield from terms(expr.body)
    elif isinstance(expr, Term):
        yield expr
        for arg in expr.args:
            yield from terms(arg)


def type_constant(name: str) -> Type:
    """Return the type that an external constant stands for.

    Raises:
        Conflict: the constant is no type.
    """
    try:
        return by_name(name.lower())
    except KeyError:
        raise Conflict from None


def is_enum_variant(name: str) -> bool:
    """Return whether a name is that of an enum's variant, as ``IntCC.Equal``, and not of a term."""
    return "." in name


def substitute(pattern: Pattern, replacements: dict[str, Pattern]) -> Pattern:
    """Replace the parameters in an extractor's template by the patterns of a call."""
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


_BY_TERM: Final[dict[str, dict[str, tuple[Rule, ...]]]] = {}


def rules_by_term(unit: Unit) -> dict[str, tuple[Rule, ...]]:
    """Return the rules of each term of a unit."""
    found = _BY_TERM.get(unit.name)
    if found is None:
        rules: dict[str, list[Rule]] = {}
        for rule in unit.rules:
            rules.setdefault(rule.left.name, []).append(rule)
        found = _BY_TERM[unit.name] = {name: tuple(each) for name, each in rules.items()}
    return found
