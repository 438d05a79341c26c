"""Chains of two rules of the mid-end: each matches what the other one made, again and again.

Rules that undo each other, or that copy what they match, make the optimiser grow. A step is the
fragments of two rules, one on the result of the other; a chain has many steps, each on the result
of the one before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from backend.cranelift.isle import MID_END
from clif.printer import print_function
from fuzz.entropy import Entropy, PrngEntropy
from fuzz.generate.case_plan import CasePlan
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.instruction_sets import InstructionSets
from fuzz.generate.options import Options
from fuzz.generate.swarm import Swarm
from fuzz.isle.director import RuleDirector
from fuzz.isle.fragment import Fragment
from fuzz.isle.fragment_pool import FragmentPool
from fuzz.isle.standalone import standalone

#: How many pairs of fragments are tried for one step.
_TRIES: Final = 60
_VALUE: Final = re.compile(r"\bv\d+\b")
_HEAD: Final = re.compile(r"block0\((.*)\):")
_FUNCTION: Final = re.compile(
    r"function %step\(.*\) -> (\S+) system_v \{\nblock0\((v0: .+)\):\n((?:    .+\n)+)"
    r"    return (v\d+)\n\}\n"
)


@dataclass(frozen=True, slots=True)
class Step:
    """A function of one block: what is repeated takes its first parameter from its own result.

    Attributes:
        params: names and types.
        lines: its instructions.
        result: the value that it returns, of the first parameter's type.
    """

    params: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    result: str

    @property
    def type(self) -> str:
        """The type of what is handed on."""
        return self.params[0][1]

    def text(self) -> str:
        """Return the step as a function."""
        return self._function("step", list(self.lines), self.result)

    def chain(self, size: int) -> str:
        """Return a function of so many steps."""
        carried, lines, number = self.params[0][0], [], len(self.params)
        for _ in range(size):
            names = {name: name for name, _ in self.params} | {self.params[0][0]: carried}
            for line in self.lines:
                for value in _VALUE.findall(line.partition(" = ")[0]):
                    names[value] = f"v{number}"
                    number += 1
                lines.append(_VALUE.sub(lambda match: names[match[0]], line))  # noqa: B023
            carried = names[self.result]
        return self._function("main", lines, carried)

    def _function(self, name: str, lines: list[str], result: str) -> str:
        params = ", ".join(f"{value}: {type_}" for value, type_ in self.params)
        types = ", ".join(type_ for _, type_ in self.params)
        body = "".join(f"    {line}\n" for line in lines)
        head = f"function %{name}({types}) -> {self.type} system_v {{\nblock0({params}):\n"
        return f"{head}{body}    return {result}\n}}\n"


def read_step(text: str) -> Step | None:
    """Return the step that ``Step.text`` wrote; None if it is none."""
    match = _FUNCTION.fullmatch(text)
    if match is None:
        return None
    pairs = [param.split(": ") for param in match[2].split(", ")]
    params = tuple((name, type_) for name, type_ in pairs)
    lines = tuple(line.strip() for line in match[3].splitlines())
    return Step(params, lines, match[4]) if params[0][1] == match[1] else None


class RuleChains:
    """Draws steps from the rules of the mid-end."""

    def __init__(self, isas: tuple[str, ...]) -> None:
        self._options = Options(isas=isas)
        self._pool: FragmentPool | None = None
        self._set: InstructionSet | None = None

    def draw(self, entropy: Entropy) -> Step | None:
        """Return a step of two rules; None if no two that were drawn fit."""
        for _ in range(_TRIES):
            first, second = self._draw(entropy), self._draw(entropy)
            if first is not None and second is not None:
                step = compose(first, second)
                if step is not None:
                    return step
        return None

    def _draw(self, entropy: Entropy) -> Step | None:
        if self._pool is None:
            self._pool = _pool(self._options.isas)
            self._set = InstructionSets(self._options).widest("speed")
        variant = self._pool.draw(entropy)
        fragment = None if variant is None else variant.fragment
        return None if fragment is None else self._straight(fragment)

    def _straight(self, fragment: Fragment) -> Step | None:
        """Return a fragment as a step, whatever types it has; None if it accesses memory."""
        assert self._set is not None
        rng = PrngEntropy(0)
        swarm = Swarm(rng, self._set)
        plan = CasePlan(rng, self._options, self._set, swarm, False, True, True, sites=1)
        try:
            function, memory = standalone(plan, fragment)
        except ValueError:
            return None
        if memory is not None or len(function.blocks) > 1 or function.stack_slots:
            return None
        results = function.blocks[0].instructions[-1].args
        if not results:
            return None
        return _parse(print_function(function), results[-1].type.name)


@cache
def _pool(isas: tuple[str, ...]) -> FragmentPool:
    return RuleDirector(Options(isas=isas, directed_share=1.0)).pool.of([MID_END])


def _parse(text: str, result_type: str) -> Step | None:
    """Return the block of a function; the result's type is kept as that of a parameter ``out``."""
    lines = [line.strip() for line in text.splitlines()]
    head = next((at for at, line in enumerate(lines) if _HEAD.match(line)), None)
    if head is None:
        return None
    match = _HEAD.match(lines[head])
    assert match is not None
    params = [param.split(": ") for param in match[1].split(", ")]
    *body, last = lines[head + 1 : -1]
    result = last.split(", ")[-1].removeprefix("return ")
    pairs = tuple((name, type_) for name, type_ in params)
    return Step((*pairs, ("out", result_type)), tuple(body), result)


def compose(first: Step, second: Step) -> Step | None:
    """Return a step of two: the second works on what the first makes, and makes what that takes."""
    (*one, (_, middle)), (*other, (_, end)) = first.params, second.params
    entry = next((name for name, type_ in one if type_ == end), None)
    joint = next((name for name, type_ in other if type_ == middle), None)
    if entry is None or joint is None:
        return None
    names: dict[tuple[int, str], str] = {(0, entry): "v0"}
    params = [("v0", end)]
    for which, given, skipped in ((0, one, entry), (1, other, joint)):
        for name, type_ in given:
            if name != skipped:
                names[which, name] = f"v{len(params)}"
                params.append((f"v{len(params)}", type_))
    lines, number = [], len(params)
    for which, step in enumerate((first, second)):
        for line in step.lines:
            for value in _VALUE.findall(line.partition(" = ")[0]):
                names[which, value] = f"v{number}"
                number += 1
            lines.append(_VALUE.sub(lambda match: names[which, match[0]], line))  # noqa: B023
        if which == 0:
            names[1, joint] = names[0, first.result]
    return Step(tuple(params), tuple(lines), names[1, second.result])
