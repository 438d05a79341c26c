"""Generators and extra parts for targets that need certain code more often than it is drawn."""

from __future__ import annotations

from dataclasses import replace

from clif.typed_instructions import OpcodeType
from clif.types import Type
from fuzz.entropy import Entropy
from fuzz.generate import Generator, Options
from fuzz.generate.calls import call
from fuzz.generate.control import table
from fuzz.generate.director import Director
from fuzz.generate.exceptions import ThrowingDirector
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.machine_dependent import ADDRESSES, emit_machine_dependent
from fuzz.generate.memory import atomic, load, store
from fuzz.generate.unstructured import pressure
from fuzz.generate.writer import Writer

_FEWEST_CALLEES = 2
#: The probability that the next part is a call. Without it five of six callees are never called.
_CALL_SHARE = 0.4
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
        match entropy.below(4):
            case 0:
                atomic(w, target)
            case 1 if w.instruction_set.by_name.get("fence"):
                w.emit("fence")
            case 2:
                load(w, target)
            case _:
                store(w, target)
    return True
