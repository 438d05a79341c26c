"""The rules of ISLE that a change of Cranelift touches, as ``run --since`` finds them.

They are part of a campaign: cases are directed at them. So they are names, which the supervisor
hands to workers and saves in the campaign's database, and workers need not look at the change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class ChangedCode:
    """Code of a change that no rule leads to.

    Attributes:
        file: below the folder of cranelift-codegen, or for other crates in the tree.
        lines: those that are new or differ; none for what is gone, or is of another crate.
    """

    file: str
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TouchedRules:
    """The rules that a change touches, each as its group and place: ``mid_end src/opts/a.isle:4``.

    Attributes:
        changed: those whose own text is not in the base, or that take the place of one that is.
        users: those that use a term that was changed, or one of a changed rule.
        since: what the Cranelift under test was compared with, for people to read.
        undirected: code of the change at which no case can be directed.
    """

    changed: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    since: str = field(default="", compare=False)
    undirected: tuple[ChangedCode, ...] = field(default=(), compare=False)

    def __bool__(self) -> bool:
        """Return whether any rule is touched."""
        return bool(self.changed or self.users)

    def __str__(self) -> str:
        """Return how many there are, and which."""
        if not self:
            return "nothing"
        number = len(self.changed) + len(self.users)
        return f"{self.since} ({number} rule{'s' * (number != 1)} touched, digest {self.digest})"

    @property
    def digest(self) -> str:
        """A hash of the rules: equal for equal rules, whatever they were compared with."""
        text = "\n".join((*self.changed, "", *self.users))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


NOTHING_TOUCHED: Final = TouchedRules()
