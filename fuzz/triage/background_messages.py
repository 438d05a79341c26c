"""What a campaign and the process that minimises its findings say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fuzz.campaign.fault_buckets import MinimizedFault


@dataclass(frozen=True, slots=True)
class Task:
    """To the process: minimise the finding in a file.

    Attributes:
        even_if_explained: also if a minimised finding seems to explain it.
    """

    file: str
    even_if_explained: bool = False


@dataclass(frozen=True, slots=True)
class Faults:
    """From the process: the faults of findings that are minimised, and of those that seem alike.

    Attributes:
        by_file: by the findings' files.
    """

    by_file: dict[str, MinimizedFault]


@dataclass(frozen=True, slots=True)
class Idle:
    """From the process: it has started, or the last task is done."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """From the process: a minimised finding seems to explain the last task, which is not done."""


#: To the process: the campaign has ended, use all of a core from now on.
NO_PACE: Final = "no pace"
