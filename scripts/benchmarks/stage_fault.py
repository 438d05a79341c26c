"""What a fault of a single stage of Cranelift is (``stage_faults``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

#: Stands for a fuzz target: the large programs of ``fuzz.survey.sizes``, which no target draws.
SIZES: Final = "sizes"

#: A file below ``src``, a text that it contains once, and what replaces it; an empty text is the
#: end of the file. ``ON`` is whether the fault is switched on, in Rust; ``FAULT`` is that in ISLE.
Edit: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class StageFault:
    """A fault of a stage.

    Attributes:
        group: what the faulty stage reasons about.
        kind: what is wrong about it, in a few words.
        edits: what makes it wrong while it is switched on.
    """

    name: str
    group: str
    kind: str
    edits: tuple[Edit, ...]

    def numbered(self, number: int) -> tuple[Edit, ...]:
        """Return the edits for the fault's number."""
        rust = f"(crate::isle_prelude::switched_on() == Some({number}))"
        return tuple(
            (file, old, new.replace("FAULT", f"(fault {number})").replace("ON", rust))
            for file, old, new in self.edits
        )


@dataclass(frozen=True, slots=True)
class SurroundingFault(StageFault):
    """A fault of what surrounds a function's code: its calls, frame, tables, relocations.

    Attributes:
        target: the fuzz target that should see it, or ``SIZES``.
    """

    target: str
