"""Repeats the passes until none of them makes the case smaller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.minimize.order import OrderKey, instructions, order_key
from fuzz.minimize.soundness import Flaw, faults_of, flaws, is_verified, is_well_formed
from fuzz.minimize.tidy import tidy
from fuzz.minimize.working_copy import Change, Trace, WorkingCopy, trace_of


class NotFailing(ValueError):
    """The case shows no failure that minimising could keep."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One way of making cases smaller.

    Attributes:
        find: lists possible changes of a working copy, the most promising first. For the same case
            it must list the same changes.
        chunks: whether several changes may be made at a time.
    """

    name: str
    find: Callable[[WorkingCopy], Sequence[Change]]
    chunks: bool = False


@dataclass(slots=True)
class MinimizerProgress:
    """Progress of minimising.

    Attributes:
        case: the smallest case so far.
        rounds: the current round, counted from 1.
        candidates: candidates made so far.
        tested: candidates that the interestingness test was asked about.
        accepted: candidates that were taken.
    """

    case: Case
    pass_name: str = ""
    rounds: int = 0
    candidates: int = 0
    tested: int = 0
    accepted: int = 0


@dataclass(slots=True)
class Minimizer:
    """Minimises one case.

    Attributes:
        test: returns the failure that a case shows; None if it is not interesting.
        observe: called after each candidate; what it raises ends the run.
    """

    test: Callable[[Case], FailureSignature | None]
    passes: Sequence[Pass]
    observe: Callable[[MinimizerProgress], None] = lambda progress: None
    progress: MinimizerProgress = field(init=False)
    _wanted: FailureSignature = field(init=False)
    _key: OrderKey = field(init=False)
    _trace: Trace = field(init=False)
    _verified: bool = field(init=False)
    _flaws: frozenset[Flaw] = field(init=False)
    _known: frozenset[str] = field(init=False)
    _refused: set[int] = field(default_factory=set)

    def start(self, case: Case, wanted: FailureSignature | None = None) -> FailureSignature:
        """Test the case that is to be minimised.

        Args:
            wanted: what every candidate must show; by default what the case shows.

        Returns:
            The failure that it shows.

        Raises:
            NotFailing: it shows none.
        """
        failure = self.test(case)
        if failure is None:
            raise NotFailing("the case does not fail, or only sometimes")
        self._wanted = wanted or failure
        self.progress = MinimizerProgress(case)
        self._verified = is_verified(case)
        self._known = faults_of(case)
        self._take(case)
        return failure

    def run(self) -> Case:
        """Minimise the case of ``start``, until no pass makes it smaller."""
        changed = True
        while changed:
            self.progress.rounds += 1
            changed = False
            for pass_ in self.passes:
                changed |= self._run_pass(pass_)
        return self.progress.case

    def _run_pass(self, pass_: Pass) -> bool:
        """Run a pass, in ever smaller chunks of changes.

        Returns:
            Whether a candidate was taken.
        """
        self.progress.pass_name = pass_.name
        before = self.progress.accepted
        size = max(1, len(pass_.find(self._working_copy())) // 2) if pass_.chunks else 1
        while True:
            self._try_changes(pass_, size)
            if size == 1:
                return self.progress.accepted > before
            size = (size + 1) // 2 if size > 2 else 1

    def _try_changes(self, pass_: Pass, size: int) -> None:
        at = 0
        while True:
            work = self._working_copy()
            changes = pass_.find(work)[at : at + size]
            if not changes:
                return
            for change in changes:
                change()
            tidy(work.case)
            work.drop_unused_params()
            if not self._try(work.case):
                at += size

    def _working_copy(self) -> WorkingCopy:
        return WorkingCopy(self.progress.case, self._trace)

    def _try(self, candidate: Case) -> bool:
        """Take the candidate if it is smaller, sound, and shows the wanted failure."""
        self.progress.candidates += 1
        taken = self._is_good(candidate)
        if taken:
            self.progress.accepted += 1
            self._take(candidate)
        self.observe(self.progress)
        return taken

    def _is_good(self, candidate: Case) -> bool:
        if order_key(candidate) >= self._key or not is_well_formed(candidate):
            return False
        key = hash(print_case(candidate))
        if key in self._refused:
            return False
        if self._verified and not is_verified(candidate):
            self._refused.add(key)
            return False
        self.progress.tested += 1
        failure = self.test(candidate)
        if failure is not None and failure.includes(self._wanted) and self._is_sound(candidate):
            return True
        self._refused.add(key)
        return False

    def _is_sound(self, candidate: Case) -> bool:
        if not faults_of(candidate) <= self._known:
            return False
        return flaws(candidate) <= self._flaws

    def _take(self, case: Case) -> None:
        self.progress.case = case
        self._key = order_key(case)
        self._flaws = flaws(case)  # a flaw that is gone must not come back
        self._trace = trace_of(case)


def describe(case: Case) -> str:
    """Describe a case's size for people."""
    inputs = f"{case.inputs.count} input" + "s" * (case.inputs.count != 1)
    settings = len(case.settings) + sum(len(flags) for flags in case.isa_settings.values())
    return f"{instructions(case)} instructions, {inputs}, {settings} settings"
