"""Where an instruction stands."""

from __future__ import annotations

from dataclasses import dataclass

from clif.function import Block, Function, Inst


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where an instruction stands, or would be put."""

    function: Function
    block: Block
    index: int

    @property
    def inst(self) -> Inst:
        return self.block.instructions[self.index]
