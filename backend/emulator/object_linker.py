"""A linker of object files: sections get addresses, symbols are resolved, relocations applied."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.cranelift.modules import ObjectFile, ObjectRelocation, Section, Symbol
from backend.emulator.guest_memory import PAGE, THREAD
from backend.emulator.image import IMAGES, READ, READ_EXEC, READ_WRITE, Image, Segment
from backend.emulator.isa import Isa
from backend.emulator.linker import LinkError, Placed, RelocationError
from backend.emulator.object_relocation import OBJECT_FORMATS, InPlace
from backend.emulator.thread_data import VARIABLE_FUNCTION, thread_reference, write_keys

#: Where data lies, seen from the code: beyond the reach of branches, within that of addresses.
_DATA_DISTANCE: Final = 1 << 30
#: By kind of section, what the guest may do with it; other kinds are of no use to a program.
_PROTECTION: Final = {
    "Text": READ_EXEC,
    "ReadOnlyData": READ,
    "ReadOnlyDataWithRel": READ,
    "Data": READ_WRITE,
    "UninitializedData": READ_WRITE,
    "TlsVariables": READ_WRITE,
}
#: Sections with thread-local data, and those with descriptors of it.
_THREAD_LOCAL: Final = frozenset({"Tls", "UninitializedTls"})
_DESCRIPTORS: Final = "TlsVariables"
#: By the name in files, that of ours.
_SYSTEM_SYMBOLS: Final = {
    "_tlv_bootstrap": VARIABLE_FUNCTION,
    "_tls_index": "KnownSymbol:CoffTlsIndex",
}


class UndefinedSymbolError(LinkError):
    """A symbol is referred to, and nothing defines it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"undefined symbol {name}")
        self.name = name


class DuplicateSymbolError(LinkError):
    """Two files define a symbol that both export."""

    def __init__(self, name: str) -> None:
        super().__init__(f"duplicate symbol {name}")
        self.name = name


@dataclass(slots=True)
class _PlacedSection:
    """A section with an address."""

    section: Section
    address: int
    contents: bytearray

    @property
    def protection(self) -> int:
        return READ_WRITE if self.thread_local else _PROTECTION[self.section.kind]

    @property
    def thread_local(self) -> bool:
        return is_thread_local(self.section)

    @property
    def end(self) -> int:
        return self.address + len(self.contents)

    @property
    def moved(self) -> int:
        """How far it is from where its symbols count from."""
        return self.address - self.section.address


class ObjectLinker:
    """Links files for an ISA.

    Args:
        external: returns the address of a symbol that no file defines; None if there is none.

    Attributes:
        sections: by the numbers of file and section.
        exported: the addresses of symbols that all files see.
        got: by the words in it, the address of an entry of the global offset table.
    """

    def __init__(self, isa: Isa, external: Callable[[str], int | None]) -> None:
        self.isa = isa
        self.external = external
        self.formats = OBJECT_FORMATS.of(isa)
        self.sections: dict[tuple[int, int], _PlacedSection] = {}
        self.exported: dict[str, int] = {}
        self.got: dict[tuple[int, ...], int] = {}
        self.got_end = 0

    def link(self, files: Sequence[ObjectFile], functions: Sequence[str]) -> Image:
        """Link files into an image.

        Args:
            functions: names of those that are in the image, in order.

        Raises:
            LinkError: a symbol is defined twice or not at all, or a relocation cannot be applied.
        """
        self._place(files)
        for number, file in enumerate(files):
            self._export(number, file)
        for number, file in enumerate(files):
            symbols = {symbol.number: symbol for symbol in file.symbols}
            for relocation in file.relocations:
                if (number, relocation.section) in self.sections:
                    self._relocate(number, file, symbols, relocation)
        for placed in self.sections.values():
            if placed.section.kind == _DESCRIPTORS:
                write_keys(placed.contents)
        return Image(self._functions(files, functions), list(self._segments()))

    # --- addresses ---

    def _place(self, files: Sequence[ObjectFile]) -> None:
        """Give all sections addresses by protection: first code, and data far behind it."""
        address = IMAGES
        for protection in (READ_EXEC, READ, READ_WRITE):
            for number, file in enumerate(files):
                for section in file.sections:
                    if is_thread_local(section):
                        continue
                    if _PROTECTION.get(section.kind) == protection:
                        address = self._place_section(number, section, address)
            behind_code = protection == READ_EXEC
            address = IMAGES + _DATA_DISTANCE if behind_code else align_up(address, PAGE)
        self.got_end = address
        address = THREAD
        for number, file in enumerate(files):
            for section in filter(is_thread_local, file.sections):
                address = self._place_section(number, section, address)

    def _place_section(self, file: int, section: Section, address: int) -> int:
        """Give a section the next address; return the one behind it."""
        contents = bytearray(section.contents.ljust(section.size, b"\0"))
        placed = _PlacedSection(section, align_up(address, section.alignment), contents)
        self.sections[file, section.number] = placed
        return placed.end

    def _segments(self) -> Iterator[Segment]:
        for placed in self.sections.values():
            if placed.contents:
                yield Segment(placed.address, bytes(placed.contents), placed.protection)
        for words, address in self.got.items():
            entry = (word.to_bytes(self.isa.pointer_bytes, self.isa.byte_order) for word in words)
            yield Segment(address, b"".join(entry), READ)

    def _functions(self, files: Sequence[ObjectFile], names: Sequence[str]) -> list[Placed]:
        found = {}
        for number, file in enumerate(files):
            symbols = {symbol.name: symbol for symbol in file.symbols}
            for compiled in file.compiled:
                symbol = symbols.get(compiled.name)
                address = symbol and self._defined(number, symbol)
                if address:
                    found[compiled.name] = Placed(compiled, address, len(compiled.code))
        for name in names:
            if name not in found:
                raise UndefinedSymbolError(name)
        return [found[name] for name in names]

    # --- symbols ---

    def _defined(self, file: int, symbol: Symbol) -> int | None:
        """Return the address of a symbol; None if its file does not define it."""
        if symbol.undefined or symbol.section is None:
            return None
        placed = self.sections.get((file, symbol.section))
        return None if placed is None else placed.moved + symbol.address

    def _export(self, number: int, file: ObjectFile) -> None:
        for symbol in file.symbols:
            address = self._defined(number, symbol)
            if address is None or not symbol.exported:
                continue
            if symbol.name in self.exported and not symbol.weak:
                raise DuplicateSymbolError(symbol.name)
            self.exported.setdefault(symbol.name, address)

    def _found(self, file: int, symbol: Symbol) -> int:
        """Return the address that a symbol has for a file.

        Raises:
            UndefinedSymbolError: it has none.
        """
        for address in (
            self._defined(file, symbol),
            self.exported.get(symbol.name),
            self.external(_SYSTEM_SYMBOLS.get(symbol.name, symbol.name)),
        ):
            if address is not None:
                return address
        raise UndefinedSymbolError(symbol.name)

    def _entry(self, *words: int) -> int:
        """Return the address of an entry of the global offset table."""
        if words not in self.got:
            self.got[words] = self.got_end
            self.got_end += self.isa.pointer_bytes * len(words)
        return self.got[words]

    def _function(self, name: str) -> int:
        found = self.external(name)
        if found is None:
            raise UndefinedSymbolError(name)
        return found

    # --- relocations ---

    def _relocate(
        self,
        number: int,
        file: ObjectFile,
        symbols: Mapping[int, Symbol],
        relocation: ObjectRelocation,
    ) -> None:
        kind = f"{file.format} {relocation.kind}"
        symbol = None if relocation.symbol is None else symbols.get(relocation.symbol)
        name = symbol.name if symbol is not None else f"section {relocation.target}"
        format_ = self.formats.get(file.format)
        known = format_ and relocation.kind is not None and format_.relocations.get(relocation.kind)
        if not known:
            raise RelocationError(kind, name, "unknown kind")
        placed = self.sections[number, relocation.section]
        contents, at = memoryview(placed.contents), relocation.offset
        if symbol is not None:
            value = self._found(number, symbol)
        else:
            value = self._moved(number, relocation)
        try:
            addend = relocation.addend
            if isinstance(known, InPlace):
                addend += known.addend(contents, at) if relocation.in_place else 0
                known = known.relocation
            if known.through_got:
                value = self._entry(value)
            if known.thread_local is not None:
                value = thread_reference(known.thread_local, value, self._entry, self._function)
            elif placed.section.kind == _DESCRIPTORS and self._in_thread(number, symbol):
                value -= THREAD  # a descriptor has the distance
            known.apply(contents, at, value + addend, placed.address + at)
        except struct.error:
            raise RelocationError(kind, name, "out of reach") from None

    def _in_thread(self, file: int, symbol: Symbol | None) -> bool:
        """Return whether a symbol is thread-local data itself."""
        if symbol is None or symbol.section is None:
            return False
        placed = self.sections.get((file, symbol.section))
        return placed is not None and placed.thread_local

    def _moved(self, file: int, relocation: ObjectRelocation) -> int:
        """Return how far the section was moved that a relocation refers to."""
        placed = self.sections.get((file, -1 if relocation.target is None else relocation.target))
        if placed is None:
            raise LinkError("a relocation refers to nothing that is in the program")
        return placed.moved


def is_thread_local(section: Section) -> bool:
    """Return whether a section has thread-local data: COFF has no kind for it, but a name."""
    return section.kind in _THREAD_LOCAL or section.name.partition("$")[0] == ".tls"


def align_up(address: int, alignment: int) -> int:
    """Return the next multiple of an alignment; 0 asks for none."""
    return -(-address // max(alignment, 1)) * max(alignment, 1)
