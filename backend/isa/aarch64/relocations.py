"""Relocations of AArch64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator.relocation import (
    MARK,
    Relocation,
    Ring,
    ThreadLocal,
    absolute,
    set_bits,
    signed_field,
)


def _branch_26(ring: Ring, at: int, value: int, place: int) -> None:
    set_bits(ring, at, signed_field(value - place >> 2, 26))


def _page_21(ring: Ring, at: int, value: int, place: int) -> None:
    pages = signed_field((value >> 12) - (place >> 12), 21)
    set_bits(ring, at, (pages & 3) << 29 | pages >> 2 << 5)


def _add_low_12(ring: Ring, at: int, value: int, place: int) -> None:
    set_bits(ring, at, (value & 0xFFF) << 10)


def _load_low_12(ring: Ring, at: int, value: int, place: int) -> None:
    set_bits(ring, at, (value & 0xFFF) >> 3 << 10)


RELOCATIONS: Final[Mapping[str, Relocation]] = {
    "Abs8": absolute("<Q"),
    "Arm64Call": Relocation(_branch_26),
    "Aarch64AdrPrelPgHi21": Relocation(_page_21),
    "Aarch64AddAbsLo12Nc": Relocation(_add_low_12),
    "Aarch64AdrGotPage21": Relocation(_page_21, through_got=True),
    "Aarch64Ld64GotLo12Nc": Relocation(_load_low_12, through_got=True),
    "Aarch64TlsDescAdrPage21": Relocation(_page_21, thread_local=ThreadLocal.DESCRIPTOR),
    "Aarch64TlsDescLd64Lo12": Relocation(_load_low_12, thread_local=ThreadLocal.DESCRIPTOR),
    "Aarch64TlsDescAddLo12": Relocation(_add_low_12, thread_local=ThreadLocal.DESCRIPTOR),
    "Aarch64TlsDescCall": MARK,
    "MachOAarch64TlsAdrPage21": Relocation(_page_21, thread_local=ThreadLocal.VARIABLE),
    "MachOAarch64TlsAdrPageOff12": Relocation(_load_low_12, thread_local=ThreadLocal.VARIABLE),
}
