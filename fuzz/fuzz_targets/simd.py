"""Single-instruction fuzzing of vectors: one operation and what makes its operands, many inputs."""

from __future__ import annotations

from clif.types import Type
from fuzz.entropy import Entropy
from fuzz.fuzz_targets.differential import Differential
from fuzz.generate import Generator, Options
from fuzz.generate.instruction_set import Pair, Repertoire

#: Rows of arguments: an instruction is cheap to compile, and its corner cases are many.
_INPUTS = 64
_INSTRUCTIONS = 6


class OneVectorInstruction(Generator):
    """Makes tiny cases about one pair of vector opcode and type, each pair as likely as another."""

    def _focuses(self, entropy: Entropy, repertoire: Repertoire, *, alone: bool) -> list[Pair]:
        pairs = (alone and self.repertoires.own(repertoire)) or repertoire.pairs
        vectors = [pair for pair in pairs if _of_vectors(pair[1])]
        return [entropy.choice(vectors or pairs)]


def _of_vectors(type_: Type | None) -> bool:
    return type_ is not None and type_.is_vector


def target(isas: tuple[str, ...]) -> Differential:
    options = Options(
        instructions=_INSTRUCTIONS,
        inputs=_INPUTS,
        trapping_share=0.0,
        isas=isas,
        callees=0,
        directed_share=0.0,
    )
    return Differential(isas, OneVectorInstruction(options))
