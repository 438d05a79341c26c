"""Generators and extra parts for targets that need certain code more often than it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from clif.typed_instructions import OpcodeType
from clif.types import Type, by_name
from fuzz.entropy import Entropy
from fuzz.generate import Generator, Options
from fuzz.generate.calls import call
from fuzz.generate.control import table
from fuzz.generate.director import Director
from fuzz.generate.exceptions import ThrowingDirector
from fuzz.generate.immediates import patterned_shuffle_mask
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.machine_dependent import ADDRESSES, emit_machine_dependent
from fuzz.generate.memory import atomic, combined_load, load, new_slot, store
from fuzz.generate.operands import pick
from fuzz.generate.unstructured import pressure
from fuzz.generate.writer import MemoryObject, Writer

_FEWEST_CALLEES = 2
#: The probability that the next part is a call. Without it five of six callees are never called.
_CALL_SHARE = 0.4
_BYTES: Final = by_name("i8x16")
#: The most instructions that ``hold_many`` and ``addresses_and_tables`` emit.
_PRESSURE, _TABLE = 200, 40
#: The room that ``ordered_accesses`` asks for.
_ACCESSES = 40


class CallGenerator(Generator):
    """Draws cases of many small functions, so that most of a case is calls.

    After each run every executor checks that the callee-saved registers and the stack pointer are
    what they were before.
    """

    def __init__(self, options: Options, director: Director | None = None) -> None:
        super().__init__(replace(options, call_share=_CALL_SHARE), director)

    def draw_budgets(self, entropy: Entropy) -> list[int]:
        count = entropy.between(_FEWEST_CALLEES, self.options.callees)
        return [max(3, self.options.instructions // (2 * (count + 1)))] * (count + 1)


@dataclass(slots=True)
class NumberedEntities:
    """Directs cases at what a function refers to by a number, which inlining translates.

    That is the same for all cases, so it is the director of each of them, too.
    """

    trapping: bool = False

    def begin_case(
        self,
        entropy: Entropy,
        isas: Sequence[str],
        settings: dict[str, str],
        isa_settings: dict[str, dict[str, str]],
        index: int | None,
    ) -> NumberedEntities:
        """Return itself."""
        return self

    def emit_part(self, w: Writer) -> bool:
        """Emit a shuffle, a vector constant, a jump table or an access to a new stack slot."""
        match w.entropy.below(6):
            case 0 if w.depth < 2 and w.room(_TABLE):
                table(w, 1, lambda *_: None)
            case 1 if w.room(_TABLE):
                load(w, new_slot(w))
            case 2 if w.instruction_set.has("vconst", _BYTES):
                w.keep(w.constant(_BYTES, w.entropy.bits(128)))
            case _ if w.instruction_set.has("shuffle", None, _BYTES, _BYTES):
                mask = patterned_shuffle_mask(w.entropy)
                operands = pick(w, _BYTES), pick(w, _BYTES)
                w.keep(w.op("shuffle", *operands, imm=mask))
            case _:
                return False
        return True

    def finish(self, w: Writer) -> None:
        """Emit one more part, since main is called by nothing and inlines most."""
        self.emit_part(w)


class InlinedGenerator(CallGenerator):
    """Draws cases of small functions that refer to much by number."""

    def __init__(self, options: Options, _: Director | None = None) -> None:
        super().__init__(options, NumberedEntities())


class ThrowingGenerator(CallGenerator):
    """Draws cases of small functions that throw, or call what throws."""

    def __init__(self, options: Options, _: Director | None = None) -> None:
        super().__init__(options, ThrowingDirector())


class OneVectorInstruction(Generator):
    """Draws tiny cases around one vector instruction, and what computes its operands.

    Every (vector opcode, type) is equally likely.
    """

    def draw_required(
        self, entropy: Entropy, instruction_set: InstructionSet, *, alone: bool
    ) -> list[OpcodeType]:
        opcode_types = (
            alone and self.instruction_sets.own(instruction_set)
        ) or instruction_set.opcode_types
        vectors = [each for each in opcode_types if _is_vector(each[1])]
        return [entropy.choice(vectors or opcode_types)]


def _is_vector(type_: Type | None) -> bool:
    return type_ is not None and type_.is_vector


def hold_many(w: Writer, _: Entropy) -> bool:
    """Emit more live values than there are registers, live across a call if there is a callee.

    Returns:
        Whether there was room for it.
    """
    if not w.room(_PRESSURE):
        return False
    pressure(w, lambda: call(w))
    return True


def addresses_and_tables(w: Writer, entropy: Entropy) -> bool:
    """Emit what control-flow integrity may break: an address of a frame or function, a jump table.

    Returns:
        Whether something was emitted.
    """
    if entropy.below(2) and w.depth < 2 and w.room(_TABLE):
        table(w, 1, lambda *_: None)
        return True
    name = entropy.choice(ADDRESSES)
    instructions = w.instruction_set.by_name.get(name, ())
    return bool(instructions) and emit_machine_dependent(w, name, entropy.choice(instructions).type)


def _emit_barrier(w: Writer, target: MemoryObject) -> None:
    """Emit what no access may be moved across."""
    if w.entropy.below(2) and w.instruction_set.by_name.get("fence"):
        w.emit("fence")
    else:
        atomic(w, target)


def ordered_accesses(w: Writer, entropy: Entropy) -> bool:
    """Emit atomics, fences, and stores and loads of one object between them.

    Returns:
        Whether there was an object for it.
    """
    objects = [target for target in w.memory if target.writable < target.size]
    if not objects or not w.room(_ACCESSES):
        return False
    target = entropy.choice(objects)
    for _ in range(_ACCESSES // 4):
        match entropy.below(5):
            case 0:
                atomic(w, target)
            case 1 if w.instruction_set.by_name.get("fence"):
                w.emit("fence")
            case 2:
                load(w, target)
            case 3:
                combined_load(w, target, lambda: _emit_barrier(w, target))
            case _:
                store(w, target)
    return True
