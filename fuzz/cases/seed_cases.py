"""The cases that a campaign begins with, as ``run --seeds`` reads them.

They are kept as text, since the supervisor hands them to workers, also on other machines, and saves
them in the campaign's database.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class SeedCase:
    """A case of the folder.

    Attributes:
        name: the file below the folder, and the function.
        text: the case as a file, for those ISAs that lower it.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class RefusedSeeds:
    """How many files or functions were refused for one reason, with an example."""

    reason: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class SeedCases:
    """The cases of a folder, in the order of their names.

    Attributes:
        refused: what could not be used; cases do not depend on it.
    """

    cases: tuple[SeedCase, ...] = ()
    refused: tuple[RefusedSeeds, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        """Return how many cases there are."""
        return len(self.cases)

    def __str__(self) -> str:
        """Return how many there are, and which."""
        if not self.cases:
            return "none"
        return f"{len(self)} case{'s' * (len(self) != 1)} (digest {self.digest})"

    @property
    def digest(self) -> str:
        """A hash of the cases: equal for equal cases, wherever their folder lies."""
        found = hashlib.sha256()
        for case in self.cases:
            text = case.text.encode()
            found.update(f"{case.name}\0{len(text)}\0".encode())
            found.update(text)
        return found.hexdigest()[:12]


NO_SEEDS: Final = SeedCases()
