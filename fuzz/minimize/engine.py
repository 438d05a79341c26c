"""Runs the passes until none of them makes the case smaller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.differential.failure_signature import Symptom
from fuzz.minimize.interestingness import Judge
from fuzz.minimize.order import Size, instructions, size_of
from fuzz.minimize.soundness import Flaw, faults_of, flaws, is_verified, is_well_formed
from fuzz.minimize.subject import Change, Subject, Trace, trace_of
from fuzz.minimize.tidy import tidy


class NotFailing(ValueError):
    """The case shows nothing that could be kept."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A way of making cases smaller.

    Attributes:
        find: lists the changes that it sees in a subject, the most promising first. It must list
            the same for the same case.
        chunks: whether changes are tried many at a time, too.
    """

    name: str
    find: Callable[[Subject], Sequence[Change]]
    chunks: bool = False


@dataclass(slots=True)
class Progress:
    """How far it is: what an observer is told after each candidate.

    Attributes:
        case: the smallest so far.
        rounds: the round that is under way, counted from 1.
        candidates: cases made so far; ``judged`` of them went to the judge.
    """

    case: Case
    pass_name: str = ""
    rounds: int = 0
    candidates: int = 0
    judged: int = 0
    accepted: int = 0


@dataclass(slots=True)
class Minimizer:
    """Minimises one case.

    Attributes:
        judge: must give the wanted symptom for a case that is to be kept.
        observe: is told of each candidate; what it raises ends the run.
    """

    judge: Judge
    passes: Sequence[Pass]
    observe: Callable[[Progress], None] = lambda progress: None
    progress: Progress = field(init=False)
    _wanted: Symptom = field(init=False)
    _size: Size = field(init=False)
    _trace: Trace = field(init=False)
    _verified: bool = field(init=False)
    _flaws: frozenset[Flaw] = field(init=False)
    _known: frozenset[str] = field(init=False)
    _refused: set[int] = field(default_factory=set)

    def start(self, case: Case) -> Symptom:
        """Looks at the case. Raises NotFailing if it shows nothing."""
        symptom = self.judge(case)
        if symptom is None:
            raise NotFailing("the case does not fail, or only sometimes")
        self._wanted = symptom
        self.progress = Progress(case)
        self._verified = is_verified(case)
        self._known = faults_of(case)
        self._take(case)
        return symptom

    def run(self) -> Case:
        """Minimises what ``start`` was given: no pass can make the result smaller."""
        changed = True
        while changed:
            self.progress.rounds += 1
            changed = False
            for pass_ in self.passes:
                changed |= self._sweep(pass_)
        return self.progress.case

    def _sweep(self, pass_: Pass) -> bool:
        """One pass over the case, in ever smaller chunks. Whether anything came of it."""
        self.progress.pass_name = pass_.name
        before = self.progress.accepted
        size = max(1, len(pass_.find(self._subject())) // 2) if pass_.chunks else 1
        while True:
            self._sweep_chunks(pass_, size)
            if size == 1:
                return self.progress.accepted > before
            size = (size + 1) // 2 if size > 2 else 1

    def _sweep_chunks(self, pass_: Pass, size: int) -> None:
        at = 0
        while True:
            subject = self._subject()
            changes = pass_.find(subject)[at : at + size]
            if not changes:
                return
            for change in changes:
                change()
            tidy(subject.case)
            subject.drop_superfluous()
            if not self._try(subject.case):
                at += size

    def _subject(self) -> Subject:
        return Subject(self.progress.case, self._trace)

    def _try(self, candidate: Case) -> bool:
        """Takes the candidate if it is smaller, sound, and shows the same."""
        self.progress.candidates += 1
        taken = self._is_good(candidate)
        if taken:
            self.progress.accepted += 1
            self._take(candidate)
        self.observe(self.progress)
        return taken

    def _is_good(self, candidate: Case) -> bool:
        if size_of(candidate) >= self._size or not is_well_formed(candidate):
            return False
        key = hash(print_case(candidate))
        if key in self._refused:
            return False
        if self._verified and not is_verified(candidate):
            self._refused.add(key)
            return False
        self.progress.judged += 1
        symptom = self.judge(candidate)
        if symptom is not None and symptom.includes(self._wanted) and self._is_sound(candidate):
            return True
        self._refused.add(key)
        return False

    def _is_sound(self, candidate: Case) -> bool:
        if not faults_of(candidate) <= self._known:
            return False
        return flaws(candidate) <= self._flaws

    def _take(self, case: Case) -> None:
        self.progress.case = case
        self._size = size_of(case)
        self._flaws = flaws(case)  # what is sound once stays so
        self._trace = trace_of(case)


def describe(case: Case) -> str:
    """A case's size for people."""
    inputs = f"{case.inputs.count} input" + "s" * (case.inputs.count != 1)
    settings = len(case.settings) + sum(len(flags) for flags in case.isa_settings.values())
    return f"{instructions(case)} instructions, {inputs}, {settings} settings"
