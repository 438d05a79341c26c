"""Why a rule has not fired: computed from the rule and from what became of its fragments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache

from backend.isle import LOWERING, And, Bind, Bool, Pattern, Rule, Term, Unit, unit
from backend.target import ISAS
from fuzz.rules import functions, typesets
from fuzz.rules.argued import ARGUED
from fuzz.rules.fragment import Fragment
from fuzz.rules.matcher import CONSTRUCTORS, EXTERNALS, is_variant
from fuzz.rules.paths import Paths, terms
from fuzz.rules.recipe import SLOTS, Recipe, Refusal, Refused


class Reason(Enum):
    """Kinds of reasons."""

    NO_CODE = "no code of its own"
    FEATURE = "not on the emulated CPU"
    ARGUED = "cannot fire"
    UNCALLED = "nothing calls it"
    SHADOWED = "shadowed"
    KNOWN = "known fault"
    ELSEWHERE = "no fragment"
    UNSOLVED = "not turned round"
    UNMET = "not met"
    CHANCE = "not yet"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule has not fired, as a kind and in words."""

    reason: Reason
    text: str

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.text}"


def explain(unit_name: str, rule: Rule, recipe: Recipe | None) -> Explanation:
    """The reason that a rule with code of its own has not fired; ``recipe`` is what aims at it."""
    name = unit_name
    flags = sorted(lacking_flags(name, rule))
    if flags:
        return Explanation(Reason.FEATURE, f"needs {', '.join(flags)}")
    argument = ARGUED.get((name, str(rule)))
    if argument is not None:
        return Explanation(Reason.ARGUED, argument)
    if recipe is None:
        return Explanation(Reason.UNCALLED, f"no rule that is reached calls {rule.left.name}")
    made = [f for slot in range(SLOTS) if (f := recipe.fragment(slot)) is not None]
    if any(map(recipe.fires, range(SLOTS))):
        return Explanation(Reason.CHANCE, "by itself it fires")
    if not made:
        return _refused(recipe)
    return _instead(recipe, made)


def _refused(recipe: Recipe) -> Explanation:
    """No attempt came to a fragment."""
    refused = [a for n in range(SLOTS) if isinstance(a := recipe.attempt(n), Refused)]
    (kind, detail), _ = Counter((r.refusal, r.detail) for r in refused).most_common(1)[0]
    text = f"{kind.value} ({detail})" if detail else kind.value
    match kind:
        case Refusal.KNOWN:
            return Explanation(Reason.KNOWN, text)
        case Refusal.ELSEWHERE | Refusal.UNSUPPORTED:
            return Explanation(Reason.ELSEWHERE, text)
        case _:
            return Explanation(Reason.UNSOLVED, text)


def _instead(recipe: Recipe, made: list[Fragment]) -> Explanation:
    """Its fragments fire other rules: perhaps always one that comes before it."""
    rivals = {recipe.trials.number(recipe.unit, rule): rule for rule in _rivals(recipe)}
    winners: Counter[Rule] = Counter()
    taken = 0
    for fragment in made:
        fired = {
            number for numbers in recipe.trials.fired(recipe.unit, fragment) for number in numbers
        }
        before = {rule for number, rule in rivals.items() if number in fired}
        winners.update(before)
        taken += bool(before)
    if taken == len(made):
        rule, _ = winners.most_common(1)[0]
        text = f"{rule.file}:{rule.line} (priority {rule.priority}) is taken for its fragments"
        return Explanation(Reason.SHADOWED, text)
    unknown = sorted(opaque_terms(recipe.unit, recipe.rule))
    hint = f"; left to chance: {', '.join(unknown)}" if unknown else ""
    return Explanation(Reason.UNMET, f"{len(made)} fragments do not fire it{hint}")


def _rivals(recipe: Recipe) -> Iterator[Rule]:
    """Rules of the same term that are tried before it."""
    own = recipe.rule
    by_opcode = own.left.name in ("lower", "lower_branch")
    for rule in recipe.unit.rules:
        earlier = rule.left.name == own.left.name and rule.priority > own.priority
        if earlier and (not by_opcode or _heads(rule) & _heads(own)):
            yield rule


@cache
def _heads(rule: Rule) -> frozenset[str]:
    """The opcodes, or other terms, that the rule's first argument is."""
    return frozenset(_head_terms(rule.left.args[0])) if rule.left.args else frozenset()


def _head_terms(pattern: Pattern) -> Iterator[str]:
    if isinstance(pattern, Bind):
        yield from _head_terms(pattern.pattern)
    elif isinstance(pattern, And):
        for part in pattern.patterns:
            yield from _head_terms(part)
    elif isinstance(pattern, Term):
        yield pattern.name


# --- features ---


def lacking_flags(unit_name: str, rule: Rule) -> frozenset[str]:
    """The ISA flags that the rule, or every way to it, needs and the emulated CPU lacks."""
    isa = next((isa for isa, name in LOWERING.items() if name == unit_name), None)
    if isa is None:
        return frozenset()
    return _lacking(unit_name, isa, rule, ())


def _lacking(unit_name: str, isa: str, rule: Rule, way: tuple[Rule, ...]) -> frozenset[str]:
    own = flags_of(rule) & ISAS[isa].lacks
    if own or rule.left.name in ("lower", "lower_branch") or rule in way:
        return own
    callers = [c for c in _paths(unit_name).callers(rule.left.name) if c not in way]
    found = [_lacking(unit_name, isa, caller, (*way, rule)) for caller in callers]
    return frozenset.union(*found) if found and all(found) else frozenset()


def flags_of(rule: Rule) -> frozenset[str]:
    """The ISA flags that must be on, by the names of the terms that ask for them."""
    asked = [t.name for t in _pattern_terms(rule.left)]
    for pattern, expr in rule.conditions:
        if isinstance(expr, Term) and not (isinstance(pattern, Bool) and not pattern.value):
            asked.append(expr.name)
    return frozenset(
        f"has_{name.partition('_')[2]}" for name in asked if name.startswith(("has_", "use_"))
    )


def _pattern_terms(pattern: Pattern) -> Iterator[Term]:
    if isinstance(pattern, Bind):
        yield from _pattern_terms(pattern.pattern)
    elif isinstance(pattern, And):
        for part in pattern.patterns:
            yield from _pattern_terms(part)
    elif isinstance(pattern, Term):
        yield pattern
        for arg in pattern.args:
            yield from _pattern_terms(arg)


@cache
def _paths(unit_name: str) -> Paths:
    return Paths(unit(unit_name))


# --- what is left to chance ---


def opaque_terms(of: Unit, rule: Rule) -> frozenset[str]:
    """The terms of a rule's pattern and conditions that nothing is known of."""
    extractors = {t.name for t in _pattern_terms(rule.left)}
    called: set[str] = set()
    for pattern, expr in rule.conditions:
        extractors |= {t.name for t in _pattern_terms(pattern)}
        called |= {t.name for t in terms(expr)}
    unknown = {
        name
        for name in extractors - {rule.left.name}
        if name in of.external and name not in EXTERNALS and name not in of.extractors
    }
    internal = {other.left.name for other in of.rules}
    unknown |= {
        name
        for name in called
        if not is_variant(name)
        and name not in internal
        and name not in CONSTRUCTORS
        and name not in typesets.FUNCTIONS
        and name not in typesets.SETS
        and functions.forward(name) is None
    }
    return frozenset(unknown)
