"""Proving the fragments of rules, in processes, with what is known kept."""

from __future__ import annotations

import pytest

from backend.cranelift.rule_edges import RulesError, known_rules
from fuzz.cases.touched_rules import NOTHING_TOUCHED
from fuzz.prove import rule_proofs
from fuzz.prove.proof import MID_END, Status
from fuzz.prove.rule_proofs import (
    FragmentProof,
    Question,
    RuleProof,
    kind_of,
    prove_rules,
    questions,
)
from fuzz.reporting.proofs import proofs_page
from fuzz.survey.rules import RunCounts
from reports.page import proofs_html

needs_rules = pytest.mark.skipif(
    isinstance(known_rules(), RulesError), reason="this build cannot tell which rules fire"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def asked(subject: str, rule: str, variants: int = 8) -> list[Question]:
    return [q for q in questions([subject], variants) if q.rule.endswith(rule)]


@needs_rules
def test_there_is_a_question_for_each_variant_of_each_rule_of_a_subject():
    every = questions([MID_END, "aarch64"], 2)
    assert len(every) == len(set(every)) > 3000
    assert {q.subject for q in every} == {MID_END, "aarch64"}
    assert {q.rule.split()[0] for q in every} == {"mid_end", "aarch64"}


@needs_rules
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_rule_is_proved_at_its_types_and_costs_nothing_twice(jobs, tmp_path):
    rule = rule_of(MID_END, "src/opts/cprop.isle")
    seen = []
    (found,) = prove_rules(
        asked(MID_END, rule), jobs, 5.0, report=lambda done, proof: seen.append((done, proof))
    )
    assert [done for done, _ in seen] == list(range(1, 9))
    assert found.at_one_type
    assert found.at_all_types
    assert not found.refuted
    assert not all(proof.stored for proof in found.fragments)
    (again,) = prove_rules(asked(MID_END, rule), 1, 5.0)
    assert all(proof.stored for proof in again.fragments)
    assert again.types == found.types


def rule_of(subject: str, file: str) -> str:
    """Return the place of the first rule of a file that fragments fire."""
    for question in questions([subject], 1):
        if file in question.rule:
            rule = rule_proofs._rules(subject, NOTHING_TOUCHED)[question.rule]
            if rule.fires(0):
                return question.rule
    raise AssertionError(f"no rule of {file} fires")


@needs_rules
def test_a_wrong_rule_is_refuted_and_known():
    """Without LSE, narrow unsigned minima compare too much: see docs/findings.md."""
    refuted = []
    for question in questions(["aarch64"]):
        rule = rule_proofs._rules("aarch64", NOTHING_TOUCHED)[question.rule]
        fragment, target = rule.fragment(question.variant), rule.target(question.variant)
        if fragment is None or target is None or fragment.steps[-1].rmw != "umin":
            continue
        if target.flags == () and rule_proofs.type_of(fragment) == "i8":
            refuted.append(question)
    (found, *_) = prove_rules(refuted[:1], 1, 5.0)
    (proof,) = found.fragments
    assert proof.status is Status.REFUTED
    assert proof.known
    assert proof.bucket == "miscompile aarch64 memory: atomic_rmw.i8"
    assert proof.text.startswith("; finding: miscompile\n")


def proof(type_: str, status: Status, reason: str = "") -> FragmentProof:
    return FragmentProof(Question("x86_64", "x86_64 a.isle:1", 0), type_, status, reason, 0.5)


def test_a_type_is_proved_if_all_of_its_fragments_are():
    rule = RuleProof("x86_64", "x86_64 a.isle:1")
    assert not rule.at_all_types
    rule.fragments = [proof("i8", Status.PROVED), proof("i8", Status.UNDECIDED, "no time")]
    assert rule.types == {"i8": Status.UNDECIDED}
    assert not rule.at_one_type
    rule.fragments.append(proof("i16", Status.PROVED))
    assert rule.at_one_type
    assert not rule.at_all_types
    rule.fragments.append(proof("i8", Status.REFUTED))
    assert rule.types == {"i8": Status.REFUTED, "i16": Status.PROVED}
    assert rule.refuted
    assert rule.to_json()["types"] == {"i8": "refuted", "i16": "proved"}


def test_kinds_are_counted_apart():
    kinds = [kind_of(proof(name, Status.PROVED)) for name in ("i8", "i128", "f32", "i8x16", "none")]
    assert kinds == ["integer", "i128", "float", "vector", "integer"]


def test_the_page_says_why_and_how_often_a_rule_was_sampled():
    rule = RuleProof("x86_64", "x86_64 a.isle:1")
    rule.fragments = [
        proof("i8", Status.PROVED),
        proof("i64", Status.UNDECIDED, "the solvers <do not> know in time"),
    ]
    silent = RuleProof("x86_64", "x86_64 b.isle:2")
    counts = {"x86_64": {"x86_64 a.isle:1": 12}}
    page = proofs_page([rule, silent], RunCounts(counts, {"x86_64": {"x86_64 a.isle:1": 900}}))
    (section,) = page.sections
    assert [row.rule for row in section.rows] == ["x86_64 a.isle:1"]
    html = proofs_html(page)
    assert "x86_64: 12 cases, 900 inputs" in html
    assert "undecided: the solvers &lt;do not&gt; know in time" in html
    assert "<b>1</b><br><span>proved at one type or more</span>" in html
