"""What a thunk compares for one calling convention: registers, and the words they should equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.emulator import control_block
from backend.emulator.convention import Convention
from backend.emulator.isa import Isa


@dataclass(frozen=True, slots=True)
class CalleeSaved:
    """The registers that a callee preserves under one convention.

    Attributes:
        words: by register, its first word in ``control_block.SAVED`` and
            ``control_block.PATTERNS``.
        arguments: those that hold an argument at the call instead of a pattern.
        stack_pointer: whether the thunk compares the stack pointer as well.
        no_scratch: see ``Convention``.
        patterned: all hold patterns from the start, so that they need not be saved for a driver
            that uses none of them.
        flags: the ISA flags that the CPU has.
    """

    words: Mapping[str, int]
    arguments: frozenset[str]
    stack_pointer: bool
    no_scratch: bool
    patterned: bool
    flags: frozenset[str]

    @classmethod
    def of(cls, isa: Isa, convention: Convention, pinned: str | None) -> CalleeSaved:
        """Make the registers of a convention.

        ``pinned`` is a register that the settings take out of the callee-saved ones.
        """
        names = [name for name in convention.preserved if name != pinned]
        return cls(
            words={name: isa.preserved_words[name] for name in names},
            arguments=convention.arguments,
            stack_pointer=not convention.pops_arguments,
            no_scratch=convention.no_scratch,
            patterned=set(names) <= set(isa.preserved),
            flags=isa.flags.has,
        )

    @property
    def patterns(self) -> dict[str, int]:
        """The registers that are given a pattern, each with the pattern's first word."""
        patterns = control_block.PATTERNS
        return {r: patterns + n for r, n in self.words.items() if r not in self.arguments}

    @property
    def saved(self) -> dict[str, int]:
        """All registers, each with the first word that its value before the call is saved in."""
        return {register: control_block.SAVED + n for register, n in self.words.items()}

    @property
    def expected(self) -> dict[str, int]:
        """All registers, each with the first word of what it should hold after the call."""
        return self.saved | self.patterns
