"""The context of a mutation: what it may change in a case, and what new instructions may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from clif.function import Function, Inst, Value
from clif.memory_access import access_of
from clif.nan_payload import NanEffect
from clif.typed_instructions import TypedInstruction
from clif.types import I64, I128, Type
from clif.uses import Index, Place, Use, fresh_number
from fuzz.analysis.access import is_region_store
from fuzz.analysis.results import AnalysedCase, AnalysisResults
from fuzz.cases.case import Case
from fuzz.entropy import Entropy
from fuzz.generate.constants import draw_bits
from fuzz.generate.immediates import draw_immediates
from fuzz.generate.options import Options
from fuzz.generate.writer import SCALAR_OF_BITS
from fuzz.mutate.instruction_index import InstructionIndex

T = TypeVar("T")
#: How often an operand is a constant although values are in scope.
_CONSTANT = 0.15
_ATOMICS = frozenset({"atomic_rmw", "atomic_cas", "atomic_load", "atomic_store"})


class MutationContext:
    """What a mutation is given: a case to change, and what the analyses found in it.

    A mutation changes the case and returns True, or leaves it alone and returns False. A change
    makes the analysis results stale, so one context serves one mutation.

    Attributes:
        case: a copy that the mutation may change in place.
        instructions: what the case's ISAs lower.
        options: those of the generator.
        other: another case to import functions from, or None.

    Args:
        index_for: makes the index of what the ISAs of a case lower.
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
        """Return whether everything in the case is known to be lowered with the settings and flags
        that it has now: a mutation may have changed them."""
        return self._index_for(self.case).lowers(self.case)

    # --- drawing ---

    def draw_function(self) -> Function:
        """Draw a function of the case, with its number of instructions as the weight."""
        functions = self.case.functions
        if len(functions) == 1:
            return functions[0]
        sizes = [sum(len(b.instructions) for b in f.blocks) for f in functions]
        return self.entropy.weighted(functions, tuple(accumulate(sizes)))

    def pick(self, items: Sequence[T]) -> T | None:
        """Draw one of the items, None if there are none."""
        return self.entropy.choice(items) if items else None

    # --- what may be changed ---

    def places(self, function: Function) -> Iterator[Place]:
        """Iterate over the instructions whose results are not protected."""
        protected = self.analysis.protected
        if protected.everything:
            return
        for block, index, inst in self.analysis.index(function).instructions():
            if not any(result in protected.values for result in inst.results):
                yield Place(function, block, index)

    def pure_places(self, function: Function) -> list[tuple[Place, TypedInstruction]]:
        """Return the unprotected instructions without side effects that use no addresses."""
        addresses = self.analysis.addresses
        found = []
        for place in self.places(function):
            typed = self.instructions.find_pure(place.inst)
            if typed is not None and not any(arg in addresses for arg in place.inst.args):
                found.append((place, typed))
        return found

    def region_stores(self, function: Function) -> list[Place]:
        """Return the stores to the region, which may be deleted or delayed: unlike those to stack
        slots, they initialise nothing."""
        analysis = self.analysis
        return [
            place
            for place in self.places(function)
            if place.inst not in analysis.unproved
            and is_region_store(access_of(place.inst), analysis.ranges)
        ]

    def free_uses(self, function: Function) -> list[Use]:
        """Return the uses that may be replaced by another value of the type."""
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

    def candidates(self, place: Place, type_: Type) -> list[Value]:
        """Return the values of a type that an instruction at a place may use."""
        index = self.analysis.index(place.function)
        return [
            value
            for value in index.available(place.block, place.index)
            if value.type is type_ and value not in self.analysis.addresses
        ]

    def operand(self, place: Place, type_: Type, before: list[Inst]) -> Value:
        """Draw a value of a type that is in scope, or a constant.

        Args:
            before: gets the instructions of a constant, which must be inserted in front of the use.
        """
        values = self.candidates(place, type_)
        if values and not self.entropy.chance(_CONSTANT):
            return self.entropy.choice(values)
        before += self.constant(place.function, type_, draw_bits(self.entropy, type_))
        return before[-1].result

    def may_be_nondeterministic_nan(self, value: Value) -> bool:
        """Return whether a value may be a NaN of any sign and payload."""
        return value in self.analysis.nans.values

    def exposes_nans(self, typed: TypedInstruction, args: Sequence[Value]) -> bool:
        """Return whether an instruction with these operands could make the bits of a
        nondeterministic NaN observable."""
        exposes = typed.nan_effect in (NanEffect.EXPOSES, NanEffect.EXPOSES_SIGN)
        return exposes and any(map(self.may_be_nondeterministic_nan, args))

    # --- new instructions ---

    def fresh(self, function: Function, type_: Type) -> Value:
        """Make a value that no instruction defines yet."""
        number = self._next.get(function)
        if number is None:
            number = fresh_number(function)
        self._next[function] = number + 1
        return Value(type_, number)

    def make(self, function: Function, typed: TypedInstruction, args: list[Value]) -> Inst:
        """Make an instruction with drawn immediates and fresh results; it is not inserted yet."""
        imm, cond = draw_immediates(self.entropy, typed)
        results = [self.fresh(function, type_) for type_ in typed.results]
        return Inst(typed.opcode, typed.type, args, results, imm, cond, typed.flags)

    def constant(self, function: Function, type_: Type, bits: int) -> list[Inst]:
        """Make the instructions of a constant, which the last one of them defines."""
        if type_ is I128:
            halves = [
                self._simple(function, "iconst", I64, I64, bits >> shift & I64.mask)
                for shift in (0, 64)
            ]
            opcode = self.instructions.instruction_set.opcodes["iconcat"]
            args = [half.result for half in halves]
            return [*halves, Inst(opcode, I64, args, [self.fresh(function, I128)])]
        if not type_.is_vector and not type_.is_float:
            return [self._simple(function, "iconst", type_, type_, bits & type_.mask)]
        name, ctrl = ("vconst", type_) if type_.is_vector else (f"{type_.name}const", None)
        if self.instructions.instruction_set.has(name, ctrl):
            return [self._simple(function, name, ctrl, type_, bits)]
        int_ = SCALAR_OF_BITS[type_.bits]
        cast = self.instructions.instruction_set.by_key["bitcast", type_, (int_,)]
        number = self.constant(function, int_, bits)
        return [*number, self.make(function, cast, [number[-1].result])]

    def _simple(
        self, function: Function, name: str, ctrl: Type | None, type_: Type, bits: int
    ) -> Inst:
        opcode = self.instructions.instruction_set.opcodes[name]
        return Inst(opcode, ctrl, [], [self.fresh(function, type_)], imm=bits)

    def index(self, function: Function) -> Index:
        """Return the definitions and uses of a function as they were before the mutation."""
        return self.analysis.index(function)

    def conversion(self, function: Function, value: Value, type_: Type) -> Inst | None:
        """Make an instruction that converts a scalar to another width.

        Returns:
            None if the case's ISAs have no such conversion.
        """
        if value.type.is_float:
            name = "fpromote" if value.type.bits < type_.bits else "fdemote"
        elif value.type.bits > type_.bits:
            name = "ireduce"
        else:
            name = self.entropy.choice(("uextend", "sextend"))
        typed = self.instructions.instruction_set.find(name, type_, value.type)
        return None if typed is None else self.make(function, typed, [value])


def _is_plain(inst: Inst) -> bool:
    """Return whether nothing but the values of the operands matters."""
    return "other_side_effects" not in inst.opcode.flags or inst.opcode.name in _ATOMICS
