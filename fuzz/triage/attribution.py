"""Finds out who is to blame for a failing case, by trying things out.

The case should be minimal: then what differs between it and its relations is what matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from backend.cranelift.compiler import SettingsError
from backend.cranelift.interpreter import NAME as SECOND
from backend.isa.registry import DEFAULT_ISAS
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import Observed
from fuzz.differential.agreement import agree
from fuzz.differential.failure_signature import Symptom, symptoms
from fuzz.differential.pipeline import FIRST, Verdict
from fuzz.differential.runner import Trial
from fuzz.triage.blame import Blame, Decider, Part, Say, Vote
from fuzz.triage.fired import RuleDifference, rule_difference
from fuzz.triage.variants import (
    Variant,
    flag_variants,
    relations,
    setting_of,
    setting_variants,
    with_setting,
)

#: Relations that are compiled and run, in search of one that does not fail.
_MOST_RELATIONS = 80
_BAD: Final = (Say.OTHERWISE, Say.FAILS)


@dataclass(slots=True)
class _Word:
    """What one executor did with the inputs that fail; ``outcomes`` is None if it has no say."""

    outcomes: list[Observed] | None = None
    failure: str = ""
    reason: str = ""


@dataclass(slots=True)
class Assessor:
    """Assesses cases.

    Attributes:
        isas: the ISAs that have a vote.
        more: further executors, by name: what they make of a case's inputs (``fuzz.triage.host``).
    """

    trial: Trial
    isas: tuple[str, ...] = DEFAULT_ISAS
    more: Sequence[Executor] = field(default_factory=list)

    def assess(self, case: Case, symptom: Symptom) -> Blame:
        """The blame for a case that shows a symptom."""
        words = self._words(case, symptom)
        votes = _votes(case, words)
        deciders = tuple(self._deciders(case, symptom))
        failing = tuple(isa for isa in self.isas if _fails(votes, isa))
        difference = self._rules(case, symptom, failing, deciders)
        part, alone = _part(case, words, votes, deciders, difference)
        part = _PHASES.get(symptom.phase, part)
        return Blame(
            part, failing, alone, tuple(votes), deciders, difference.rules, difference.neighbour
        )

    # --- what everybody says ---

    def _words(self, case: Case, symptom: Symptom) -> dict[str, _Word]:
        """By executor; those on ISAs as the case is compiled, and with another opt_level."""
        everywhere = replace(case, isas=())
        verdict = self.trial(everywhere, self.isas, second=True)
        rows = _failing_rows(verdict, case)
        words = {FIRST: _Word(_observed(verdict, FIRST, rows))}
        words[SECOND] = _Word(_observed(verdict, SECOND, rows), reason=_why_silent(verdict))
        level = setting_of(case, "opt_level")
        other = "none" if level != "none" else "speed"
        relation = self.trial(with_setting(everywhere, "opt_level", other), self.isas)
        for opt_level, said in ((level, verdict), (other, relation)):
            for isa in self.isas:
                word = _word(said, isa, rows)
                if word.failure and not case.is_for(isa):
                    word = _Word(reason=f"the case is not for it: {word.failure}")
                words[f"{isa} opt_level={opt_level}"] = word
        for executor in self.more:
            words[executor.name] = _Word(executor.outcomes(case, rows), reason="cannot run it")
        return words

    # --- what decides ---

    def _deciders(self, case: Case, symptom: Symptom) -> Iterator[Decider]:
        isas = symptom.isas or self.isas
        for variant in setting_variants(case):
            if self._passes(variant.case, symptom, isas):
                yield _decider(variant)
        for isa in isas:
            for variant in flag_variants(case, isa):
                if self._passes(variant.case, symptom, (isa,)):
                    yield _decider(variant)

    def _passes(self, case: Case, symptom: Symptom, isas: Sequence[str]) -> bool:
        """Whether everything is well with a case, on all of these ISAs."""
        try:
            verdict = self.trial(case, isas, second=not symptom.isas)
        except SettingsError:
            return False
        return not verdict.findings and not verdict.rejected and not verdict.hangs

    def _rules(
        self, case: Case, symptom: Symptom, failing: Sequence[str], deciders: Sequence[Decider]
    ) -> RuleDifference:
        if not failing:
            return RuleDifference()
        isa = next((isa for isa in symptom.isas if isa in failing), failing[0])
        passing = []
        for n, (relation, words) in enumerate(relations(case)):
            if n >= _MOST_RELATIONS:
                break
            if self._passes(relation, symptom, (isa,)):
                passing.append((relation, f"with {words}"))
        variants = (*setting_variants(case), *flag_variants(case, isa))
        passing += [
            (variant.case, f"with {variant.name}={variant.after}")
            for variant in variants
            if _decider(variant) in deciders
        ]
        return rule_difference(case, isa, passing)


#: A panic says itself whose it is.
_PHASES: Final = {"optimize": Part.MID_END, "regalloc": Part.REGISTER_ALLOCATOR}


class Executor:
    """One more executor that has a vote."""

    name = ""
    isa = ""

    def outcomes(self, case: Case, rows: Sequence[int]) -> list[Observed] | None:
        """What it does with these inputs; None where it cannot run the case."""
        raise NotImplementedError


def _decider(variant: Variant) -> Decider:
    return Decider(variant.name, variant.before, variant.after, variant.isa)


def _failing_rows(verdict: Verdict, case: Case) -> list[int]:
    """The inputs in dispute; all of them where it does not come to running them."""
    rows = {row for finding in verdict.findings for row in finding.inputs}
    return sorted(rows) or list(range(case.inputs.count))


def _observed(verdict: Verdict, executor: str, rows: Sequence[int]) -> list[Observed] | None:
    seen = [verdict.observed(row).get(executor) for row in rows]
    found = [outcome for outcome in seen if outcome is not None]
    return found if found and len(found) == len(seen) else None


def _why_silent(verdict: Verdict) -> str:
    if verdict.second is None:
        return "not asked"
    reasons = [*verdict.second.reasons(), *(" ".join(faults) for faults in verdict.second.known)]
    return "; ".join(reasons)


def _word(verdict: Verdict, isa: str, rows: Sequence[int]) -> _Word:
    outcomes = _observed(verdict, isa, rows)
    if outcomes is not None:
        return _Word(outcomes)
    for symptom in symptoms(verdict):
        if isa in symptom.isas:
            return _Word(failure=str(replace(symptom, isas=())))
    reasons = (r.removeprefix(f"{isa}: ") for r in verdict.rejected if r.startswith(f"{isa}: "))
    return _Word(reason=next(reasons, "it did not come to that"))


# --- what follows ---


def _votes(case: Case, words: dict[str, _Word]) -> list[Vote]:
    reference = words[FIRST].outcomes
    return [_vote(case, name, word, reference) for name, word in words.items()]


def _vote(case: Case, name: str, word: _Word, reference: list[Observed] | None) -> Vote:
    if word.failure:
        return Vote(name, Say.FAILS, word.failure)
    if word.outcomes is None or reference is None:
        return Vote(name, Say.NOTHING, word.reason)
    same = _same(case, word.outcomes, reference)
    return Vote(name, Say.EXPECTED if same else Say.OTHERWISE)


def _same(case: Case, one: list[Observed], other: list[Observed]) -> bool:
    canonical = has_canonical_nans(case)
    return all(agree(*pair, canonical_nans=canonical) for pair in zip(one, other, strict=True))


def _fails_unoptimised(votes: Sequence[Vote], isa: str) -> bool:
    """Whether without optimising the same goes wrong on an ISA as with it."""
    of_isa = [vote for vote in votes if _isa_of(vote.executor) == isa]
    plain = [(v.say, v.detail) for v in of_isa if v.executor.endswith("opt_level=none")]
    others = [(v.say, v.detail) for v in of_isa if not v.executor.endswith("opt_level=none")]
    return any(word[0] in _BAD and word in others for word in plain) or (
        bool(plain) and plain[0][0] in _BAD and not any(word[0] in _BAD for word in others)
    )


def _isa_of(executor: str) -> str:
    return executor.partition(" ")[0]


def _fails(votes: Sequence[Vote], isa: str) -> bool:
    """Whether something goes wrong on an ISA, with one opt_level or with both."""
    return any(vote.say in _BAD for vote in votes if _isa_of(vote.executor) == isa)


def _part(
    case: Case,
    words: dict[str, _Word],
    votes: Sequence[Vote],
    deciders: Sequence[Decider],
    difference: RuleDifference,
) -> tuple[Part, str]:
    """What the failure is put down to, and who stands alone."""
    others = [vote for vote in votes[1:] if vote.say is not Say.NOTHING]
    dissent = [vote for vote in others if vote.say is not Say.EXPECTED]
    names = {vote.executor for vote in dissent}
    if names == {SECOND}:
        return Part.SECOND_ORACLE, SECOND
    if len(dissent) == len(others) and SECOND in names and _agree(case, words, dissent):
        return Part.INTERPRETER, FIRST
    isas = {_isa_of(name) for name in names} - {SECOND}
    host = next((v for v in others if v.executor.startswith("host")), None)
    if host is not None and host.say is Say.EXPECTED and _host_isa(host) in isas:
        return Part.EMULATOR, _host_isa(host)
    isas -= {"host"}
    if not isas:
        return Part.UNKNOWN, ""
    return _part_of_cranelift(isas, votes, deciders, difference)


def _host_isa(vote: Vote) -> str:
    return vote.executor.removeprefix("host ")


def _agree(case: Case, words: dict[str, _Word], votes: Sequence[Vote]) -> bool:
    """Whether all of these say the same."""
    said = [words[vote.executor].outcomes for vote in votes]
    known = [outcomes for outcomes in said if outcomes is not None]
    return len(known) == len(said) and all(_same(case, known[0], other) for other in known)


def _part_of_cranelift(
    isas: set[str],
    votes: Sequence[Vote],
    deciders: Sequence[Decider],
    difference: RuleDifference,
) -> tuple[Part, str]:
    silent = {SECOND} & {vote.executor for vote in votes if vote.say is Say.NOTHING}
    asked = {_isa_of(v.executor) for v in votes[2:] if v.say is not Say.NOTHING} - {"host"}
    alone = next(iter(isas)) if len(isas) == 1 and len(asked) > 1 else ""
    if any(decider.name == "regalloc_algorithm" for decider in deciders):
        return Part.REGISTER_ALLOCATOR, alone
    unoptimised = any(_fails_unoptimised(votes, isa) for isa in isas)
    groups = {fired.rule.group for fired in difference.rules}
    if not unoptimised and (len(isas) > 1 or groups == {"mid_end"}):
        return Part.MID_END, alone
    if len(isas) > 1:
        # Wrong on all ISAs without optimising, and nobody to confirm what the interpreter says.
        return (Part.UNKNOWN if silent else Part.SHARED), ""
    return Part.BACKEND, alone
