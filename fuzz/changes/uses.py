"""Which rules use what was changed, directly or through terms that do."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from backend.cranelift.isle import And, Bind, Const, Let, Rule, Term, Unit

#: The terms that Cranelift itself calls.
ROOTS: Final = frozenset({"simplify", "simplify_skeleton", "lower", "lower_branch"})


def users(unit: Unit, changed: Collection[str], rules: Collection[Rule]) -> list[Rule]:
    """Return the rules of a unit that use something that was changed, in the unit's order.

    A rule of a helper makes the rules that call the helper users as well, and so on up to those for
    instructions.

    Args:
        changed: names of terms, types and constants that were declared in another way.
        rules: the rules that were changed themselves, which are not returned.
    """
    names = set(changed) | {rule.left.name for rule in rules} - ROOTS
    if not names:
        return []
    own = {(rule.file, rule.line) for rule in rules}
    names_of = {(rule.file, rule.line): _names_of_rule(rule) for rule in unit.rules}
    templates = {e.name: set(names_in(e.template)) for e in unit.extractors.values()}
    found: set[tuple[str, int]] = set()
    while True:
        more = {name for name, inside in templates.items() if inside & names}
        for rule in unit.rules:
            place = rule.file, rule.line
            if names_of[place] & names and place not in found:
                found.add(place)
                more |= {rule.left.name} - ROOTS
        if more <= names:
            break
        names |= more
    return [rule for rule in unit.rules if (rule.file, rule.line) in found - own]


def _names_of_rule(rule: Rule) -> set[str]:
    """Return the names in a rule, without the term that it is a rule of."""
    names = {name for arg in rule.left.args for name in names_in(arg)} | set(names_in(rule.right))
    for pattern, expr in rule.conditions:
        names |= {*names_in(pattern), *names_in(expr)}
    return names


def names_in(node: Any) -> Iterator[str]:
    """Yield the names of terms, types and constants in a pattern or an expression."""
    if isinstance(node, Term):
        yield node.name
        if "." in node.name:
            yield node.name.partition(".")[0]  # an enum
        for arg in node.args:
            yield from names_in(arg)
    elif isinstance(node, Const):
        yield node.name
    elif isinstance(node, Bind):
        yield from names_in(node.pattern)
    elif isinstance(node, And):
        for pattern in node.patterns:
            yield from names_in(pattern)
    elif isinstance(node, Let):
        for _, type_, value in node.definitions:
            yield type_
            yield from names_in(value)
        yield from names_in(node.body)
