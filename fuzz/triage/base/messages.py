"""What a campaign and the process that asks its base say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fuzz.differential.base_answer import BaseAnswer


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What the process has to know of the base, beside its connection.

    Attributes:
        seconds: how long compiling a case for an ISA may take there.
        memory_mb: how large the address space of its program may be.
    """

    program: Path
    version: str
    seconds: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Question:
    """To the process: what does the base do with the finding in a file?"""

    file: str


@dataclass(frozen=True, slots=True)
class Answer:
    """From the process: what the base does with the last question's finding."""

    answer: BaseAnswer


@dataclass(frozen=True, slots=True)
class Ready:
    """From the process: there may be another question, as far as its pace is concerned."""
