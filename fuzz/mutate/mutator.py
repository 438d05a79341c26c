"""Making mutants: valid cases out of valid cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import accumulate

from clif.uses import remove_unreachable, remove_unused
from clif.validity import is_valid
from fuzz.analysis.results import AnalysedCase, AnalysisResults
from fuzz.cases.case import Case
from fuzz.cases.copy import copy_case
from fuzz.entropy import Entropy
from fuzz.generate.instruction_sets import Repertoires
from fuzz.generate.options import Options
from fuzz.mutate.context import MutationContext
from fuzz.mutate.instruction_index import InstructionIndex
from fuzz.mutate.registry import MUTATIONS, Mutation

#: Draws of a mutation per step wanted; not every one finds a place.
_TRIES = 12


class RollbackReason(Enum):
    """Why a step was taken back: the change broke what keeps a case valid."""

    INVALID = "not well-formed"
    HAZARD = "a trap or access is not ruled out any longer"
    LOOP = "a loop's end is not proved any longer"
    NAN = "the bits of a nondeterministic NaN may be observed"


@dataclass(slots=True)
class Mutant:
    """A mutated case.

    Attributes:
        steps: names of the mutations that made it, in order.
        refused: steps taken back, by mutation and reason.
    """

    case: Case
    steps: list[str] = field(default_factory=list)
    rolled_back: Counter[tuple[str, RollbackReason]] = field(default_factory=Counter)


class Mutator:
    """Mutates cases, those for one ISA alone with what that ISA lowers.

    ``repertoires`` are those of a generator with the same options, where there is one.
    """

    def __init__(self, options: Options, repertoires: Repertoires | None = None) -> None:
        self.options = options
        self.repertoires = repertoires or Repertoires(options)
        self._indexes: dict[int, InstructionIndex] = {}

    def instructions_of(self, case: Case) -> InstructionIndex:
        """What a case may be made of, with the ISAs, settings and flags that it has."""
        isas = case.isas or self.options.isas
        repertoire = self.repertoires.of(isas, case.settings, case.isa_settings)
        found = self._indexes.get(id(repertoire))
        if found is None:
            found = self._indexes[id(repertoire)] = InstructionIndex(repertoire)
        return found

    def mutate(
        self,
        case: Case,
        entropy: Entropy,
        *,
        steps: int | None = None,
        only: Iterable[str] = (),
        other: Case | None = None,
    ) -> Mutant:
        """A mutant of a case, which stays as it is.

        Args:
            steps: how many mutations; drawn from 1 to 5 if not given. There may be fewer where
                nothing fits.
            only: names of the mutations to draw from; all if empty.
            other: a case to take functions from.
        """
        wanted = steps if steps is not None else 1 + entropy.below(3) + entropy.below(3)
        work = _MutationRun(self, case, entropy, _choices(only, other), other)
        for _ in range(wanted * _TRIES):
            if len(work.mutant.steps) >= wanted:
                break
            work.step()
        return work.mutant

    def crossover(self, one: Case, other: Case, entropy: Entropy) -> Mutant:
        """The first case with something of the second one in it; both stay as they are."""
        names = [mutation.name for mutation in MUTATIONS.values() if mutation.needs_other]
        return self.mutate(one, entropy, steps=1, only=names, other=other)


def _choices(only: Iterable[str], other: Case | None) -> list[Mutation]:
    names = list(only) or list(MUTATIONS)
    return [
        MUTATIONS[name] for name in names if other is not None or not MUTATIONS[name].needs_other
    ]


class _MutationRun:
    """One case on its way, with a copy to go back to."""

    def __init__(
        self,
        mutator: Mutator,
        case: Case,
        entropy: Entropy,
        choices: Sequence[Mutation],
        other: Case | None,
    ) -> None:
        self.mutator = mutator
        self.entropy = entropy
        self.choices = choices
        self.weights = tuple(accumulate(choice.weight for choice in choices))
        self.other = None if other is None else AnalysedCase(other)
        self.mutant = Mutant(copy_case(case))
        for function in self.mutant.case.functions:
            remove_unreachable(function)
        self.analysis = AnalysisResults(self.mutant.case)
        #: As the mutant was before the step; the first one can go back to the case itself.
        self.snapshot: Case | None = case

    def step(self) -> None:
        """Try one mutation."""
        mutation = self.entropy.weighted(self.choices, self.weights)
        mutator, case = self.mutator, self.mutant.case
        if self.snapshot is None:
            self.snapshot = copy_case(case)
        context = MutationContext(
            case, self.analysis, self.entropy, mutator.instructions_of, mutator.options, self.other
        )
        if not mutation.change(context):
            return
        remove_dead_code(case)
        if not all(is_valid(function) for function in case.functions):
            self._roll_back(mutation, RollbackReason.INVALID, self.snapshot)
            return
        analysis = AnalysisResults(case)
        reason = _judge(self.analysis, analysis)
        if reason is not None:
            self._roll_back(mutation, reason, self.snapshot)
            return
        self.analysis, self.snapshot = analysis, None
        self.mutant.steps.append(mutation.name)

    def _roll_back(self, mutation: Mutation, reason: RollbackReason, snapshot: Case) -> None:
        self.mutant.rolled_back[mutation.name, reason] += 1
        self.mutant.case = copy_case(snapshot)
        for function in self.mutant.case.functions:
            remove_unreachable(function)
        self.analysis = AnalysisResults(self.mutant.case)


def remove_dead_code(case: Case) -> None:
    """Drop what nothing leads to and what nobody uses."""
    for function in case.functions:
        remove_unreachable(function)
        remove_unused(function)


def _judge(before: AnalysisResults, after: AnalysisResults) -> RollbackReason | None:
    """Whether something is worse than it was."""
    if not after.unproved <= before.unproved or after.graph.recursive > before.graph.recursive:
        return RollbackReason.HAZARD
    if not (after.endless <= before.endless and after.irreducible <= before.irreducible):
        return RollbackReason.LOOP
    if not set(after.nans.leaks) <= set(before.nans.leaks):
        return RollbackReason.NAN
    return None


@cache
def mutator_of(options: Options) -> Mutator:
    """The mutator of some options, made once."""
    return Mutator(options)


def mutate(case: Case, entropy: Entropy, options: Options | None = None) -> Case:
    """A mutant of a valid case: valid, and another one where anything could be changed.

    The case itself stays as it is. It may come from the generator or from a file.
    """
    return mutator_of(options or Options()).mutate(case, entropy).case


def crossover(one: Case, other: Case, entropy: Entropy, options: Options | None = None) -> Case:
    """A case with functions of both; each stays as it is."""
    return mutator_of(options or Options()).crossover(one, other, entropy).case
