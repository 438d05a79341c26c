"""Linking object files: addresses, symbols, and each format's relocations."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.cranelift.modules import (
    ObjectFile,
    ObjectFormat,
    ObjectRelocation,
    Section,
    Symbol,
)
from backend.emulator.image import IMAGES, READ_EXEC, READ_WRITE, Image
from backend.emulator.linker import LinkError, RelocationError
from backend.emulator.object_linker import (
    DuplicateSymbolError,
    ObjectLinker,
    UndefinedSymbolError,
)
from backend.isa.registry import ISAS

ELF, MACHO, COFF = ObjectFormat.ELF, ObjectFormat.MACHO, ObjectFormat.COFF
TEXT, DATA = 1, 2
#: Data lies a gigabyte behind code.
FAR = IMAGES + (1 << 30)


def file(
    format_: ObjectFormat = ELF,
    code: bytes = bytes(16),
    data: bytes = bytes(16),
    relocations: Sequence[ObjectRelocation] = (),
    symbols: Sequence[Symbol] = (),
) -> ObjectFile:
    """A file with code and data, and the symbol ``there`` 4 bytes into the data."""
    sections = [
        Section(TEXT, ".text", "Text", 0, len(code), 16, code),
        Section(DATA, ".data", "Data", 0x100, len(data), 8, data),
    ]
    there = Symbol(1, "there", DATA, 0x104, undefined=False, exported=True, weak=False)
    return ObjectFile(format_, sections, [there, *symbols], relocations)


def undefined(name: str) -> Symbol:
    return Symbol(2, name, None, 0, undefined=True, exported=True, weak=False)


def at(kind: int, *, offset: int = 4, symbol: int = 1, addend: int = 0) -> ObjectRelocation:
    return ObjectRelocation(TEXT, offset, kind, symbol, None, addend, in_place=True)


def link(isa: str, *files: ObjectFile) -> Image:
    return ObjectLinker(ISAS[isa], lambda name: None).link(files, [])


def code_of(image: Image) -> bytes:
    return next(s.contents for s in image.segments if s.protection == READ_EXEC)


def test_sections_get_addresses_far_from_each_other():
    first, second = link("x86_64", file(), replace(file(), symbols=[])).segments[:2]
    assert (first.address, first.protection) == (IMAGES, READ_EXEC)
    assert (second.address, second.protection) == (IMAGES + 16, READ_EXEC)
    data = [s for s in link("x86_64", file()).segments if s.protection == READ_WRITE]
    assert [(s.address, s.contents) for s in data] == [(FAR, bytes(16))]


@pytest.mark.parametrize(
    ("format_", "kind", "addend", "expected"),
    [
        (ELF, 2, -4, FAR + 4 - (IMAGES + 4) - 4),
        (ELF, 4, -4, FAR + 4 - (IMAGES + 4) - 4),
        # The place holds 0x10, which ELF does not add.
        (MACHO, 1, -4, FAR + 4 - (IMAGES + 4) - 4 + 0x10),
        (COFF, 4, -4, FAR + 4 - (IMAGES + 4) - 4 + 0x10),
        (COFF, 5, -5, FAR + 4 - (IMAGES + 4) - 5 + 0x10),
    ],
)
def test_distances_of_x86_64(format_: ObjectFormat, kind: int, addend: int, expected: int):
    code = struct.pack("<4i", 0, 0x10, 0, 0)
    image = link("x86_64", file(format_, code, relocations=[at(kind, addend=addend)]))
    assert struct.unpack("<4i", code_of(image)) == (0, expected, 0, 0)


@pytest.mark.parametrize(("format_", "kind"), [(ELF, 1), (MACHO, 0), (COFF, 1)])
def test_an_address_of_x86_64(format_: ObjectFormat, kind: int):
    image = link("x86_64", file(format_, relocations=[at(kind, offset=8, addend=3)]))
    assert struct.unpack("<2Q", code_of(image)) == (0, FAR + 7)


def test_the_global_offset_table_has_an_entry_for_each_address():
    relocations = [at(9, offset=0, addend=-4), at(9, offset=4, addend=-4)]
    image = link("x86_64", file(relocations=relocations))
    one, other = struct.unpack_from("<2i", code_of(image))
    entry = IMAGES + one + 4
    assert IMAGES + 4 + other + 4 == entry
    assert [s.contents for s in image.segments if s.address == entry] == [
        (FAR + 4).to_bytes(8, "little")
    ]


#: adrp x0, 0; add x0, x0, 0; ldr x0, [x0]; bl 0.
AARCH64 = struct.pack("<4I", 0x90000000, 0x91000000, 0xF9400000, 0x94000000)


@pytest.mark.parametrize(
    ("format_", "page", "low", "call"), [(ELF, 275, 277, 283), (MACHO, 3, 4, 2)]
)
def test_addresses_of_aarch64(format_: ObjectFormat, page: int, low: int, call: int):
    start = Symbol(2, "start", TEXT, 0, undefined=False, exported=True, weak=False)
    relocations = [
        at(page, offset=0, addend=12),
        at(low, offset=4, addend=12),
        at(call, offset=12, symbol=2),
    ]
    image = link("aarch64", file(format_, AARCH64, relocations=relocations, symbols=[start]))
    adrp, add, _, bl = struct.unpack("<4I", code_of(image))
    pages = (FAR >> 12) - (IMAGES >> 12)
    assert adrp == 0x90000000 | (pages & 3) << 29 | pages >> 2 << 5
    assert add == 0x91000000 | (4 + 12) << 10
    assert bl == 0x94000000 | -12 // 4 & 0x3FFFFFF


def test_a_load_of_mach_o_counts_in_words():
    image = link("aarch64", file(MACHO, AARCH64, relocations=[at(4, offset=8, addend=12)]))
    assert struct.unpack("<4I", code_of(image))[2] == 0xF9400000 | 16 // 8 << 10
    with pytest.raises(RelocationError, match="out of reach"):
        link("aarch64", file(MACHO, AARCH64, relocations=[at(4, offset=8, addend=1)]))


def test_a_section_may_be_what_is_referred_to():
    """What is in the place is then an address in the file."""
    code = struct.pack("<2Q", 0, 0x108)
    relocation = ObjectRelocation(TEXT, 8, 0, None, DATA, 0, in_place=True)
    image = link("x86_64", file(MACHO, code, relocations=[relocation]))
    assert struct.unpack("<2Q", code_of(image)) == (0, FAR + 8)


def test_an_undefined_symbol_is_an_error_that_names_it():
    wrong = file(relocations=[at(1, symbol=2)], symbols=[undefined("nobody")])
    with pytest.raises(UndefinedSymbolError, match="undefined symbol nobody"):
        link("x86_64", wrong)


def test_a_symbol_may_be_another_file_s():
    first = replace(file(), relocations=[at(1, offset=0, symbol=2)], symbols=[undefined("there")])
    image = link("x86_64", first, file())
    # The other file's data lies behind that of the first.
    assert struct.unpack_from("<Q", code_of(image)) == (FAR + 16 + 4,)


def test_a_symbol_that_two_files_define_is_an_error_that_names_it():
    with pytest.raises(DuplicateSymbolError, match="duplicate symbol there"):
        link("x86_64", file(), file())


def test_symbols_that_are_not_exported_may_have_the_same_name():
    local = Symbol(1, "there", DATA, 0x108, undefined=False, exported=False, weak=False)
    files = [replace(file(relocations=[at(1, offset=0)]), symbols=[local]) for _ in range(2)]
    image = link("x86_64", *files)
    codes = [s.contents for s in image.segments if s.protection == READ_EXEC]
    assert [struct.unpack_from("<Q", code) for code in codes] == [(FAR + 8,), (FAR + 24,)]


def test_unknown_kinds_are_errors():
    with pytest.raises(RelocationError, match="relocation ELF 77 against there: unknown kind"):
        link("x86_64", file(relocations=[at(77)]))


def test_what_is_beyond_a_field_is_an_error():
    with pytest.raises(LinkError, match="out of reach"):
        link("x86_64", file(relocations=[at(2, addend=1 << 31)]))
