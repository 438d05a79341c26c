"""Relocations of x86-64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator.relocation import Relocation, absolute, relative

RELOCATIONS: Final[Mapping[str, Relocation]] = {
    "Abs8": absolute("<Q"),
    "X86PCRel4": relative("<i"),
    "X86CallPCRel4": relative("<i"),
    "X86CallPLTRel4": relative("<i"),
    "X86GOTPCRel4": relative("<i", through_got=True),
}
