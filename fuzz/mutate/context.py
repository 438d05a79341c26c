"""A case while it is mutated: what may be changed in it, and with what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from clif.function import Function, Inst, Value
from clif.memory_access import access_of
from clif.place import Place
from clif.typed_instructions import TypedInstruction
from clif.types import I64, I128, Type
from clif.uses import Index, Use, fresh_number
from fuzz.analysis.access import is_region_store
from fuzz.analysis.results import AnalysedCase, AnalysisResults
from fuzz.cases.case import Case
from fuzz.entropy import Entropy
from fuzz.generate.immediates import draw_immediates
from fuzz.generate.options import Options
from fuzz.generate.writer import SCALAR_OF_BITS
from fuzz.mutate.instruction_index import InstructionIndex

T = TypeVar("T")
_ATOMICS = frozenset({"atomic_rmw", "atomic_cas", "atomic_load", "atomic_store"})


class MutationContext:
    """What a mutation gets: a case of its own to change, and analysis about it.

    A mutation changes the case and returns True, or leaves it and returns False. After a change the
    analysis are stale: one context serves one change.

    Attributes:
        other: another case to take functions from, or None.
    """

    def __init__(
        self,
        case: Case,
        analysis: AnalysisResults,
        entropy: Entropy,
        index_for: Callable[[Case], InstructionIndex],
        options: Options,
        other: AnalysedCase | None = None,
    ) -> None:
        self.case = case
        self.analysis = analysis
        self.entropy = entropy
        self.instructions = index_for(case)
        self._index_for = index_for
        self.options = options
        self.other = other
        self._next: dict[Function, int] = {}

    def is_lowered(self) -> bool:
        """Whether everything in the case is known to be lowered as it is now: with the settings and
        flags that a mutation has given it."""
        return self._index_for(self.case).lowers(self.case)

    # --- drawing ---

    def function(self) -> Function:
        """A function of the case, large ones more often."""
        functions = self.case.functions
        if len(functions) == 1:
            return functions[0]
        sizes = [sum(len(b.instructions) for b in f.blocks) for f in functions]
        return self.entropy.weighted(functions, tuple(accumulate(sizes)))

    def pick(self, items: Sequence[T]) -> T | None:
        return self.entropy.choice(items) if items else None

    # --- what may be changed ---

    def places(self, function: Function) -> Iterator[Place]:
        """All instructions whose results are not locked."""
        protected = self.analysis.protected
        if protected.everything:
            return
        for block, index, inst in self.analysis.index(function).instructions():
            if not any(result in protected.values for result in inst.results):
                yield Place(function, block, index)

    def pure_places(self, function: Function) -> list[tuple[Place, TypedInstruction]]:
        """Those of pure forms that compute with no addresses."""
        addresses = self.analysis.addresses
        found = []
        for place in self.places(function):
            form = self.instructions.find_pure(place.inst)
            if form is not None and not any(arg in addresses for arg in place.inst.args):
                found.append((place, form))
        return found

    def region_stores(self, function: Function) -> list[Place]:
        """Stores that may be left out or made later: what initialises stack slots is not there."""
        analysis = self.analysis
        return [
            place
            for place in self.places(function)
            if place.inst not in analysis.unproved
            and is_region_store(access_of(place.inst), analysis.ranges)
        ]

    def free_uses(self, function: Function) -> list[Use]:
        """The operands that may become others of their type."""
        protected, addresses = self.analysis.protected, self.analysis.addresses
        if protected.everything:
            return []
        return [
            use
            for value, uses in self.analysis.index(function).uses.items()
            if value not in protected.values and value not in addresses
            for use in uses
            if _is_plain(use.inst)
        ]

    def is_free(self, value: Value) -> bool:
        """Whether a value may be used for anything."""
        return value not in self.analysis.addresses

    def candidates(self, place: Place, type_: Type) -> list[Value]:
        """The values of a type that may be used by what stands at a place."""
        index = self.analysis.index(place.function)
        return [
            value
            for value in index.available(place.block, place.index)
            if value.type is type_ and value not in self.analysis.addresses
        ]

    def is_nondeterministic_nan(self, value: Value) -> bool:
        return value in self.analysis.nans.values

    # --- new instructions ---

    def fresh(self, function: Function, type_: Type) -> Value:
        """A value that nothing defines yet."""
        number = self._next.get(function)
        if number is None:
            number = fresh_number(function)
        self._next[function] = number + 1
        return Value(type_, number)

    def make(self, function: Function, form: TypedInstruction, args: list[Value]) -> Inst:
        """An instruction of a form, its immediates drawn, its results fresh."""
        imm, cond = draw_immediates(self.entropy, form)
        results = [self.fresh(function, type_) for type_ in form.results]
        return Inst(form.opcode, form.type, args, results, imm, cond, form.flags)

    def constant(self, function: Function, type_: Type, bits: int) -> list[Inst]:
        """Instructions the last of which defines a constant."""
        if type_ is I128:
            halves = [
                self._simple(function, "iconst", I64, I64, bits >> shift & I64.mask)
                for shift in (0, 64)
            ]
            opcode = self.instructions.repertoire.opcodes["iconcat"]
            args = [half.result for half in halves]
            return [*halves, Inst(opcode, I64, args, [self.fresh(function, I128)])]
        if not type_.is_vector and not type_.is_float:
            return [self._simple(function, "iconst", type_, type_, bits & type_.mask)]
        name, ctrl = ("vconst", type_) if type_.is_vector else (f"{type_.name}const", None)
        if self.instructions.repertoire.has(name, ctrl):
            return [self._simple(function, name, ctrl, type_, bits)]
        int_ = SCALAR_OF_BITS[type_.bits]
        cast = self.instructions.repertoire.forms["bitcast", type_, (int_,)]
        number = self.constant(function, int_, bits)
        return [*number, self.make(function, cast, [number[-1].result])]

    def _simple(
        self, function: Function, name: str, ctrl: Type | None, type_: Type, bits: int
    ) -> Inst:
        opcode = self.instructions.repertoire.opcodes[name]
        return Inst(opcode, ctrl, [], [self.fresh(function, type_)], imm=bits)

    def index(self, function: Function) -> Index:
        return self.analysis.index(function)

    def conversion(self, function: Function, value: Value, type_: Type) -> Inst | None:
        """An instruction that makes a scalar one of another width; None where there is none."""
        if value.type.is_float:
            name = "fpromote" if value.type.bits < type_.bits else "fdemote"
        elif value.type.bits > type_.bits:
            name = "ireduce"
        else:
            name = self.entropy.choice(("uextend", "sextend"))
        form = self.instructions.repertoire.form(name, type_, value.type)
        return None if form is None else self.make(function, form, [value])


def _is_plain(inst: Inst) -> bool:
    """Whether operands have no meaning beyond their value."""
    return "other_side_effects" not in inst.opcode.flags or inst.opcode.name in _ATOMICS
