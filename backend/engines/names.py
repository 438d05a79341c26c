"""The engines' names, and which of them this process uses. Cheap to import.

The choice is in the environment, so that worker processes, and those that minimise and report, have
the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

UNICORN: Final = "unicorn"
QEMU_USER: Final = "qemu-user"
BOCHS: Final = "bochs"
PULLEY: Final = "pulley"
ENGINE_NAMES: Final = (UNICORN, QEMU_USER, BOCHS, PULLEY)

#: The engine that is used if none is chosen.
DEFAULT_ENGINE: Final = UNICORN

#: The environment variable with the engines that are chosen.
VARIABLE: Final = "CLIF_FUZZ_ENGINE"


class EngineChoiceError(ValueError):
    """A choice of engines names none that there is."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine runs the code of which ISA.

    As text it is ``ENGINE``, ``ISA=ENGINE``, or several of these with commas between them.

    Attributes:
        for_all: of the ISAs that have none of their own.
        by_isa: the engines of single ISAs.
    """

    for_all: str = DEFAULT_ENGINE
    by_isa: tuple[tuple[str, str], ...] = ()

    def of(self, isa: str) -> str:
        """Return the name of an ISA's engine."""
        return dict(self.by_isa).get(isa, self.for_all)

    def __str__(self) -> str:
        parts = [f"{isa}={engine}" for isa, engine in self.by_isa]
        return ",".join([self.for_all, *parts] if self.for_all != DEFAULT_ENGINE else parts)


def read_choice(text: str) -> EngineChoice:
    """Read a choice of engines; the default ones if the text is empty.

    Raises:
        EngineChoiceError: an engine has no such name.
    """
    for_all, by_isa = DEFAULT_ENGINE, {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        isa, equals, engine = part.rpartition("=")
        if engine not in ENGINE_NAMES:
            names = ", ".join(ENGINE_NAMES)
            raise EngineChoiceError(f"there is no engine '{engine}'; there are {names}")
        if equals:
            by_isa[isa.strip()] = engine
        else:
            for_all = engine
    return EngineChoice(for_all, tuple(sorted(by_isa.items())))


def chosen_engines() -> EngineChoice:
    """Return which engines this process uses if none is named."""
    return read_choice(os.environ.get(VARIABLE, ""))
