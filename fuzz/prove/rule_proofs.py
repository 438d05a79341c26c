"""Proving rules: every fragment that fires a rule by itself, at every type that it fires for.

What is proved is what the whole compiler makes of a fragment: the rule as it is, and all else that
this small function goes through. A rule is proved at a type if each of its fragments of that type
is.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from backend.cranelift.compiler import Target
from backend.cranelift.isle import LOWERING
from backend.cranelift.isle import MID_END as MID_END_UNIT
from clif.outcome import Region
from fuzz.cases.case import Case, no_inputs
from fuzz.cases.touched_rules import NOTHING_TOUCHED, TouchedRules
from fuzz.differential.finding_file import finding_text
from fuzz.differential.known_instructions import known_faults_of
from fuzz.generate.options import Options
from fuzz.isle.director import RuleDirector
from fuzz.isle.fragment import Fragment
from fuzz.isle.rule_fragments import VARIANTS, RuleFragments
from fuzz.isle.standalone import standalone
from fuzz.prove.counterexample import REGION_BYTES
from fuzz.prove.machine.registry import MACHINES
from fuzz.prove.proof import MID_END, Proof, Prover, Status
from fuzz.prove.store import ProofStore

#: Fragments that a worker is handed at once.
_CHUNK: Final = 4


@dataclass(frozen=True, slots=True)
class Question:
    """A fragment to be proved.

    Attributes:
        subject: the mid-end, or an ISA.
        rule: group and place of the rule.
        variant: the number of the fragment.
    """

    subject: str
    rule: str
    variant: int


@dataclass(frozen=True, slots=True)
class FragmentProof:
    """What became of a question.

    Attributes:
        type: the controlling type of the fragment.
        seconds: wall time.
        bucket: of the finding that a refuted fragment is; empty for others.
        known: a known fault explains it.
        text: the file of that finding.
    """

    question: Question
    type: str
    status: Status
    reason: str
    seconds: float
    stored: bool = False
    solvers: tuple[str, ...] = ()
    bucket: str = ""
    known: bool = False
    text: str = ""


@dataclass(slots=True)
class RuleProof:
    """What is known of one rule.

    Attributes:
        rule: group and place.
        fragments: the proofs of its fragments.
    """

    subject: str
    rule: str
    fragments: list[FragmentProof] = field(default_factory=list)

    @property
    def types(self) -> dict[str, Status]:
        """What is known by type: a type is proved if all of its fragments are."""
        found: dict[str, Status] = {}
        for proof in self.fragments:
            found[proof.type] = _worse(found.get(proof.type, Status.PROVED), proof.status)
        return found

    @property
    def at_one_type(self) -> bool:
        """Whether it is proved at one type or more."""
        return Status.PROVED in self.types.values()

    @property
    def at_all_types(self) -> bool:
        """Whether it is proved at all types at which it fires."""
        return set(self.types.values()) == {Status.PROVED}

    @property
    def refuted(self) -> bool:
        """Whether one of its fragments is refuted."""
        return Status.REFUTED in self.types.values()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "subject": self.subject,
            "rule": self.rule,
            "types": self.types,
            "fragments": [
                {
                    "variant": proof.question.variant,
                    "type": proof.type,
                    "status": proof.status,
                    "reason": proof.reason,
                    "seconds": round(proof.seconds, 3),
                    "stored": proof.stored,
                    "solvers": list(proof.solvers),
                    "bucket": proof.bucket,
                    "known": proof.known,
                }
                for proof in self.fragments
            ],
        }


class ProvedRules:
    """How many of some rules are proved.

    Attributes:
        firing: the rules that fragments fire, and ``fragments`` the proofs of all of these.
        at_one_type, at_all_types, refuted: how many of the rules are.
        undecided: fragments by the reason.
    """

    def __init__(self, rules: Iterable[RuleProof]) -> None:
        self.firing = [rule for rule in rules if rule.fragments]
        self.fragments = [proof for rule in self.firing for proof in rule.fragments]
        self.at_one_type = sum(rule.at_one_type for rule in self.firing)
        self.at_all_types = sum(rule.at_all_types for rule in self.firing)
        self.refuted = sum(rule.refuted for rule in self.firing)
        self.undecided = Counter(
            proof.reason for proof in self.fragments if proof.status is Status.UNDECIDED
        )


def _worse(a: Status, b: Status) -> Status:
    order = (Status.PROVED, Status.UNDECIDED, Status.REFUTED)
    return max(a, b, key=order.index)


@cache
def _rules(subject: str, touched: TouchedRules) -> dict[str, RuleFragments]:
    """Return the rules of a subject that count, or those that a change touches, by their names."""
    director = RuleDirector(Options(isas=tuple(MACHINES)), touched)
    unit = MID_END_UNIT if subject == MID_END else LOWERING[subject]
    wanted = {*touched.changed, *touched.users}
    every = (*director.pool.main, *(director.pool.rest if wanted else ()))
    return {
        rule.rule_name: rule
        for rule in every
        if rule.unit.name == unit and (not wanted or rule.rule_name in wanted)
    }


def questions(
    subjects: Iterable[str], variants: int = VARIANTS, touched: TouchedRules = NOTHING_TOUCHED
) -> list[Question]:
    """Return a question for each variant of each rule.

    Args:
        touched: if a change touches anything, only its rules.

    Raises:
        IsleError: Cranelift's rules are not known.
    """
    return [
        Question(subject, rule, variant)
        for subject in subjects
        for rule in _rules(subject, touched)
        for variant in range(variants)
    ]


def case_of(rule: RuleFragments, variant: int) -> Case | None:
    """Return the case of a fragment alone, compiled so that it fires its rule; None if it does not
    fire it, or cannot stand alone."""
    fragment, target = rule.fragment(variant), rule.target(variant)
    if fragment is None or target is None:
        return None
    return _case(rule, fragment, target)


def _case(rule: RuleFragments, fragment: Fragment, target: Target) -> Case | None:
    try:
        function, address = standalone(rule.compiler.plan(), fragment)
    except ValueError:
        return None
    inputs = no_inputs(function)
    if address is not None:
        inputs.region = Region(address, bytes(REGION_BYTES))
    flags = {target.isa: dict(target.flags)}
    origin = f"fragment of {rule.rule_name}"
    return Case([function], inputs, dict(target.settings), flags, isas=(target.isa,), origin=origin)


def type_of(fragment: Fragment) -> str:
    """Return the name of a fragment's type, as ``clif-fuzz rules`` has it."""
    instruction = fragment.steps[-1].instruction
    return str(instruction.type or next(iter(instruction.operands), "none"))


class RuleProver:
    """Answers questions; one for each worker.

    Args:
        seconds: for each query.
        solvers: who is asked; None for all that are installed.
    """

    def __init__(
        self,
        seconds: float,
        solvers: Sequence[str] | None,
        touched: TouchedRules = NOTHING_TOUCHED,
    ) -> None:
        self._prover = Prover(seconds, solvers, ProofStore.of_user())
        self._touched = touched

    def answer(self, question: Question) -> FragmentProof | None:
        """Prove a fragment. Returns None if there is none that fires the rule by itself."""
        rule = _rules(question.subject, self._touched)[question.rule]
        case = case_of(rule, question.variant)
        fragment = rule.fragment(question.variant)
        if case is None or fragment is None:
            return None
        proof = self._prover.prove(case, question.subject)
        return FragmentProof(
            question,
            type_of(fragment),
            proof.status,
            proof.reason,
            proof.seconds,
            proof.stored,
            tuple(proof.solvers),
            bucket=proof.finding.bucket if proof.finding is not None else "",
            known=is_known(proof, question.subject),
            text=finding_file(proof),
        )


def is_known(proof: Proof, subject: str) -> bool:
    """Return whether a known fault explains a refutation, or concerns one of its instructions."""
    if proof.finding is None or proof.case is None:
        return False
    concerned = subject in MACHINES and known_faults_of(proof.case, subject)
    return proof.finding.known or bool(concerned)


def finding_file(proof: Proof) -> str:
    """Return the text of a refutation's file; empty for other proofs."""
    if proof.finding is None or proof.case is None:
        return ""
    return finding_text(proof.finding, proof.case, None, proof.case.emulated_isas)


_worker: RuleProver | None = None


def _begin(seconds: float, solvers: Sequence[str] | None, touched: TouchedRules) -> None:
    global _worker
    _worker = RuleProver(seconds, solvers, touched)


def _answer(question: Question) -> tuple[Question, FragmentProof | None]:
    assert _worker is not None
    return question, _worker.answer(question)


def prove_rules(
    asked: Sequence[Question],
    jobs: int,
    seconds: float,
    solvers: Sequence[str] | None = None,
    touched: TouchedRules = NOTHING_TOUCHED,
    report: Callable[[int, FragmentProof | None], None] = lambda done, proof: None,
) -> list[RuleProof]:
    """Prove fragments in worker processes.

    Args:
        report: is told after each question how many are done, and what became of it.
    """
    rules: dict[tuple[str, str], RuleProof] = {}
    for done, (question, proof) in enumerate(_answers(asked, jobs, (seconds, solvers, touched)), 1):
        key = question.subject, question.rule
        rule = rules.setdefault(key, RuleProof(*key))
        if proof is not None:
            rule.fragments.append(proof)
        report(done, proof)
    for rule in rules.values():
        rule.fragments.sort(key=lambda each: each.question.variant)
    return sorted(rules.values(), key=lambda rule: (rule.subject, rule.rule))


def _answers(
    asked: Sequence[Question], jobs: int, arguments: tuple[Any, ...]
) -> Iterator[tuple[Question, FragmentProof | None]]:
    if jobs == 1:
        _begin(*arguments)
        yield from map(_answer, asked)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, _begin, arguments) as processes:
        yield from processes.imap_unordered(_answer, asked, _CHUNK)


def kind_of(proof: FragmentProof) -> str:
    """Return which kind of values a fragment is about, as they are counted apart."""
    name = proof.type
    if "x" in name:
        return "vector"
    return "i128" if name == "i128" else "float" if name.startswith("f") else "integer"
