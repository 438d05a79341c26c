"""The page about proofs of rules: rule by type, and why some are undecided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.cases.build_identity import build_identity
from fuzz.prove.proof import Status
from fuzz.prove.rule_proofs import ProvedRules, RuleProof
from fuzz.survey.rules import RunCounts
from reports.model import CountTable, Fact, ProofCell, ProofRow, ProofSection, ProofsPage

_NO_RUN: Final = RunCounts({}, {})


def proofs_page(rules: Sequence[RuleProof], run: RunCounts = _NO_RUN) -> ProofsPage:
    """Return the page of rules.

    Args:
        run: how often a campaign compared each rule.
    """
    subjects = dict.fromkeys(rule.subject for rule in rules)
    sections = [_section(s, [r for r in rules if r.subject == s], run) for s in subjects]
    return ProofsPage(str(build_identity()), tuple(sections))


def _section(subject: str, rules: Sequence[RuleProof], run: RunCounts) -> ProofSection:
    counts = ProvedRules(rules)
    facts = (
        Fact("rules that fragments fire", str(len(counts.firing))),
        Fact("proved at one type or more", str(counts.at_one_type)),
        Fact("proved at all of their types", str(counts.at_all_types)),
        Fact("refuted", str(counts.refuted)),
        Fact("fragments", str(len(counts.fragments))),
    )
    undecided = CountTable("Why fragments are undecided", tuple(counts.undecided.most_common()))
    rows = tuple(_row(rule, run) for rule in counts.firing)
    return ProofSection(subject, facts, undecided, rows)


def _row(rule: RuleProof, run: RunCounts) -> ProofRow:
    cells = tuple(
        ProofCell(name, status.value, _note(rule, name)) for name, status in rule.types.items()
    )
    sampled = ", ".join(
        f"{isa}: {cases[rule.rule]} cases, {run.inputs[isa][rule.rule]} inputs"
        for isa, cases in run.cases.items()
        if cases.get(rule.rule)
    )
    return ProofRow(rule.rule, cells, sampled)


def _note(rule: RuleProof, name: str) -> str:
    """Return why fragments of a type are not proved, each reason once."""
    reasons = [
        proof.bucket or proof.reason
        for proof in rule.fragments
        if proof.type == name and proof.status is not Status.PROVED
    ]
    return "; ".join(dict.fromkeys(reasons))
