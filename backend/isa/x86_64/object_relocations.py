"""Relocations of x86-64 in object files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.cranelift.modules import ObjectFormat
from backend.emulator.object_relocation import InPlace, LinkedFormat
from backend.emulator.relocation import Relocation, absolute, relative
from backend.isa.x86_64.relocations import RELOCATIONS

_ABSOLUTE: Final = absolute("<Q")
_RELATIVE: Final = relative("<i")
_THROUGH_GOT: Final = relative("<i", through_got=True)


def _with_addend(relocations: dict[int, Relocation]) -> dict[int, Relocation | InPlace]:
    """Return relocations whose places hold addends: all of 4 bytes, but for absolute addresses."""
    return {
        kind: InPlace(each, "<q" if each is _ABSOLUTE else "<i")
        for kind, each in relocations.items()
    }


OBJECT_FORMATS: Final[Mapping[ObjectFormat, LinkedFormat]] = {
    # System V ABI of AMD64, table 4.9
    ObjectFormat.ELF: LinkedFormat(
        {
            1: _ABSOLUTE,  # R_X86_64_64
            2: _RELATIVE,  # R_X86_64_PC32
            4: _RELATIVE,  # R_X86_64_PLT32: nothing is far away
            9: _THROUGH_GOT,  # R_X86_64_GOTPCREL
            19: RELOCATIONS["ElfX86_64TlsGd"],  # R_X86_64_TLSGD
        }
    ),
    # mach-o/x86_64/reloc.h
    ObjectFormat.MACHO: LinkedFormat(
        _with_addend(
            {
                0: _ABSOLUTE,  # X86_64_RELOC_UNSIGNED
                1: _RELATIVE,  # X86_64_RELOC_SIGNED
                2: _RELATIVE,  # X86_64_RELOC_BRANCH
                3: _THROUGH_GOT,  # X86_64_RELOC_GOT_LOAD
                4: _THROUGH_GOT,  # X86_64_RELOC_GOT
                6: _RELATIVE,  # X86_64_RELOC_SIGNED_1
                7: _RELATIVE,  # X86_64_RELOC_SIGNED_2
                8: _RELATIVE,  # X86_64_RELOC_SIGNED_4
                9: _THROUGH_GOT,  # X86_64_RELOC_TLV: the symbol is the descriptor
            }
        )
    ),
    # Microsoft's PE format, "x64 processors"
    ObjectFormat.COFF: LinkedFormat(
        _with_addend(
            {
                1: _ABSOLUTE,  # IMAGE_REL_AMD64_ADDR64
                **dict.fromkeys(range(4, 10), _RELATIVE),  # IMAGE_REL_AMD64_REL32, _1 to _5
                11: RELOCATIONS["X86SecRel"],  # IMAGE_REL_AMD64_SECREL
            }
        ),
        thread_zeros=False,  # docs/findings.md: a section that COFF does not have
    ),
}
