"""Linking: what no case shows every time."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from backend.emulator.linker import Linker, LinkError, PlainCode
from backend.isa.registry import ISAS
from tests.backend.emulator.machine import Code, arm

BASE = 0x3B1C_4000_0000
SYMBOL = 0x3B1C_4100_0040

#: adrp x0, page of the entry; ldr x0, [x0, its place there].
ADRP, LDR = 0x90000000, 0xF9400000


def test_an_entry_of_the_offset_table_has_one_place():
    """AArch64 names it twice, its page and its place in the page: at a page's end as well."""
    ring = np.zeros(1 << 16, np.uint8)
    linker = Linker(
        ring, BASE, ISAS["aarch64"], external=lambda kind, name: SYMBOL, on_wrap=lambda: None
    )
    relocations = [(0, "Aarch64AdrGotPage21", "%s", 0), (4, "Aarch64Ld64GotLo12Nc", "%s", 0)]
    for size in range(1, 600):
        code = Code("f", arm(ADRP, LDR, *[0xD503201F] * (size % 5)), relocations)
        placed = linker.link([code]).functions[0]
        adrp, ldr = struct.unpack_from("<2I", ring.tobytes(), placed.address - BASE)
        pages = (adrp >> 5 & 0x7FFFF) << 2 | adrp >> 29 & 3
        entry = (placed.address >> 12 << 12) + (pages << 12) + ((ldr >> 10 & 0xFFF) << 3)
        assert struct.unpack_from("<Q", ring.tobytes(), entry - BASE) == (SYMBOL,)


def test_the_ring_starts_again_early_but_for_a_program_that_needs_more():
    ring, wraps = np.zeros(4 << 20, np.uint8), list[None]()
    linker = Linker(
        ring,
        BASE,
        ISAS["x86_64"],
        external=lambda kind, name: SYMBOL,
        on_wrap=lambda: wraps.append(None),
    )

    def place(size: int) -> int:
        return linker.link([Code("f", bytes(size))]).functions[0].address - BASE

    small = 100 << 10
    assert [place(small) // small for _ in range(12)] == [0, 1, 2, 3, 4] * 2 + [0, 1]
    assert len(wraps) == 2
    assert place(3 << 20) == 0
    assert place(small) == 0
    assert len(wraps) == 4


def test_every_program_has_its_own_entries():
    """The ring's memory is used again, and what an entry was for may be gone."""
    ring = np.zeros(1 << 12, np.uint8)
    targets = iter(range(0x3B1C_4100_0000, 0x3B1C_4100_4000, 64))
    linker = Linker(
        ring,
        BASE,
        ISAS["x86_64"],
        external=lambda kind, name: next(targets),
        on_wrap=lambda: None,
    )
    for number in range(60):
        code = Code("f", b"\0" * 8, [(0, "X86GOTPCRel4", "%s", 0)])
        placed = linker.link([code]).functions[0]
        (distance,) = struct.unpack_from("<i", ring.tobytes(), placed.address - BASE)
        (value,) = struct.unpack_from("<Q", ring.tobytes(), placed.address + distance - BASE)
        assert value == 0x3B1C_4100_0000 + 64 * number


def test_a_larger_ring_takes_the_place_of_the_ring_for_a_program_that_does_not_fit():
    small, large, wraps = np.zeros(1 << 12, np.uint8), np.zeros(1 << 16, np.uint8), list[None]()
    linker = Linker(
        small,
        BASE,
        ISAS["x86_64"],
        external=lambda kind, name: SYMBOL,
        on_wrap=lambda: wraps.append(None),
        grow=lambda: large,
    )
    assert linker.link([PlainCode("f", b"\x90" * 100)]).functions[0].address == BASE
    assert not wraps
    big = linker.link([PlainCode("f", b"\x91" * 9000)]).functions[0]
    assert (big.address, large[8999], large[9000]) == (BASE, 0x91, ISAS["x86_64"].trap[0])
    assert wraps == [None]
    with pytest.raises(LinkError, match="more code than the 64 KiB"):
        linker.link([PlainCode("f", b"\x91" * (1 << 17))])
