"""Swarm testing: each case draws from its own subset of types and opcodes."""

from __future__ import annotations

from itertools import accumulate

from clif.typed_instructions import TypedInstruction
from clif.types import F32, F64, I8, I16, I32, I64, I128, Type
from fuzz.entropy import Entropy
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.options import PLAIN_TYPES

#: How many of 16 cases have the type.
_TYPE_SHARE = {I8: 8, I16: 7, I32: 13, I64: 13, I128: 4, F32: 6, F64: 6}
#: The same for the other types, in cases that are not plain: vectors of 128 bits, and all others
#: (f16, f128, smaller vectors).
_VECTOR_SHARE, _NARROW_SHARE = 4, 1
_WEIGHTS = (0, 1, 2, 5)


class Swarm:
    """The subset of types and opcodes, and the probabilities, of one case.

    What is left out of a case makes room for more of the rest.

    Attributes:
        types: the types of the case's parameters and operations, among them i32 or i64.
        unused: the probability that an operand is an unused value.
        constant: the probability that an operand is a constant.
    """

    def __init__(self, entropy: Entropy, instruction_set: InstructionSet) -> None:
        self.instruction_set = instruction_set
        self.types = _draw_types(entropy, instruction_set)
        self._active = instruction_set.type_bits(self.types)
        plain = all(type_ in PLAIN_TYPES for type_ in self.types)
        names = instruction_set.plain_opcodes if plain else instruction_set.pure_opcodes
        self._names, self._cumulative = _draw_opcodes(entropy, names)
        self._instructions: dict[str, tuple[TypedInstruction, ...]] = {}
        self.unused = 0.45 + 0.05 * entropy.below(8)
        self.constant = 0.05 + 0.05 * entropy.below(6)

    def type(self, entropy: Entropy) -> Type:
        """Draw a type of the case."""
        return entropy.choice(self.types)

    def draw_pure(self, entropy: Entropy) -> TypedInstruction | None:
        """Draw a pure instruction: an opcode by its weight, then one of its typed instructions."""
        name = entropy.weighted(self._names, self._cumulative)
        instructions = self._instructions.get(name)
        if instructions is None:
            instructions = self._instructions[name] = self.instruction_set.pure_over(
                name, self._active
            )
        return instructions[entropy.below(len(instructions))] if instructions else None


def _draw_types(entropy: Entropy, instruction_set: InstructionSet) -> tuple[Type, ...]:
    """Draw the types of a case.

    Half of the cases have plain types only: these are the fastest, and resemble most code.
    """
    uncommon = entropy.below(2)
    bits = entropy.bits(4 * len(instruction_set.types))
    types: list[Type] = []
    for type_ in instruction_set.types:
        share = _TYPE_SHARE.get(type_, _uncommon_share(type_) if uncommon else 0)
        if bits & 15 >= 16 - share:
            types.append(type_)
        bits >>= 4
    if not any(t in (I32, I64) for t in types):
        types.append(I64)
    return tuple(types)


def _uncommon_share(type_: Type) -> int:
    return _VECTOR_SHARE if type_.bits == 128 and type_.is_vector else _NARROW_SHARE


def _draw_opcodes(entropy: Entropy, names: tuple[str, ...]) -> tuple[tuple[str, ...], list[int]]:
    bits = entropy.bits(2 * len(names))
    weights = []
    for _ in names:
        weights.append(_WEIGHTS[bits & 3])
        bits >>= 2
    if not any(weights):
        weights = [1] * len(names)
    return names, list(accumulate(weights))
