"""Relocations of x86-64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator.relocation import Relocation, ThreadLocal, absolute, relative

RELOCATIONS: Final[Mapping[str, Relocation]] = {
    "Abs8": absolute("<Q"),
    "X86PCRel4": relative("<i"),
    "X86CallPCRel4": relative("<i"),
    "X86CallPLTRel4": relative("<i"),
    "X86GOTPCRel4": relative("<i", through_got=True),
    "ElfX86_64TlsGd": relative("<i", thread_local=ThreadLocal.MODULE_AND_OFFSET),
    "MachOX86_64Tlv": relative("<i", thread_local=ThreadLocal.VARIABLE),
    "X86SecRel": absolute("<i", thread_local=ThreadLocal.OFFSET),
}
