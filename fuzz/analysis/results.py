"""All that is known of a case between two mutations."""

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
    """A snapshot; a changed case has other analysis.

    Attributes:
        unproved: identities of the instructions whose harmlessness is not proved.
        endless: headers of the loops whose end is not proved.
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
            for analysis in self.loops
            for proof in analysis.proofs
            if proof.condition is None
        }
        self.irreducible: set[Function] = {f.function for f in self.loops if f.irreducible}

    @cached_property
    def protected(self) -> ProtectedValues:
        analysis = address_constraints(self.graph, self.addresses)
        return ProtectedValues(self.ranges, self.hazards, self.loops, self.nans.leaks, analysis)

    @cached_property
    def addresses(self) -> set[Value]:
        return addresses(self.graph)

    @cached_property
    def readonly(self) -> int:
        """Where writing to the region may begin."""
        return readonly_end(self.ranges)

    @cached_property
    def cyclic(self) -> set[Block]:
        """The blocks that may run more than once per call."""
        found: set[Block] = set()
        for analysis in self.loops:
            for proof in analysis.proofs:
                found |= proof.loop.blocks
            if analysis.irreducible:
                found.update(analysis.function.blocks)
        return found

    def index(self, function: Function) -> Index:
        return self.graph.index[function]

    def exits(self) -> set[Inst]:
        """The branches that end loops."""
        return {p.exit for analysis in self.loops for p in analysis.proofs if p.exit is not None}


class AnalysedCase:
    """A case whose analysis results are computed when they are first asked for."""

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def analysis(self) -> AnalysisResults:
        return AnalysisResults(self.case)
