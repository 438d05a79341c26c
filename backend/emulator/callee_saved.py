"""What a thunk looks at for one convention: registers, and the words that they should equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.emulator import control_block
from backend.emulator.isa import Convention, Isa


@dataclass(frozen=True, slots=True)
class Preserved:
    """The registers that one convention preserves.

    Attributes:
        slots: by register, its first word in ``control_block.SAVED`` and
        ``control_block.PATTERNS``.
        kept: those that come with an argument instead of a pattern.
        stack_pointer: whether it is compared as well.
        no_scratch: see ``Convention``.
        patterned: all hold patterns from the start, so that a driver which uses none of them need
            not have them saved.
    """

    slots: Mapping[str, int]
    kept: frozenset[str]
    stack_pointer: bool
    no_scratch: bool
    patterned: bool

    @classmethod
    def by(cls, isa: Isa, convention: Convention, pinned: str | None) -> Preserved:
        """``pinned`` is a register that the settings take out of the callee-saved ones."""
        names = [name for name in convention.preserved if name != pinned]
        return cls(
            slots={name: isa.slots[name] for name in names},
            kept=convention.arguments,
            stack_pointer=not convention.pops_arguments,
            no_scratch=convention.no_scratch,
            patterned=set(names) <= set(isa.preserved),
        )

    @property
    def patterns(self) -> dict[str, int]:
        """The registers that are given a pattern, each with its first word."""
        return {r: control_block.PATTERNS + n for r, n in self.slots.items() if r not in self.kept}

    @property
    def saved(self) -> dict[str, int]:
        """All registers, each with the first word that its value before the call is saved in."""
        return {register: control_block.SAVED + slot for register, slot in self.slots.items()}

    @property
    def expected(self) -> dict[str, int]:
        """All registers, each with the first word of what it should hold after the call."""
        return self.saved | self.patterns
