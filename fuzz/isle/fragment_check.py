"""Compiling a fragment by itself, to see which rules fire when nothing else is compiled with it.

This is the feedback of the coverage counters. It is about fragments, not cases, so that it is a
function of the fragment and of the build. So a case stays a function of its seed, whatever was made
before it, and in however many processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Final

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    Target,
    VerifierError,
)
from backend.cranelift.edge_counters import uncounted
from backend.cranelift.fired_rules import FiredRules
from backend.cranelift.isle import LOWERING, MID_END, Rule, Unit
from backend.cranelift.rule_edges import rule_id
from clif.printer import print_function
from fuzz.cases.case import DEFAULT_SETTINGS
from fuzz.entropy import PrngEntropy
from fuzz.generate.case_plan import CasePlan
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.instruction_sets import emulated_flags
from fuzz.generate.options import Options
from fuzz.generate.swarm import Swarm
from fuzz.isle.fragment import Fragment
from fuzz.isle.standalone import standalone

#: The verifier is off, since it checks every case later; fragments may have any number of results.
_SETTINGS: Final = DEFAULT_SETTINGS | {
    "enable_verifier": "false",
    "enable_multi_ret_implicit_sret": "true",
    "preserve_frame_pointers": "true",
}
_FAILURES: Final = (CompileError, CompilerPanic, ReadError, VerifierError)


class FragmentCompiler:
    """Compiles fragments for the ISAs that cases are for.

    Args:
        instruction_set: what the fragments are made of.
    """

    def __init__(self, isas: Sequence[str], instruction_set: InstructionSet) -> None:
        self._isas = tuple(isas)
        self._instruction_set = instruction_set
        self._options = Options(isas=self._isas)
        self._swarm = Swarm(PrngEntropy(0), instruction_set)
        self._fired_rules = FiredRules.of_build()
        rules = () if self._fired_rules is None else self._fired_rules.rules
        self._numbers: Final = {rule: number for number, rule in enumerate(rules)}

    def number(self, unit: Unit, rule: Rule) -> int | None:
        """Return the rule's number in ``fired``; None if no counter shows whether it fires."""
        return self._numbers.get(rule_id(unit.name, rule))

    def fires(self, unit: Unit, rule: Rule, fragment: Fragment) -> bool:
        """Return whether the rule fires for one of the targets; True if that cannot be known."""
        return self.first_target(unit, rule, fragment) is not None

    def first_target(self, unit: Unit, rule: Rule, fragment: Fragment) -> int | None:
        """Return the number of the first target for which the rule fires, or may fire unseen.

        Returns:
            None if there is none.
        """
        number = self.number(unit, rule)
        if number is None:
            return 0
        fired = enumerate(self.fired(unit, fragment))
        return next((target for target, numbers in fired if number in numbers), None)

    def targets(self, unit: Unit) -> tuple[Target, ...]:
        """Return the targets that the rules of a unit are tried for."""
        return _targets(unit.name, self._isas)

    def names(self, numbers: Sequence[int]) -> list[str]:
        """Return group and place of rules."""
        names = () if self._fired_rules is None else self._fired_rules.names
        return [names[number] for number in numbers] if names else []

    def fired(self, unit: Unit, fragment: Fragment) -> Iterator[list[int]]:
        """Yield the numbers of the rules that fire, one list per target.

        If compiling fails for a target, the list holds the rules that fired before the failure.
        """
        if self._fired_rules is None:
            return
        text = print_function(standalone(self.plan(), fragment)[0])
        for target in self.targets(unit):
            with uncounted():
                mark = self._fired_rules.mark()
                with suppress(*_FAILURES):
                    target.compile(Functions(text))
                yield self._fired_rules.since(mark)

    def plan(self) -> CasePlan:
        """Return a plan in which a fragment stands alone."""
        entropy = PrngEntropy(0)
        return CasePlan(
            entropy, self._options, self._instruction_set, self._swarm, False, True, True, sites=1
        )


@cache
def _targets(unit: str, isas: tuple[str, ...]) -> tuple[Target, ...]:
    """Return the targets that the rules of a unit are tried for, the likeliest to fire them first.

    Some rules are for CPUs that lack something, so each ISA is tried without any flags, too.
    """
    fast, slow = ({**_SETTINGS, "opt_level": level} for level in ("speed", "none"))
    if unit == MID_END:
        return tuple(Target.of(isa, fast, emulated_flags(isa)) for isa in isas)
    targets: list[Target] = []
    for isa in (isa for isa in isas if LOWERING.get(isa) == unit):
        every = emulated_flags(isa)
        targets += [Target.of(isa, slow, every), Target.of(isa, slow), Target.of(isa, fast, every)]
    return tuple(targets)
