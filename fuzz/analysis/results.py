"""The results of all analyses of a case."""

from __future__ import annotations

from functools import cached_property

from clif.function import Block, Function, Inst, Value
from clif.uses import Index
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.flow import NondeterministicNans, address_constraints, addresses
from fuzz.analysis.hazards import Hazard, find_hazards, readonly_end
from fuzz.analysis.protected_values import ProtectedValues
from fuzz.analysis.ranges import Ranges
from fuzz.analysis.termination import FunctionLoops, prove_loops
from fuzz.cases.case import Case


class AnalysisResults:
    """What the analyses found in a case. It is a snapshot: a changed case needs another one.

    Attributes:
        unproved: instructions that are not proved free of traps and bad accesses.
        endless: headers of the loops that are not proved to end.
        irreducible: functions with cycles that are no natural loops.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.graph = CallGraph(case)
        self.ranges = Ranges(self.graph)
        self.hazards: list[Hazard] = list(find_hazards(self.ranges))
        self.loops: list[FunctionLoops] = [
            prove_loops(f, self.ranges) for f in self.graph.reachable
        ]
        self.nans = NondeterministicNans(self.graph)
        self.unproved: set[Inst] = {h.inst for h in self.hazards if not h.proved}
        self.endless: set[Block] = {
            proof.loop.header
            for loops in self.loops
            for proof in loops.proofs
            if proof.condition is None
        }
        self.irreducible: set[Function] = {f.function for f in self.loops if f.irreducible}

    @cached_property
    def protected(self) -> ProtectedValues:
        """What a mutation must leave alone."""
        constraints = address_constraints(self.graph, self.addresses)
        return ProtectedValues(self.ranges, self.hazards, self.loops, self.nans.leaks, constraints)

    @cached_property
    def addresses(self) -> set[Value]:
        """The values that depend on where an object lies in memory."""
        return addresses(self.graph)

    @cached_property
    def readonly(self) -> int:
        """The offset in the region below which nothing may be written."""
        return readonly_end(self.ranges)

    @cached_property
    def cyclic(self) -> set[Block]:
        """The blocks that may run more than once in a call of their function."""
        found: set[Block] = set()
        for loops in self.loops:
            for proof in loops.proofs:
                found |= proof.loop.blocks
            if loops.irreducible:
                found.update(loops.function.blocks)
        return found

    def index(self, function: Function) -> Index:
        """Return the definitions and uses of a function."""
        return self.graph.index[function]

    def exits(self) -> set[Inst]:
        """Return the branches that the proofs of loops rest on."""
        return {p.exit for loops in self.loops for p in loops.proofs if p.exit is not None}


class AnalysedCase:
    """A case whose analysis results are computed when they are first asked for."""

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def analysis(self) -> AnalysisResults:
        return AnalysisResults(self.case)
