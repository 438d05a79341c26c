"""What a campaign's base, another Cranelift, does with the case of a finding.

The answer stands in the head of the finding's file::

    ; base: right (Cranelift 0.135.8)
    ; base: cannot say (Cranelift 0.135.8): does not read the case: ...
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: The comment line of a finding's file with the answer.
BASE: Final = "base"
_LINE: Final = re.compile(r"(?P<status>[^(:]+?) \((?P<name>[^)]*)\)(?:: (?P<note>.*))?")
_HEAD: Final = re.compile(r"; (bucket:|known$)")


class BaseStatus(Enum):
    """What the base does with a finding's case. The values stand in files and databases."""

    NO_BASE = ""
    NOT_ASKED = "not asked"
    RIGHT = "right"
    FAILS = "fails too"
    OTHER_FAILURE = "fails in another way"
    UNCLEAR = "cannot say"


class Novelty(Enum):
    """The class of a finding. Only new ones count for exit codes and limits.

    A finding is old if the base fails in the same way. What the base has not been asked, or cannot
    say, is new.
    """

    NEW = "new"
    KNOWN = "known"
    OLD = "old"

    @classmethod
    def of(cls, *, known: bool, base: BaseStatus) -> Novelty:
        """Return the class of a finding.

        Args:
            known: whether a known fault explains it.
        """
        if known:
            return cls.KNOWN
        return cls.OLD if base is BaseStatus.FAILS else cls.NEW


@dataclass(frozen=True, slots=True)
class BaseAnswer:
    """What the base does, and why that is said, in one line; the note may be empty."""

    status: BaseStatus = BaseStatus.NO_BASE
    note: str = ""

    @property
    def pending(self) -> bool:
        """Whether there is a base that has not been asked."""
        return self.status is BaseStatus.NOT_ASKED

    @property
    def given(self) -> bool:
        """Whether the base has been asked."""
        return self.status not in (BaseStatus.NO_BASE, BaseStatus.NOT_ASKED)

    @property
    def unusual(self) -> bool:
        """Whether a finding is new although the base is not right."""
        return self.status in (BaseStatus.OTHER_FAILURE, BaseStatus.UNCLEAR)

    def __str__(self) -> str:
        return f"{self.status.value}: {self.note}" if self.note else self.status.value


#: The answer about each finding before the base is asked.
NOT_ASKED: Final = BaseAnswer(BaseStatus.NOT_ASKED)
NO_BASE: Final = BaseAnswer()


def with_answer(text: str, answer: BaseAnswer, name: str) -> str:
    """Return a finding's text with the answer in its head, in place of an earlier one.

    Args:
        name: of the base, without parentheses.
    """
    lines = text.splitlines(keepends=True)
    head = next((n for n, line in enumerate(lines) if not line.startswith(";")), len(lines))
    kept = [line for line in lines[:head] if not line.startswith(f"; {BASE}: ")]
    place = max((n + 1 for n, line in enumerate(kept) if _HEAD.match(line)), default=0)
    note = " ".join(answer.note.split())
    said = f"; {BASE}: {answer.status.value} ({name})" + f": {note}" * bool(note)
    return "".join([*kept[:place], f"{said}\n", *kept[place:], *lines[head:]])


def parse_answer(value: str) -> BaseAnswer:
    """Return the answer that a file's head has after ``base:``; no answer if it is none."""
    match = _LINE.fullmatch(value.strip())
    try:
        return NO_BASE if match is None else BaseAnswer(BaseStatus(match[1]), match["note"] or "")
    except ValueError:
        return NO_BASE
