"""Paths through code, and what a function does as the sum of its paths.

Each end of a path has a condition on the inputs; exactly one of these holds for any input. Both
sides of a proof become such ends, whatever they are made of.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import z3

from fuzz.prove.memory import Memory, Segment
from fuzz.prove.semantics.registry import UndecidedError
from fuzz.prove.terms import Condition, Term, any_of, choose, every, truth_of

#: More paths than this are not followed.
MOST_PATHS: Final = 64
#: Steps, of instructions or of p-code, that are followed on all paths together.
MOST_STEPS: Final = 20_000
#: How long the solver may think about whether a path is possible at all, in milliseconds.
_FEASIBLE_MS: Final = 200


class PathEnd(Exception):
    """The path has ended: there is nothing to go on with."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """A call of a function that is not looked into.

    Attributes:
        callee: its name.
        args: the arguments.
        memory: the shared memory when it was called.
    """

    callee: str
    args: tuple[Term, ...]
    memory: Segment


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that code must have kept when it returns.

    Attributes:
        what: the name of a register.
        found: what is there.
        wanted: what must be there.
    """

    what: str
    found: Term
    wanted: Term


@dataclass(frozen=True, slots=True)
class End:
    """How a path ends.

    Attributes:
        condition: on the inputs.
        trap: the trap code; empty where it returned.
        results: the values that were returned; none of a trap.
        memory: the shared memory afterwards.
        calls: the calls made on the way.
        kept: what must have been kept.
    """

    condition: Condition
    trap: str
    results: tuple[Term, ...]
    memory: Segment
    calls: tuple[CallEvent, ...] = ()
    kept: tuple[Kept, ...] = ()

    @property
    def kind(self) -> tuple[str, ...]:
        """What must be the same on both sides, whatever the inputs: trap code and callees."""
        return (self.trap, *(call.callee for call in self.calls))


@dataclass(slots=True)
class Exploration:
    """What is common to all paths of a function.

    Attributes:
        ends: of the paths that have ended.
        assumptions: what the function may take for granted.
        steps: so many more may be made.
        paths: so many have begun.
    """

    ends: list[End] = field(default_factory=list)
    assumptions: list[Condition] = field(default_factory=list)
    steps: int = MOST_STEPS
    paths: int = 1

    def count_step(self) -> None:
        """Count one step.

        Raises:
            UndecidedError: there were too many.
        """
        self.steps -= 1
        if self.steps < 0:
            raise UndecidedError("too many steps")

    def count_path(self) -> None:
        """Count one more path.

        Raises:
            UndecidedError: there were too many.
        """
        self.paths += 1
        if self.paths > MOST_PATHS:
            raise UndecidedError("too many paths")


class Path(ABC):
    """The state in which a function is on one of its paths.

    Attributes:
        conditions: on the inputs, that all hold here.
        memory: as it is here.
        calls: made so far.
    """

    def __init__(self, exploration: Exploration, memory: Memory) -> None:
        self.exploration = exploration
        self.conditions: list[Condition] = []
        self.memory = memory
        self.calls: tuple[CallEvent, ...] = ()

    def copy_to(self, other: Path) -> None:
        """Make another path one that has come the same way."""
        other.exploration = self.exploration
        other.conditions = self.conditions.copy()
        other.memory = self.memory.copy()
        other.calls = self.calls

    @abstractmethod
    def run(self) -> Sequence[Path]:
        """Go on up to where paths part, and return those that go on from there.

        Raises:
            PathEnd: none does.
        """

    def end(
        self,
        trap: str = "",
        results: Sequence[Term] = (),
        *also: Condition,
        kept: tuple[Kept, ...] = (),
    ) -> None:
        """Note that the path ends here, or that it does where other conditions hold too."""
        condition = every([*self.conditions, *also])
        memory = self.memory.main.copy()
        self.exploration.ends.append(End(condition, trap, tuple(results), memory, self.calls, kept))

    def trap(self, condition: Condition, code: str) -> None:
        """Trap where a condition holds.

        Raises:
            PathEnd: it always does.
        """
        match truth_of(condition):
            case False:
                return
            case True:
                self.end(code)
                raise PathEnd
            case None:
                self.end(code, (), condition)
                self.conditions.append(z3.Not(condition))

    def assume(self, condition: Condition) -> None:
        """Take a condition for granted wherever this path is taken."""
        self.exploration.assumptions.append(z3.Implies(every(self.conditions), condition))

    def is_possible(self) -> bool:
        """Return whether any input takes this path, as far as the solver finds out soon."""
        solver = z3.Solver()
        solver.set("timeout", _FEASIBLE_MS)
        solver.add(*self.exploration.assumptions, *self.conditions)
        return solver.check() != z3.unsat

    def called(self, callee: str, args: Sequence[Term], results: Sequence[int]) -> list[Term]:
        """Call a function that may do anything, and return its results.

        Args:
            results: their widths.
        """
        number = len(self.calls)
        self.calls += (CallEvent(callee, tuple(args), self.memory.main.copy()),)
        self.memory.replace_main(f"memory_after_call_{number}")
        return [z3.BitVec(f"call_{number}_{at}", bits) for at, bits in enumerate(results)]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a function does: the ends of all its paths.

    Attributes:
        ends: exactly one of their conditions holds.
        assumptions: which all hold.
    """

    ends: tuple[End, ...]
    assumptions: tuple[Condition, ...]

    @property
    def kinds(self) -> list[tuple[str, ...]]:
        """The kinds of ends, each once."""
        return list(dict.fromkeys(end.kind for end in self.ends))

    def of_kind(self, kind: tuple[str, ...]) -> list[End]:
        """Return the ends of a kind."""
        return [end for end in self.ends if end.kind == kind]


def explore(first: Path) -> Summary:
    """Return what comes of a path and of all that part from it.

    Raises:
        UndecidedError: that cannot be told in terms, or there are too many.
    """
    waiting = [first]
    while waiting:
        path = waiting.pop()
        with suppress(PathEnd):
            waiting += path.run()
    return Summary(tuple(first.exploration.ends), tuple(first.exploration.assumptions))


def reached(ends: Sequence[End]) -> Condition:
    """Return the condition under which one of some ends is reached."""
    return any_of([end.condition for end in ends])


def merged(ends: Sequence[End], value: Callable[[End], Term]) -> Term:
    """Return a value of the end that is reached, of some ends of one kind."""
    *others, last = ends
    result = value(last)
    for end in others:
        result = choose(end.condition, value(end), result)
    return result
