"""The state of every rule, watching rules fire, the sweep through all of them, rules made wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from backend.cranelift import isle
from backend.cranelift.compiler import Functions, Target
from backend.cranelift.fired_rules import FiredRules
from backend.cranelift.rule_edges import known_rules
from clif.printer import print_functions
from fuzz.cases.case import DEFAULT_SETTINGS
from fuzz.differential.explain import fired_notes
from fuzz.differential.pipeline import Pipeline
from fuzz.generate.options import Options
from fuzz.isle.rule_sweep import RuleSweep
from fuzz.survey.justified_unfired import JUSTIFIED
from fuzz.survey.rules import RuleState, RunCounts, counts_by_group, find, survey
from fuzz.survey.unfired_reasons import Reason, flags_of, lacking_flags
from scripts.benchmarks.rule_fault_detection import codegen_sources
from scripts.benchmarks.rule_faults import FAULTS, StaleFault, inject
from tests.fuzz.command import Command

#: ``x - x``, which the mid-end makes a zero of.
SAME = "function %main(i32) -> i32 {\nblock0(v0: i32):\n    v1 = isub v0, v0\n    return v1\n}\n"
OTHER = SAME.replace("isub v0, v0", "popcnt v0")


@pytest.fixture(scope="module")
def fired_rules() -> FiredRules:
    found = FiredRules.of_build()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def states() -> list[RuleState]:
    return survey(("aarch64",))


def fired(fired_rules: FiredRules, text: str, level: str) -> set[str]:
    target = Target.of("aarch64", DEFAULT_SETTINGS | {"opt_level": level})
    functions = Functions(text)
    mark = fired_rules.mark()
    target.compile(functions)
    return {fired_rules.names[number] for number in fired_rules.since(mark)}


def test_what_fires_is_told_of_one_compilation(fired_rules: FiredRules) -> None:
    optimised = fired(fired_rules, SAME, "speed")
    assert any(name.startswith("mid_end src/opts/arithmetic.isle") for name in optimised)
    assert not any(name.startswith("mid_end") for name in fired(fired_rules, SAME, "none"))
    assert fired(fired_rules, OTHER, "speed") != optimised
    assert not any(name.startswith("x86_64") for name in optimised)


def test_every_rule_has_fired_or_has_a_reason(states: list[RuleState]) -> None:
    rules = known_rules()
    assert not isinstance(rules, Exception)
    places = {r for r in (*rules.rules, *rules.without_code) if r.group in ("mid_end", "aarch64")}
    assert {state.place for state in states} == places
    assert len(states) == len(places)
    for state in states:
        assert state.fired == (state.firing > 0)
        if state.fired:
            assert 0 < state.firing <= state.fragments
            assert not state.tested  # no case has run
        else:
            assert state.explanation is not None
            assert state.explanation.text
    counts = counts_by_group(states)
    assert counts["mid_end"]["fired"] > 0.95 * counts["mid_end"]["total"]
    assert counts["aarch64"]["fired"] > 0.85 * counts["aarch64"]["total"]


def test_reasons_tell_apart(states: list[RuleState]) -> None:
    reasons = {state.explanation.reason for state in states if state.explanation is not None}
    assert {Reason.NO_CODE, Reason.FEATURE, Reason.UNSEEN, Reason.UNLOWERED} <= reasons
    texts = {str(state.explanation) for state in states}
    assert "not lowered: no ISA lowers fneg.f128" in texts
    assert any("debugtrap has no meaning in the interpreter: " in text for text in texts)
    features = [s for s in states if s.explanation and s.explanation.reason is Reason.FEATURE]
    assert all("needs has_" in str(state.explanation) for state in features)


def test_justifications_are_about_existing_rules() -> None:
    there = {(name, str(rule.left)) for name in isle.UNITS for rule in isle.unit(name).rules}
    assert JUSTIFIED.keys() <= there


def test_a_flag_that_every_way_to_a_rule_needs() -> None:
    rules = isle.unit("x64").rules
    needing = {rule for rule in rules if lacking_flags("x64", rule)}
    assert any(not flags_of(rule) for rule in needing)  # only those who call it ask for it
    for rule in rules:
        if "use_fma" in str(rule.conditions):
            assert "has_fma" in flags_of(rule)
        if "if-let false" in str(rule) and "has_avx" in str(rule.conditions):
            assert "has_avx" not in flags_of(rule)


def test_replay_shows_which_rules_fired(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "case.clif"
    path.write_text(f"test run\nset opt_level=speed\ntarget aarch64\n{SAME}; run: %main(1) == 0\n")
    facts = tmp_path / "facts.json"
    output = command("replay", "--rules", path, "--json", facts)
    assert "rules fired for aarch64: src/opts/arithmetic.isle" in output.out
    (entry,) = json.loads(facts.read_text())["files"]
    assert any(name.startswith("mid_end ") for name in entry["rules"]["aarch64"])
    assert "rules fired" not in command("replay", path).out


def test_rules_are_found_by_place_and_name(states: list[RuleState]) -> None:
    state = next(s for s in states if s.place.file.endswith("opts/arithmetic.isle"))
    line = state.place.line
    assert find(states, f"opts/arithmetic.isle:{line}") == [state]
    assert find(states, f"src/opts/arithmetic.isle:{line + 1}")[0].place.line in (line, line + 1)
    assert find(states, f"hmetic.isle:{line}") == []
    named = next(s for s in states if s.rule is not None and s.rule.name)
    assert named.rule is not None
    assert named in find(states, named.rule.name or "")


def test_tested_means_enough_cases_and_inputs_on_one_isa(states: list[RuleState]) -> None:
    state = RuleState(states[0].place, None)
    state.cases, state.inputs = {"x86_64": 9, "aarch64": 30}, {"x86_64": 5000, "aarch64": 999}
    assert not state.tested
    state.cases["x86_64"] = 10
    assert state.tested


def test_a_sweep_is_about_each_rule_in_turn(fired_rules: FiredRules) -> None:
    sweep = RuleSweep(Options(isas=("aarch64",)), seed=3)
    assert sweep.rules > 1000
    pipeline = Pipeline(("aarch64",), fired_rules=fired_rules)
    met = directed = 0
    for index in range(60):
        case = sweep.case(index)
        assert print_functions(case.functions) == print_functions(sweep.case(index).functions)
        verdict = pipeline.check(case)
        assert verdict.rejected == []
        _, _, about = case.origin.partition(", about ")
        if about:
            directed += 1
            numbers = {number for run in verdict.runs for number in run.fired}
            met += about in {str(fired_rules.rules[n]) for n in numbers}
    assert directed > 45
    assert met > 0.8 * directed


def test_a_finding_names_the_rules_that_fired(fired_rules: FiredRules) -> None:
    sweep = RuleSweep(Options(isas=("aarch64",)), seed=3)
    verdict = Pipeline(("aarch64",), fired_rules=fired_rules).check(sweep.case(0))
    notes = fired_notes(fired_rules, verdict.runs)
    assert notes
    assert all(note.startswith("rules fired for aarch64: src/") for note in notes)
    assert fired_notes(fired_rules, verdict.runs, "x86_64") == []


def test_rules_against_a_run(command: Command, tmp_path: Path, states: list[RuleState]) -> None:
    facts = tmp_path / "facts.json"
    # What a case is linked to fires rules, too, which do not count as rules of the case.
    options = ("--cases", 40, "--seed", 4, "--extra-checks", 0)
    output = command("run", *options, "--out", tmp_path / "out", "--json", facts)
    assert output.code == 0
    run = json.loads(facts.read_text())
    seen = survey(("aarch64",), RunCounts(run["rule_cases"], run["rule_inputs"]))
    counts = counts_by_group(seen)
    assert [counts["aarch64"]["fired"], counts["aarch64"]["total"]] == run["rules"]["aarch64"]
    missing = [s for s in seen if s.firing and not s.cases]
    assert missing
    assert all(s.explanation and s.explanation.reason is Reason.CHANCE for s in missing)


def test_bad_input(command: Command, tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text("[]")
    assert "not written by clif-fuzz run --json" in command.complaint(
        "rules", "--against", tmp_path / "facts.json"
    )
    assert "No such file" in command.complaint("rules", "--against", tmp_path / "none.json")


def test_wrong_rules_fit_into_this_cranelift(tmp_path: Path) -> None:
    sources = codegen_sources()
    shutil.copytree(sources, tmp_path / "codegen", copy_function=shutil.copyfile)
    inject(tmp_path / "codegen")
    assert len(FAULTS) >= 12
    assert {fault.group for fault in FAULTS} == {"mid_end", "x86_64", "aarch64"}
    with pytest.raises(StaleFault):
        inject(tmp_path / "codegen")
