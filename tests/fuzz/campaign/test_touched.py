"""Campaigns that are directed at a change: what their cases are, and that they stay the same."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pytest

from backend.cranelift.fired_rules import FiredRules
from backend.cranelift.isle import unit
from backend.cranelift.rule_edges import rule_id
from fuzz.campaign.case_source import CaseSource, SeedUse
from fuzz.campaign.json_codec import decode, encode
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.resume import ResumeError, resumed_plan
from fuzz.cases.case import Case, effective_settings
from fuzz.cases.case_options import CaseOptions, Source
from fuzz.cases.casefile import print_case
from fuzz.cases.seed_cases import SeedCase, SeedCases
from fuzz.cases.touched_rules import ChangedCode, TouchedRules
from fuzz.differential.pipeline import Pipeline

CASES = 24


def name_of(of_unit: str, left: str) -> str:
    """Return the name of the one rule with this left-hand side."""
    (rule,) = (rule for rule in unit(of_unit).rules if str(rule.left) == left)
    place = rule_id(of_unit, rule)
    return f"{place.group} {place}"


@cache
def mid_end_rule() -> str:
    return name_of("opt", "(simplify (isub ty (bnot ty x) (bnot ty y)))")


@cache
def x64_rule() -> str:
    return name_of("x64", "(lower (sshr $I64X2 src (u32_from_iconst amt)))")


def options(*changed: str, users: tuple[str, ...] = (), **more: object) -> CaseOptions:
    touched = TouchedRules(changed, users)
    given = CaseOptions(inputs=2, instructions=20, rules_share=0.5, touched=touched)
    return replace(given, **more)  # type: ignore[arg-type]


@cache
def fired_rules() -> FiredRules:
    found = FiredRules.of_build()
    assert found is not None
    return found


def cases(of: CaseOptions, count: int = CASES) -> list[Case]:
    source = CaseSource(of, 5)
    return [source.case(index) for index in range(count)]


def firing(found: list[Case], of: CaseOptions, rule: str) -> int:
    """Return how many cases fire a rule."""
    number = fired_rules().names.index(rule)
    pipeline = Pipeline(of.isas, fired_rules=fired_rules())
    verdicts = [pipeline.check(case) for case in found]
    assert not any(finding for verdict in verdicts for finding in verdict.findings)
    return sum(any(number in run.fired for run in verdict.runs) for verdict in verdicts)


def test_most_cases_fire_a_rule_that_was_changed() -> None:
    for rule in (mid_end_rule(), x64_rule()):
        directed = options(rule)
        usual = replace(directed, touched=TouchedRules())
        assert firing(cases(directed), directed, rule) > 0.6 * CASES
        assert firing(cases(usual), usual, rule) < 0.2 * CASES


def test_mutants_are_of_cases_that_fire_it() -> None:
    directed = options(mid_end_rule(), mutant_share=1.0)
    source = CaseSource(directed, 5)
    made = [source.make(index) for index in range(CASES)]
    assert all(each.mutant is not None for each in made)
    assert firing([each.case for each in made], directed, mid_end_rule()) > 0.5 * CASES


SUM = """\
test run
function %sum(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    return v2
}
; run: %sum(1, 2) == 3
"""
BNOTS = """\
test run
set opt_level=speed
function %bnots(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = bnot v0
    v3 = bnot v1
    v4 = isub v2, v3
    return v4
}
; run: %bnots(1, 2) == 1
"""


def test_seed_cases_that_fire_it_are_mutated_and_crossed() -> None:
    texts = [SUM] * 4 + [BNOTS]
    seeds = SeedCases(tuple(SeedCase(f"{n}.clif", text) for n, text in enumerate(texts)))
    source = CaseSource(options(mid_end_rule(), seeds=seeds), 5)
    made = [source.make(index) for index in range(len(texts), 60)]
    origins = [each.case.origin for each in made if each.seed_use not in (None, SeedUse.NOTHING)]
    assert len(origins) > 15
    assert sum("4.clif" in origin for origin in origins) > 0.6 * len(origins)


def test_users_have_half_of_the_turns() -> None:
    both = options(mid_end_rule(), users=(x64_rule(),))
    found = cases(both)
    assert firing(found, both, mid_end_rule()) > 0.6 * CASES
    assert firing(found, both, x64_rule()) > 0.35 * CASES


def test_a_change_of_one_isa_is_tried_on_it() -> None:
    found = cases(options(x64_rule()))
    assert {case.isas for case in found} >= {("x86_64",)}
    assert sum(case.isas == ("x86_64",) for case in found) > 0.6 * CASES
    both = cases(options(mid_end_rule()))
    assert sum(not case.isas for case in both) > 0.5 * CASES


def test_the_mid_end_mostly_runs_if_it_was_changed() -> None:
    found = cases(options(mid_end_rule()))
    optimised = [effective_settings(case)["opt_level"] != "none" for case in found]
    assert sum(optimised) > 0.8 * CASES


def test_a_case_is_a_function_of_seed_options_and_rules() -> None:
    directed = options(mid_end_rule(), users=(x64_rule(),), mutant_share=0.3)
    one, two = CaseSource(directed, 7), CaseSource(directed, 7)
    there = [print_case(two.case(index)) for index in reversed(range(CASES))]
    assert [print_case(one.case(index)) for index in range(CASES)] == there[::-1]
    other = CaseSource(replace(directed, touched=TouchedRules((x64_rule(),))), 7)
    assert any(print_case(other.case(n)) != print_case(one.case(n)) for n in range(CASES))


def test_what_it_is_called_does_not_matter() -> None:
    named = replace(
        options(x64_rule()).touched, since="trunk", undirected=(ChangedCode("src/a.rs", (4,)),)
    )
    assert named == options(x64_rule()).touched
    assert named.digest == options(x64_rule()).touched.digest


def test_a_rule_without_fragments_leaves_cases_as_usual() -> None:
    nowhere = options("mid_end src/opts/nowhere.isle:1")
    usual = replace(nowhere, touched=TouchedRules())
    for one, other in zip(cases(nowhere, 8), cases(usual, 8), strict=True):
        assert print_case(one) == print_case(other)


def test_a_sweep_is_of_touched_rules_alone() -> None:
    sweep = CaseSource(options(mid_end_rule(), users=(x64_rule(),), source=Source.RULES), 3)
    origins = [sweep.case(index).origin for index in range(6)]
    places = [rule.partition(" ")[2] for rule in (mid_end_rule(), x64_rule())] * 3
    for origin, place in zip(origins, places, strict=True):
        assert origin.endswith((f"about {place}", f"case {origins.index(origin)}"))
    assert any(place in origin for origin, place in zip(origins, places, strict=True))


def test_it_is_part_of_the_campaign() -> None:
    plan = CampaignPlan(options(mid_end_rule(), users=(x64_rule(),)), seed=4)
    assert decode(CampaignPlan, json.loads(json.dumps(encode(plan)))) == plan
    same = {"touched": TouchedRules((mid_end_rule(),), (x64_rule(),), "another name")}
    assert resumed_plan(plan, same, {}) == plan
    with pytest.raises(ResumeError, match=r"the campaign has --since .*2 rules touched"):
        resumed_plan(plan, {"touched": TouchedRules()}, {"touched": "--since"})
