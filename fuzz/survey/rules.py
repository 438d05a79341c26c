"""The state of every ISLE rule: what fires it, how often it was tested, or why it never fired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, Final

from backend.cranelift import isle
from backend.cranelift.isa_names import RULE_GROUPS
from backend.cranelift.isle import LOWERING, units_of
from backend.cranelift.rule_edges import RulesError, known_rules, rule_id
from backend.cranelift.rule_map import GROUPS, RuleId, RuleMap
from fuzz.generate.options import Options
from fuzz.isle.director import RuleDirector
from fuzz.isle.rule_fragments import VARIANTS, RuleFragments
from fuzz.survey.unfired_reasons import Explanation, Reason, explain

#: A rule counts as tested with so many compared inputs, in so many different cases.
ENOUGH_INPUTS: Final = 1000
ENOUGH_CASES: Final = 10

#: Counts by ISA, then by a rule's group, file and line.
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class RunCounts:
    """How often rules fired in the cases of a run, as ``run --json`` reports it.

    Attributes:
        cases: the number of compared cases that fired a rule, by ISA and rule.
        inputs: the number of inputs of these.
    """

    cases: Counts
    inputs: Counts


class Touch(Enum):
    """How a change of Cranelift touches a rule."""

    CHANGED = "changed"
    USER = "uses it"


@dataclass(slots=True)
class RuleState:
    """The state of one rule.

    Attributes:
        place: its group, file and line.
        rule: as parsed; None for one in a file that was not read.
        fragments: how many fragments were made from it.
        firing: how many of them fire it when compiled alone.
        types: the controlling types of those.
        cases: by ISA, the number of compared cases that fired it.
        inputs: by ISA, the number of inputs of these.
        explanation: why it has not fired; None if it has.
        touch: how a change touches it; None if there is no change, or it does not.
        proofs: by type, whether it is proved, refuted or undecided; empty if nobody has tried.
    """

    place: RuleId
    rule: isle.Rule | None
    fragments: int = 0
    firing: int = 0
    types: tuple[str, ...] = ()
    cases: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, int] = field(default_factory=dict)
    explanation: Explanation | None = None
    touch: Touch | None = None
    proofs: dict[str, str] = field(default_factory=dict)

    @property
    def fired(self) -> bool:
        """Whether it has fired."""
        return self.explanation is None

    @property
    def tested(self) -> bool:
        """Whether it was tested with enough cases and inputs on one of the ISAs."""
        return any(
            self.inputs.get(isa, 0) >= ENOUGH_INPUTS and cases >= ENOUGH_CASES
            for isa, cases in self.cases.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        rule = self.rule
        why = self.explanation
        return {
            "group": self.place.group,
            "file": self.place.file,
            "line": self.place.line,
            "name": rule.name if rule is not None else None,
            "priority": rule.priority if rule is not None else None,
            "rule": str(rule) if rule is not None else None,
            "fired": self.fired,
            "fragments": self.fragments,
            "fragments_firing": self.firing,
            "types": list(self.types),
            "proofs": self.proofs,
            "cases": self.cases,
            "inputs": self.inputs,
            "reason": why.reason.name.lower() if why is not None else None,
            "why": why.text if why is not None else None,
            "touched": self.touch.name.lower() if self.touch is not None else None,
        }


def survey(isas: Sequence[str], run: RunCounts | None = None) -> list[RuleState]:
    """Return the state of every rule of the mid-end and of the ISAs, by group, file and line.

    Args:
        run: a rule has fired if it fired in a case of this run. Without a run, it has fired if one
            of its fragments fires it when compiled alone.

    Raises:
        RulesError: this build has no debug information that tells which rules fire.
        IsleError: Cranelift's ISLE files cannot be read.
    """
    rules = known_rules()
    if isinstance(rules, RulesError):
        raise rules
    made = rule_fragments(tuple(isas))
    own = {RULE_GROUPS[LOWERING[isa]] for isa in isas}
    groups = [group for group in GROUPS if group == GROUPS[0] or group in own]
    parsed = parsed_rules(isas)
    states = []
    for place in sorted((*rules.rules, *rules.without_code)):
        if place.group in groups:
            unit, rule = parsed.get(place, ("", None))
            states.append(state_of(place, unit, rule, made.get(place), rules, run))
    return sorted(states, key=lambda state: (groups.index(state.place.group), state.place))


@cache
def rule_fragments(isas: tuple[str, ...]) -> dict[RuleId, RuleFragments]:
    """Return the fragments of all rules that are reached, by the rules."""
    pool = RuleDirector(Options(isas=isas)).pool
    return {made.place: made for made in (*pool.main, *pool.rest)}


def parsed_rules(isas: Sequence[str]) -> dict[RuleId, tuple[str, isle.Rule]]:
    """Return the rules of the mid-end and of the ISAs, and of what they include, with the unit."""
    names = units_of(isas)
    return {rule_id(n, rule): (n, rule) for n in names for rule in isle.unit(n).rules}


def state_of(
    place: RuleId,
    unit: str,
    rule: isle.Rule | None,
    made: RuleFragments | None,
    rules: RuleMap,
    run: RunCounts | None,
) -> RuleState:
    """Return the state of one rule; the arguments are what is known of it."""
    state = RuleState(place, rule)
    if made is not None:
        fragments = [made.fragment(number) for number in range(VARIANTS)]
        firing = [f for n, f in enumerate(fragments) if f is not None and made.fires(n)]
        state.fragments = sum(fragment is not None for fragment in fragments)
        if rules.edges(place):
            state.firing = len(firing)
            instructions = [fragment.steps[-1].instruction for fragment in firing]
            types = {
                str(instruction.type or next(iter(instruction.operands), ""))
                for instruction in instructions
            }
            state.types = tuple(sorted(types - {""}, key=lambda name: (len(name), name)))
    if run is not None:
        name = f"{place.group} {place}"
        state.cases = {isa: n for isa, table in run.cases.items() if (n := table.get(name, 0))}
        state.inputs = {isa: n for isa, table in run.inputs.items() if (n := table.get(name, 0))}
    if not (state.cases if run is not None else state.firing):
        state.explanation = _explain(place, unit, rule, made, rules)
    return state


def _explain(
    place: RuleId, unit: str, rule: isle.Rule | None, made: RuleFragments | None, rules: RuleMap
) -> Explanation:
    if not rules.edges(place):
        text = "the compiler merged it with other code, so whether it fires cannot be told"
        return Explanation(Reason.NO_CODE, text)
    if rule is None:
        return Explanation(Reason.UNCALLED, "it is in no ISLE file that was read")
    return explain(unit, rule, made)


def find(states: Iterable[RuleState], wanted: str) -> list[RuleState]:
    """Find rules by place or name.

    Args:
        wanted: a rule's name, or a place such as ``opts/icmp.isle:41``. The file may be a path or
            the end of one. The line may be any line of the rule.
    """
    file, _, line = wanted.rpartition(":")
    if not line.isdigit():
        return [s for s in states if s.rule is not None and s.rule.name == wanted]
    found: dict[str, RuleState] = {}
    for state in states:
        path = state.place.file
        if (path == file or path.endswith(f"/{file}")) and state.place.line <= int(line):
            best = found.get(state.place.group)
            if best is None or best.place.line < state.place.line:
                found[state.place.group] = state
    return list(found.values())


def counts_by_group(states: Iterable[RuleState]) -> dict[str, dict[str, int]]:
    """Count by group the rules with code of their own, those that fired, and those tested."""
    groups: dict[str, dict[str, int]] = {}
    for state in states:
        counts = groups.setdefault(
            state.place.group, {"fired": 0, "total": 0, "tested": 0, "without_code": 0}
        )
        no_code = state.explanation is not None and state.explanation.reason is Reason.NO_CODE
        counts["without_code" if no_code else "total"] += 1
        counts["fired"] += state.fired
        counts["tested"] += state.tested
    return groups
