"""The mutator: applies drawn mutations to a case, and rolls back those that break it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from itertools import accumulate

from clif.uses import remove_unreachable, remove_unused
from clif.validity import is_valid
from fuzz.analysis.results import AnalysedCase, AnalysisResults
from fuzz.cases.case import Case, copy_case
from fuzz.entropy import Entropy
from fuzz.generate.instruction_sets import InstructionSets
from fuzz.generate.options import Options
from fuzz.mutate.context import MutationContext
from fuzz.mutate.instruction_index import InstructionIndex
from fuzz.mutate.registry import MUTATIONS, Mutation

#: How often a mutation is drawn for each step that is wanted; not every one finds a place.
_TRIES = 12


class RollbackReason(Enum):
    """Why a step was rolled back."""

    INVALID = "not well-formed"
    HAZARD = "a trap or access is not ruled out any longer"
    LOOP = "a loop's end is not proved any longer"
    NAN = "the bits of a nondeterministic NaN may be observed"


@dataclass(slots=True)
class Mutant:
    """A mutated case.

    Attributes:
        steps: the names of the mutations that made it, in order.
        rolled_back: how many steps were rolled back, by mutation and reason.
    """

    case: Case
    steps: list[str] = field(default_factory=list)
    rolled_back: Counter[tuple[str, RollbackReason]] = field(default_factory=Counter)


class Mutator:
    """Makes mutants. A case for one ISA alone gets instructions that this ISA lowers.

    Args:
        instruction_sets: those of a generator with the same options, if there is one, to share
        them.
    """

    def __init__(self, options: Options, instruction_sets: InstructionSets | None = None) -> None:
        self.options = options
        self.instruction_sets = instruction_sets or InstructionSets(options)
        self._indexes: dict[int, InstructionIndex] = {}

    def instructions_of(self, case: Case) -> InstructionIndex:
        """Return the instructions that a case's ISAs lower under its settings and flags."""
        isas = case.isas or self.options.isas
        instruction_set = self.instruction_sets.of(isas, case.settings, case.isa_settings)
        found = self._indexes.get(id(instruction_set))
        if found is None:
            found = self._indexes[id(instruction_set)] = InstructionIndex(instruction_set)
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
        """Return a mutant of a case, which itself stays as it is.

        Args:
            steps: how many mutations to apply, drawn from 1 to 5 if None. Fewer are applied if too
                few of those that are drawn find a place.
            only: the names of the mutations to draw from, all if empty.
            other: a case to import functions from.
        """
        wanted = steps if steps is not None else 1 + entropy.below(3) + entropy.below(3)
        work = _MutationRun(self, case, entropy, _choices(only, other), other)
        for _ in range(wanted * _TRIES):
            if len(work.mutant.steps) >= wanted:
                break
            work.step()
        return work.mutant

    def crossover(self, one: Case, other: Case, entropy: Entropy) -> Mutant:
        """Return the first case with a function of the second one; both stay as they are."""
        names = [mutation.name for mutation in MUTATIONS.values() if mutation.needs_other]
        return self.mutate(one, entropy, steps=1, only=names, other=other)


def _choices(only: Iterable[str], other: Case | None) -> list[Mutation]:
    names = list(only) or list(MUTATIONS)
    return [
        MUTATIONS[name] for name in names if other is not None or not MUTATIONS[name].needs_other
    ]


class _MutationRun:
    """The making of one mutant.

    Attributes:
        snapshot: a copy of the case to roll back to; None after a step, until the next one.
    """

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
        # What is lowered in the case's other configurations may not be after a mutation.
        case = replace(case, alternatives=())
        self.mutant = Mutant(copy_case(case))
        for function in self.mutant.case.functions:
            remove_unreachable(function)
        self.analysis = AnalysisResults(self.mutant.case)
        # The original itself serves the first step: it is never changed.
        self.snapshot: Case | None = case

    def step(self) -> None:
        """Apply a drawn mutation, if it finds a place, and roll it back if it breaks the case."""
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
        reason = _regression(self.analysis, analysis)
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
    """Remove unreachable blocks, and instructions without effects whose results nobody uses."""
    for function in case.functions:
        remove_unreachable(function)
        remove_unused(function)


def _regression(before: AnalysisResults, after: AnalysisResults) -> RollbackReason | None:
    """Return what is no longer proved that was before, None if there is nothing."""
    if not after.unproved <= before.unproved or after.graph.recursive > before.graph.recursive:
        return RollbackReason.HAZARD
    if not (after.endless <= before.endless and after.irreducible <= before.irreducible):
        return RollbackReason.LOOP
    if not set(after.nans.leaks) <= set(before.nans.leaks):
        return RollbackReason.NAN
    return None


@cache
def mutator_of(options: Options) -> Mutator:
    """Return the mutator for some options, which is made once."""
    return Mutator(options)


def mutate(case: Case, entropy: Entropy, options: Options | None = None) -> Case:
    """Return a mutant of a valid case, which itself stays as it is.

    The mutant is valid too, and differs unless no mutation found a place. The case may come from
    the generator or from a file.
    """
    return mutator_of(options or Options()).mutate(case, entropy).case


def crossover(one: Case, other: Case, entropy: Entropy, options: Options | None = None) -> Case:
    """Return the first case with a function of the second one; both stay as they are."""
    return mutator_of(options or Options()).crossover(one, other, entropy).case
