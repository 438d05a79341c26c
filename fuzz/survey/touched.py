"""The state of the rules that a change of Cranelift touches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.cranelift.rule_edges import RulesError, known_rules
from backend.cranelift.rule_map import GROUPS, RuleId, RuleMap
from fuzz.cases.touched_rules import TouchedRules
from fuzz.survey.rules import (
    RuleState,
    RunCounts,
    Touch,
    parsed_rules,
    rule_fragments,
    state_of,
)


def touched_states(
    touched: TouchedRules,
    isas: Sequence[str],
    run: RunCounts | None,
    covered: NDArray[np.bool_] | None = None,
) -> list[RuleState]:
    """Return the state of each touched rule, the changed ones first.

    Rules of what the mid-end and instruction selection include are not counted by case. Of these it
    is known whether they fired, if it is known what the run covered.

    Args:
        run: how often rules fired in a run; None to tell by fragments.
        covered: which edges the run covered.

    Raises:
        RulesError: this build cannot tell which rules fire.
        IsleError: Cranelift's rules are not known.
    """
    rules = known_rules()
    if isinstance(rules, RulesError):
        raise rules
    made, parsed = rule_fragments(tuple(isas)), parsed_rules(isas)
    by_name = {f"{place.group} {place}": place for place in parsed}
    fired = _fired(rules, covered)
    states = []
    for touch, names in ((Touch.CHANGED, touched.changed), (Touch.USER, touched.users)):
        for place in (by_name[name] for name in names if name in by_name):
            unit, rule = parsed[place]
            state = state_of(place, unit, rule, made.get(place), rules, run)
            if place in fired:
                state.explanation = None
            state.touch = touch
            states.append(state)
    return states


def _fired(rules: RuleMap, covered: NDArray[np.bool_] | None) -> set[RuleId]:
    """Return the rules that are not counted by case, and fired."""
    if covered is None or not len(covered):
        return set()
    flags = rules.fired(covered).tolist()
    return {
        rule
        for rule, fired in zip(rules.rules, flags, strict=True)
        if fired and rule.group not in GROUPS
    }


def touched_first(states: Iterable[RuleState], touched: Sequence[RuleState]) -> list[RuleState]:
    """Return all states, each once, those of touched rules before the others."""
    places = {state.place for state in touched}
    return [*touched, *(state for state in states if state.place not in places)]
