"""The interface through which a caller decides what some parts of the cases are.

The generator draws most of a case by itself. A director adds parts to it, fragments of Cranelift's
rules for example (``fuzz.isle.director``), of which the generator needs to know nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fuzz.entropy import Entropy
from fuzz.generate.writer import Writer


class CaseDirector(Protocol):
    """Decides what some parts of one case are."""

    @property
    def trapping(self) -> bool:
        """Whether what the case is directed at may trap, so that it must be a trapping case."""

    def emit_part(self, w: Writer) -> bool:
        """Emit the next part: what the case is directed at first, then drawn parts.

        Returns:
            False, with nothing emitted, if no part fits here.
        """

    def finish(self, w: Writer) -> None:
        """Emit what the case is directed at and does not have yet; called at the end of main."""


class Director(Protocol):
    """Chooses what each case is directed at."""

    def begin_case(
        self,
        entropy: Entropy,
        isas: Sequence[str],
        settings: dict[str, str],
        isa_settings: dict[str, dict[str, str]],
        index: int | None,
    ) -> CaseDirector:
        """Return the director of one case.

        Args:
            settings: the drawn settings, which may be changed.
            isa_settings: the drawn flags by ISA, which may be changed.
            index: the number of the case in a sequence that covers everything there is to direct
                cases at; None if what the case is directed at is to be drawn.
        """
