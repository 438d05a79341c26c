"""Relocations of AArch64 in object files."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from backend.cranelift.modules import ObjectFormat
from backend.emulator.object_relocation import InPlace, LinkedFormat
from backend.emulator.relocation import Relocation, Ring, absolute, set_bits
from backend.isa.aarch64.relocations import RELOCATIONS

_CALL: Final = RELOCATIONS["Arm64Call"]
_PAGE: Final = RELOCATIONS["Aarch64AdrPrelPgHi21"]
_LOW: Final = RELOCATIONS["Aarch64AddAbsLo12Nc"]
_GOT_PAGE: Final = RELOCATIONS["Aarch64AdrGotPage21"]
_GOT_LOW: Final = RELOCATIONS["Aarch64Ld64GotLo12Nc"]
_ABSOLUTE: Final = absolute("<Q")
#: A load or store with an offset that counts in units of what is accessed.
_SCALED, _MASK = 0x3900_0000, 0x3B00_0000


def _low_of_any(ring: Ring, at: int, value: int, place: int) -> None:
    """Write the place in the page into an addition, a load or a store."""
    (word,) = struct.unpack_from("<I", ring, at)
    size = word >> 30 if word & _MASK == _SCALED else 0
    if value & ((1 << size) - 1):
        raise struct.error
    set_bits(ring, at, (value & 0xFFF) >> size << 10)


OBJECT_FORMATS: Final[Mapping[ObjectFormat, LinkedFormat]] = {
    # ELF for the Arm 64-bit architecture, section 5.7
    ObjectFormat.ELF: LinkedFormat(
        {
            257: _ABSOLUTE,  # R_AARCH64_ABS64
            275: _PAGE,  # R_AARCH64_ADR_PREL_PG_HI21
            277: _LOW,  # R_AARCH64_ADD_ABS_LO12_NC
            282: _CALL,  # R_AARCH64_JUMP26
            283: _CALL,  # R_AARCH64_CALL26
            311: _GOT_PAGE,  # R_AARCH64_ADR_GOT_PAGE
            312: _GOT_LOW,  # R_AARCH64_LD64_GOT_LO12_NC
            562: RELOCATIONS["Aarch64TlsDescAdrPage21"],  # R_AARCH64_TLSDESC_ADR_PAGE21
            563: RELOCATIONS["Aarch64TlsDescLd64Lo12"],  # R_AARCH64_TLSDESC_LD64_LO12
            564: RELOCATIONS["Aarch64TlsDescAddLo12"],  # R_AARCH64_TLSDESC_ADD_LO12
            569: RELOCATIONS["Aarch64TlsDescCall"],  # R_AARCH64_TLSDESC_CALL
        }
    ),
    # mach-o/arm64/reloc.h; addends are relocations of their own, which the library puts together
    ObjectFormat.MACHO: LinkedFormat(
        {
            0: InPlace(_ABSOLUTE, "<q"),  # ARM64_RELOC_UNSIGNED
            2: _CALL,  # ARM64_RELOC_BRANCH26
            3: _PAGE,  # ARM64_RELOC_PAGE21
            4: Relocation(_low_of_any),  # ARM64_RELOC_PAGEOFF12
            5: _GOT_PAGE,  # ARM64_RELOC_GOT_LOAD_PAGE21
            6: _GOT_LOW,  # ARM64_RELOC_GOT_LOAD_PAGEOFF12
            8: _GOT_PAGE,  # ARM64_RELOC_TLVP_LOAD_PAGE21: the symbol is the descriptor
            9: _GOT_LOW,  # ARM64_RELOC_TLVP_LOAD_PAGEOFF12
        }
    ),
    # Microsoft's PE format, "ARM64 processors"
    ObjectFormat.COFF: LinkedFormat(
        {
            3: _CALL,  # IMAGE_REL_ARM64_BRANCH26
            14: InPlace(_ABSOLUTE, "<q"),  # IMAGE_REL_ARM64_ADDR64
        },
        near_symbols=False,
        thread_local=False,
        settings={"is_pic": "false"},
    ),
}
