"""What one case draws from: its own subset of types and opcodes, its own habits."""

from __future__ import annotations

from itertools import accumulate

from clif.typed_instructions import TypedInstruction
from clif.types import F32, F64, I8, I16, I32, I64, I128, Type
from fuzz.entropy import Entropy
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.options import PLAIN_TYPES

#: Out of 16 cases, how many have the type.
_TYPE_SHARE = {I8: 8, I16: 7, I32: 13, I64: 13, I128: 4, F32: 6, F64: 6}
#: The same of the cases that are not plain: vectors of 128 bits, and f16, f128, smaller vectors.
_VECTOR_SHARE, _NARROW_SHARE = 4, 1
_WEIGHTS = (0, 1, 2, 5)


class Swarm:
    """Swarm testing: what is left out of a case makes room for more of the rest.

    Attributes:
        types: the types of this case's parameters and operations, at least one integer among them.
        unused: probability that an operand is a value that nobody has used.
        constant: probability that an operand is a constant.
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
        return entropy.choice(self.types)

    def draw_pure(self, entropy: Entropy) -> TypedInstruction | None:
        """A pure operation of this case: an opcode by its weight, then any of its instructions."""
        name = entropy.weighted(self._names, self._cumulative)
        instructions = self._instructions.get(name)
        if instructions is None:
            instructions = self._instructions[name] = self.instruction_set.pure_over(
                name, self._active
            )
        return instructions[entropy.below(len(instructions))] if instructions else None


def _draw_types(entropy: Entropy, instruction_set: InstructionSet) -> tuple[Type, ...]:
    """Half of the cases are of plain types only: they are the fastest, and most code."""
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
