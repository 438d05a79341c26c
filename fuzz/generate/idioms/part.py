"""What a part is: a piece of a function that fits, or does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from clif.function import Value
from clif.nan_payload import NanEffect
from clif.typed_instructions import LAST_LANE
from clif.types import I128, Type
from fuzz.entropy import Entropy
from fuzz.generate.conversions import canonicalise
from fuzz.generate.writer import Writer

#: Emits at the writer's place, keeps what others may use, and says whether it fits there. Where it
#: does not, nothing that it emitted matters. ``Options.extra_parts`` takes more of them.
EmitPart: TypeAlias = Callable[[Writer, Entropy], bool]


class Unfit(Exception):
    """An operation of the shape is not lowered by every ISA of the case."""


def op(
    w: Writer, name: str, *args: Value, type: Type | None = None, imm: int = 0, cond: str = ""
) -> Value:
    """``Writer.op``, with open NaN payloads closed where they would show. Raises Unfit."""
    operand = w.instruction_set.opcodes[name].typevar_operand
    ctrl = args[operand].type if operand is not None else type
    instruction = w.instruction_set.find(name, ctrl, *(arg.type for arg in args))
    if instruction is None or (cond and instruction.variants and cond not in instruction.variants):
        raise Unfit
    if imm and instruction.variants and LAST_LANE not in instruction.variants:
        imm = 0  # of some vectors only the first lane can be taken out
    operands = list(args)
    if instruction.nan_effect is NanEffect.EXPOSES:
        operands = [canonicalise(w, value) for value in operands]
    elif instruction.nan_effect is NanEffect.EXPOSES_SIGN:
        operands[1] = canonicalise(w, operands[1])
    return w.apply(instruction, operands, imm, cond)[0]


def constant(w: Writer, type_: Type, bits: int) -> Value:
    """A constant. Raises Unfit for an i128 where halves cannot be joined."""
    if type_ is I128 and not w.instruction_set.has(
        "iconcat", type_.half_width, *[type_.half_width] * 2
    ):
        raise Unfit
    return w.constant(type_, bits & type_.mask)


@dataclass(frozen=True, slots=True)
class Idiom:
    """A part over one main type of the case.

    Attributes:
        build: makes the result; raises Unfit.
        types: those that it is made for.
        needs: binary or unary operations on that type that it cannot do without.
    """

    build: Callable[[Writer, Type], Value]
    types: tuple[Type, ...]
    needs: tuple[str, ...] = ()

    def __call__(self, w: Writer, entropy: Entropy) -> bool:
        types = [t for t in w.swarm.types if t in self.types and self._usable(w, t)]
        if not types:
            return False
        try:
            w.keep(self.build(w, entropy.choice(types)))
        except Unfit:
            return False
        return True

    def _usable(self, w: Writer, type_: Type) -> bool:
        has = w.instruction_set.has
        return all(has(n, type_, type_, type_) or has(n, type_, type_) for n in self.needs)
