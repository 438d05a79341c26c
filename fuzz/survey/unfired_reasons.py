"""Reasons why a rule has not fired, derived from the rule and from compiling its fragments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache

from backend.cranelift.isle import LOWERING, And, Bind, Bool, Const, Pattern, Rule, Term, Unit, unit
from backend.cranelift.opcodes import OPCODES
from backend.isa.registry import ISAS
from fuzz.isle import integer_functions, typesets
from fuzz.isle.externals import EXTERNALS
from fuzz.isle.fragment import Fragment
from fuzz.isle.rule_fragments import VARIANTS, Refusal, Refused, RuleFragments
from fuzz.isle.rule_paths import ROOTS, RulePaths
from fuzz.isle.rule_terms import is_enum_variant, terms
from fuzz.known import faults as known_faults
from fuzz.survey.justified_unfired import JUSTIFIED
from interp import MEANINGS, REASONS


class Reason(Enum):
    """Kinds of reasons (docs/coverage.md explains each)."""

    NO_CODE = "no code of its own"
    FEATURE = "not on the emulated CPU"
    JUSTIFIED = "cannot fire"
    UNCALLED = "nothing calls it"
    SHADOWED = "shadowed"
    UNSEEN = "fires unseen"
    UNLOWERED = "not lowered"
    KNOWN = "known fault"
    ELSEWHERE = "no fragment"
    UNSOLVED = "not solved"
    UNMET = "not met"
    CHANCE = "not yet"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule has not fired: the kind of reason, and details."""

    reason: Reason
    text: str

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.text}"


def explain(unit_name: str, rule: Rule, of_rule: RuleFragments | None) -> Explanation:
    """Return why a rule with code of its own has not fired.

    Args:
        unit_name: of the unit of rules that it is part of.
        of_rule: its fragments; None if no rule for an instruction reaches it by calls.
    """
    name = unit_name
    flags = sorted(lacking_flags(name, rule))
    if flags:
        return Explanation(Reason.FEATURE, f"needs {', '.join(flags)}")
    justification = JUSTIFIED.get((name, str(rule.left)))
    if justification is not None:
        return Explanation(Reason.JUSTIFIED, justification)
    if of_rule is None:
        return Explanation(Reason.UNCALLED, f"no rule that is reached calls {rule.left.name}")
    made = [f for number in range(VARIANTS) if (f := of_rule.fragment(number)) is not None]
    if any(map(of_rule.fires, range(VARIANTS))):
        return Explanation(Reason.CHANCE, "a fragment compiled alone fires it")
    if not made:
        return _refused(of_rule)
    return _instead(of_rule, made)


def _refused(of_rule: RuleFragments) -> Explanation:
    """Return why no candidate became a fragment: the most frequent reason."""
    refused = [a for n in range(VARIANTS) if isinstance(a := of_rule.candidate(n), Refused)]
    (kind, detail), _ = Counter((r.refusal, r.detail) for r in refused).most_common(1)[0]
    text = f"{kind.value} ({detail})" if detail else kind.value
    match kind:
        case Refusal.KNOWN:
            return Explanation(Reason.KNOWN, text)
        case Refusal.ELSEWHERE | Refusal.UNSUPPORTED:
            return Explanation(Reason.ELSEWHERE, text)
        case _:
            lacking = unlowered(of_rule)
            return (
                Explanation(Reason.UNLOWERED, lacking)
                if lacking
                else Explanation(Reason.UNSOLVED, text)
            )


def unlowered(of_rule: RuleFragments) -> str:
    """Return the first instruction of a rule's pattern that no case can have, and why; or empty."""
    for term in _pattern_terms(of_rule.rule.left):
        opcode = OPCODES.get(term.name)
        if opcode is None:
            continue
        instructions = of_rule.instruction_set.by_name.get(term.name, ())
        type_ = term.args[0].name.lower() if term.args and isinstance(term.args[0], Const) else ""
        if type_ and any(
            instruction.type is None or instruction.type.name == type_
            for instruction in instructions
        ):
            continue
        if not type_ and instructions:
            continue
        return _why_unlowered(term.name, type_)
    return ""


def _why_unlowered(opcode: str, type_: str) -> str:
    name = f"{opcode}.{type_}" if type_ else opcode
    if opcode not in MEANINGS:
        return f"{name} has no meaning in the interpreter: {REASONS.get(opcode, 'not written yet')}"
    for fault in known_faults.current():
        if opcode in fault.instructions.opcodes and type_ in ("", *fault.instructions.types):
            return f"{name} is left out for the known fault {fault.name}"
    return f"no ISA lowers {name}"


def _instead(of_rule: RuleFragments, made: list[Fragment]) -> Explanation:
    """Return why fragments do not fire their rule, from the rules that they do fire.

    Another rule of higher priority may always win. Or no rule is seen to fire although one must:
    then it is this rule, or another one whose code has no counter.
    """
    rivals = {of_rule.compiler.number(of_rule.unit, rule): rule for rule in _rivals(of_rule)}
    callers = {of_rule.compiler.number(of_rule.unit, rule) for rule in _callers(of_rule)}
    winners: Counter[Rule] = Counter()
    unseen = 0
    for fragment in made:
        for fired in of_rule.compiler.fired(of_rule.unit, fragment):
            seen = [rule for number, rule in rivals.items() if number in fired]
            winners.update(seen)
            unseen += bool(fired) and not seen and (not callers or bool(callers & set(fired)))
    if unseen and not opaque_terms(of_rule.unit, of_rule.rule):
        return Explanation(
            Reason.UNSEEN,
            f"{_what(of_rule)} compiles, and no other rule for it is seen to fire: this one, or "
            "one without code of its own, fires where there is no counter",
        )
    if winners:
        rule, _ = winners.most_common(1)[0]
        text = f"alone, its fragments fire {rule.file}:{rule.line} (priority {rule.priority})"
        kind = Reason.SHADOWED if rule.priority > of_rule.rule.priority else Reason.UNMET
        return Explanation(kind, text)
    unknown = sorted(opaque_terms(of_rule.unit, of_rule.rule))
    hint = f"; left to chance: {', '.join(unknown)}" if unknown else ""
    return Explanation(Reason.UNMET, f"{len(made)} fragments do not fire it{hint}")


def _rivals(of_rule: RuleFragments) -> Iterator[Rule]:
    """Yield the other rules of the same term; of ``lower``, only those for the same opcode."""
    own = of_rule.rule
    by_opcode = own.left.name in ROOTS
    for rule in of_rule.unit.rules:
        if rule is own or rule.left.name != own.left.name:
            continue
        if not by_opcode or _heads(rule) & _heads(own):
            yield rule


def _callers(of_rule: RuleFragments) -> list[Rule]:
    """Return the rules that call a helper; none if the rule is not a helper's."""
    term = of_rule.rule.left.name
    return [] if term in ROOTS else of_rule.paths.callers(term)


def _what(of_rule: RuleFragments) -> str:
    rule = of_rule.rule
    heads = _heads(rule) & OPCODES.keys() if rule.left.name in ROOTS else {rule.left.name}
    return " ".join(sorted(heads)) or "it"


@cache
def _heads(rule: Rule) -> frozenset[str]:
    """Return the opcodes, or other terms, that the rule's first argument matches."""
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
    """Return the ISA flags that the rule, or every rule calling it, needs but the CPU lacks."""
    isa = next((isa for isa in ISAS if LOWERING.get(isa) == unit_name), None)
    if isa is None:
        return frozenset()
    return _lacking(unit_name, isa, rule, ())


def _lacking(unit_name: str, isa: str, rule: Rule, way: tuple[Rule, ...]) -> frozenset[str]:
    own = flags_of(rule) & ISAS[isa].flags.lacks
    if own or rule.left.name in ("lower", "lower_branch") or rule in way:
        return own
    callers = [c for c in _paths(unit_name).callers(rule.left.name) if c not in way]
    found = [_lacking(unit_name, isa, caller, (*way, rule)) for caller in callers]
    return frozenset.union(*found) if found and all(found) else frozenset()


def flags_of(rule: Rule) -> frozenset[str]:
    """Return the ISA flags that a rule needs, from the names of the terms that test for them."""
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
def _paths(unit_name: str) -> RulePaths:
    return RulePaths(unit(unit_name))


# --- unknown terms ---


def opaque_terms(of: Unit, rule: Rule) -> frozenset[str]:
    """Return the terms of a rule's pattern and conditions whose meaning is unknown."""
    extractors = {t.name for t in _pattern_terms(rule.left)}
    called: set[str] = set()
    for pattern, expr in rule.conditions:
        extractors |= {t.name for t in _pattern_terms(pattern)}
        called |= {t.name for t in terms(expr)}
    unknown = {
        name
        for name in extractors - {rule.left.name}
        if name in of.external and name not in EXTERNALS.extractors and name not in of.extractors
    }
    internal = {other.left.name for other in of.rules}
    unknown |= {
        name
        for name in called
        if not is_enum_variant(name)
        and not name.startswith(("has_", "use_"))
        and name not in internal
        and name not in EXTERNALS.constructors
        and name not in typesets.FUNCTIONS
        and name not in typesets.SETS
        and integer_functions.forward(name) is None
    }
    return frozenset(unknown)
