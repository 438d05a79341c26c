"""A copy of a case that a pass may change, and what is known about its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import interp
from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import AbiParam, Block, Function, Inst, Value
from clif.outcome import Region, Words, ints_from_words
from clif.types import I8, I64, I128, Type
from clif.uses import Index, used_values
from fuzz.cases.case import Case, copy_case
from fuzz.cases.interpretation import run_options
from fuzz.differential.oracle import DEFAULT_FUEL

#: One change to a working copy. It is called at most once; if the pass allows chunks, together with
#: other changes that were found in the same copy.
Change = Callable[[], object]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The values of all inputs when the case ran.

    Attributes:
        words: one list per function, with one entry per value in the order of ``values()``; None
            for a value that no input reached.
    """

    words: list[list[Words | None]]


def trace_of(case: Case) -> Trace:
    """Run the case in the interpreter. If the interpreter does not support it, no value is
    known."""
    seen: dict[Value, Words] = {}
    options = run_options(case, DEFAULT_FUEL)
    try:
        interp.run(case.functions, case.inputs, options, trace=seen)
    except interp.Unsupported:
        seen.clear()
    return Trace([[seen.get(value) for value in f.values()] for f in case.functions])


class WorkingCopy:
    """A copy of a case, from which one candidate is made.

    Attributes:
        case: the copy; passes change it in place.
    """

    def __init__(self, case: Case, trace: Trace) -> None:
        self.case = copy_case(case)
        self._words = {
            value: words
            for function, column in zip(self.case.functions, trace.words, strict=True)
            for value, words in zip(function.values(), column, strict=True)
            if words is not None
        }
        self._indices: dict[Function, Index] = {}
        self._added: list[Value] = []
        self._next: dict[Function, int] = {}

    @property
    def main(self) -> Function:
        return self.case.main

    def index(self, function: Function) -> Index:
        """Return a function's definitions and uses, as they were at the first call."""
        if function not in self._indices:
            self._indices[function] = Index(function)
        return self._indices[function]

    def words(self, value: Value) -> Words | None:
        """Return what the value was for each input; None if that is not known."""
        return self._words.get(value)

    def number(self, value: Value) -> int | None:
        """Return what the value was, if it was the same for all inputs; else None."""
        words = self.words(value)
        found = set() if words is None else set(ints_from_words(words))
        return found.pop() if len(found) == 1 else None

    def fresh(self, function: Function, type_: Type) -> Value:
        """Return a new value that no instruction defines yet."""
        if function not in self._next:
            self._next[function] = FunctionBuilder(function, OPCODES).next_value
        self._next[function] += 1
        return Value(type_, self._next[function] - 1)

    # --- changes that several passes make ---

    def add_param(self, type_: Type, words: Words) -> Value:
        """Add a parameter to main, with its argument for each input."""
        case, main = self.case, self.case.main
        param = self.fresh(main, type_)
        self._added.append(param)
        main.entry.params.append(param)
        signature = main.signature
        main.signature = replace(signature, params=(*signature.params, AbiParam(type_)))
        case.inputs = replace(case.inputs, args=[*case.inputs.args, words])
        return param

    def drop_unused_params(self) -> None:
        """Drop parameters that were added, but are unused after all changes."""
        used = {v for inst in self.case.main.instructions() for v in used_values(inst)}
        for param in self._added:
            if param not in used:
                self.drop_param(self.case.main.entry.params.index(param))

    def drop_param(self, at: int) -> None:
        """Drop an unused parameter of main."""
        case, main = self.case, self.case.main
        del main.entry.params[at]
        params = [p for n, p in enumerate(main.signature.params) if n != at]
        main.signature = replace(main.signature, params=tuple(params))
        args = [words for n, words in enumerate(case.inputs.args) if n != at]
        region = case.inputs.region
        if region is not None:
            region = None if region.param == at else _shifted(region, at)
        case.inputs = replace(case.inputs, args=args, region=region)

    def constant(self, function: Function, type_: Type, bits: int) -> list[Inst]:
        """Make instructions that define a constant. The last one defines it; none is in a block
        yet."""
        builder = FunctionBuilder(function, OPCODES)
        builder.block = Block(-1)
        builder.next_value = self.fresh(function, I8).number
        _constant(builder, type_, bits)
        self._next[function] = builder.next_value
        return builder.block.instructions


def _shifted(region: Region, dropped: int) -> Region:
    """Return the region for when another parameter is dropped."""
    return replace(region, param=region.param - (dropped < region.param))


def replace_uses(index: Index, old: Value, new: Value) -> None:
    """Replace every use of ``old`` that the index knows by ``new``."""
    for use in index.uses.get(old, ()):
        use.put(new)


def _constant(builder: FunctionBuilder, type_: Type, bits: int) -> Value:
    if type_ is I128:
        low, high = (builder.iconst(I64, bits >> shift & I64.mask) for shift in (0, 64))
        return builder.value("iconcat", low, high)
    if type_.is_vector:
        return builder.value("vconst", type=type_, imm=bits)
    if type_.is_float:
        return builder.ins(f"{type_.name}const", imm=bits).result
    return builder.iconst(type_, bits)
