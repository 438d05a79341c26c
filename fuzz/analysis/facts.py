"""All that is known of a case between two mutations."""

from __future__ import annotations

from functools import cached_property

from clif.function import Block, Function, Inst, Value
from clif.uses import Index
from fuzz.analysis.flow import Openness, addresses, facts_of_addresses
from fuzz.analysis.hazards import Hazard, find_hazards, readonly_end
from fuzz.analysis.program import Program
from fuzz.analysis.protected_values import Locks
from fuzz.analysis.ranges import Ranges
from fuzz.analysis.termination import LoopFacts, loop_facts
from fuzz.cases.case import Case


class Facts:
    """A snapshot; a changed case has other facts.

    Attributes:
        unproved: identities of the instructions whose harmlessness is not proved.
        endless: headers of the loops whose end is not proved.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.program = Program(case)
        self.ranges = Ranges(self.program)
        self.hazards: list[Hazard] = list(find_hazards(self.ranges))
        self.loops: list[LoopFacts] = [loop_facts(f, self.ranges) for f in self.program.running]
        self.openness = Openness(self.program)
        self.unproved: set[Inst] = {h.inst for h in self.hazards if not h.proved}
        self.endless: set[Block] = {
            proof.loop.header
            for facts in self.loops
            for proof in facts.proofs
            if proof.condition is None
        }
        self.irreducible: set[Function] = {f.function for f in self.loops if f.irreducible}

    @cached_property
    def locks(self) -> Locks:
        facts = facts_of_addresses(self.program, self.addresses)
        return Locks(self.ranges, self.hazards, self.loops, self.openness.leaks, facts)

    @cached_property
    def addresses(self) -> set[Value]:
        return addresses(self.program)

    @cached_property
    def readonly(self) -> int:
        """Where writing to the region may begin."""
        return readonly_end(self.ranges)

    @cached_property
    def cyclic(self) -> set[Block]:
        """The blocks that may run more than once per call."""
        found: set[Block] = set()
        for facts in self.loops:
            for proof in facts.proofs:
                found |= proof.loop.blocks
            if facts.irreducible:
                found.update(facts.function.blocks)
        return found

    def index(self, function: Function) -> Index:
        return self.program.index[function]

    def exits(self) -> set[Inst]:
        """The branches that end loops."""
        return {p.exit for facts in self.loops for p in facts.proofs if p.exit is not None}


class Donor:
    """A case that functions may be taken from. Its facts are gathered when they are asked for."""

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def facts(self) -> Facts:
        return Facts(self.case)
