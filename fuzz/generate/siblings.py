"""Siblings of a case: the same functions with constants, conditions and opcodes drawn anew.

Making a case costs as much as compiling and running it. Most of that goes into its structure: which
blocks it has, what is in scope, how loops end, which traps are ruled out. A sibling keeps all of
this. Drawn anew is only what nothing else was derived from: instructions without effects and traps,
which become others of the same signature, and constants that are operands of these. So nothing has
to be analysed again.
"""

from __future__ import annotations

from dataclasses import replace

from clif.function import Inst
from clif.typed_instructions import TypedInstruction
from fuzz.cases.case import Case, copy_case
from fuzz.entropy import Entropy
from fuzz.generate.case_plan import Redrawable
from fuzz.generate.configurations import draw_alternatives
from fuzz.generate.constants import draw_solid_bits
from fuzz.generate.immediates import draw_immediates, patterned_shuffle_mask
from fuzz.generate.inputs import redraw_inputs
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.options import Options

#: Share of the instructions that keep their opcode.
_SAME_OPCODE = 0.5


class Family:
    """A case and its siblings.

    Attributes:
        case: the case that was drawn.

    Args:
        redrawable: the instructions of the case that may be drawn anew.
        instruction_set: what the ISAs of the case lower.
        options: those of the generator.
    """

    def __init__(
        self,
        case: Case,
        redrawable: list[Redrawable],
        instruction_set: InstructionSet,
        options: Options,
    ) -> None:
        self.case = case
        self._options = options
        self._instruction_set = instruction_set
        self._redrawable = redrawable
        self._places: list[tuple[int, int, int, TypedInstruction | None]] | None = None

    def sibling(self, entropy: Entropy) -> Case:
        """Make a sibling of the case, with a configuration and inputs of its own."""
        if self._places is None:
            self._places = self._find_places()
        sibling = copy_case(self.case)
        for function, block, at, typed in self._places:
            inst = sibling.functions[function].blocks[block].instructions[at]
            if typed is None:
                inst.imm = draw_solid_bits(entropy, inst.result.type)
            else:
                self._redraw(entropy, inst, typed)
        redraw_inputs(entropy, sibling)
        options = replace(self._options, isas=self.case.isas or self._options.isas)
        for drawn in draw_alternatives(entropy, sibling, options, 1):
            sibling.settings, sibling.isa_settings = drawn.settings, drawn.isa_settings
            sibling.chaos, sibling.inlining = drawn.chaos, drawn.inlining
        return sibling

    def _redraw(self, entropy: Entropy, inst: Inst, typed: TypedInstruction) -> None:
        if not entropy.chance(_SAME_OPCODE):
            typed = entropy.choice(self._instruction_set.alike(typed))
            inst.opcode, inst.type, inst.flags = typed.opcode, typed.type, typed.flags
        inst.imm, inst.cond = draw_immediates(entropy, typed, patterned_shuffle_mask)

    def _find_places(self) -> list[tuple[int, int, int, TypedInstruction | None]]:
        typed_of = {id(each.inst): each.typed for each in self._redrawable}
        return [
            (number, block_number, at, typed_of[id(inst)])
            for number, function in enumerate(self.case.functions)
            for block_number, block in enumerate(function.blocks)
            for at, inst in enumerate(block.instructions)
            if id(inst) in typed_of
        ]
