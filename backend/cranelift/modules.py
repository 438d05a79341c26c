"""Modules: functions and data in an object file, or in memory where a JIT has put them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from backend.cranelift import _cranelift
from backend.cranelift.compiler import Compiled, Functions, Target

#: Whether the extension has what this needs: it is built without where Cranelift has another API.
AVAILABLE: Final[bool] = _cranelift.modules


class ObjectFormat(StrEnum):
    """A format of object files, with the name that users know."""

    ELF = "ELF"
    MACHO = "Mach-O"
    COFF = "COFF"


#: By format, what follows the architecture in a triple.
_SYSTEMS: Final = {
    ObjectFormat.ELF: "unknown-linux-gnu",
    ObjectFormat.MACHO: "apple-darwin",
    ObjectFormat.COFF: "pc-windows-msvc",
}


@dataclass(frozen=True, slots=True)
class ModuleData:
    """Data of a module; the extension reads the attributes by name.

    Attributes:
        contents: zeros alone become memory that takes no place in a file.
        addresses: offset, symbol and addend of each address that is in it.
    """

    name: str
    contents: bytes
    alignment: int = 16
    writable: bool = True
    thread_local: bool = False
    addresses: list[tuple[int, str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Section:
    """A section of an object file.

    Attributes:
        kind: what the library that reads it calls its kind: ``Text``, ``Data``...
        address: what its symbols count from.
        contents: empty for memory that takes no place in the file.
    """

    number: int
    name: str
    kind: str
    address: int
    size: int
    alignment: int
    contents: bytes


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol of an object file. ``section`` is None for one that no section has."""

    number: int
    name: str
    section: int | None
    address: int
    undefined: bool
    exported: bool
    weak: bool


@dataclass(frozen=True, slots=True)
class ObjectRelocation:
    """A relocation of an object file.

    Attributes:
        section: where the place is, ``offset`` bytes from its start.
        kind: its number in the format; None if the library does not tell it.
        symbol: the number of what is referred to; if None, it is the section ``target``.
        addend: what the library adds because of the format's meaning of the kind.
        in_place: more of the addend may be in the place itself.
    """

    section: int
    offset: int
    kind: int | None
    symbol: int | None
    target: int | None
    addend: int
    in_place: bool


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """An object file, and the code of its functions as it was before."""

    format: ObjectFormat
    sections: Sequence[Section]
    symbols: Sequence[Symbol]
    relocations: Sequence[ObjectRelocation]
    compiled: Sequence[Compiled] = ()

    def with_relocations(self, relocations: Sequence[ObjectRelocation]) -> ObjectFile:
        """Return the file with other relocations."""
        return replace(self, relocations=relocations)


def target_for(target: Target, architecture: str, format_: ObjectFormat) -> Target:
    """Return a target with the format's operating system, and all else as it is."""
    return replace(target, isa=f"{architecture}-{_SYSTEMS[format_]}")


def make_object(
    functions: Functions,
    target: Target,
    format_: ObjectFormat,
    *,
    defined: Collection[str],
    local: Collection[str] = (),
    data: Sequence[ModuleData] = (),
    sections: bool = False,
    chaos: bytes = b"",
) -> ObjectFile:
    """Compile functions into an object file, and read it.

    Args:
        target: with the triple of the format.
        defined: names of the functions and data that are in it; the rest is only referred to.
        local: the names of those that nothing outside of the file sees.
        sections: each of them gets a section of its own.

    Raises:
        VerifierError, CompileError, CompilerPanic: something is defined twice, is declared in two
            ways, cannot be compiled or cannot be written.
        ValueError: the file cannot be read.
    """
    file, compiled = _cranelift.make_object(
        functions,
        target.handle,
        set(defined),
        set(local),
        [each for each in data if each.name in defined],
        sections=sections,
        chaos=chaos,
    )
    return read_object(file, format_, compiled)


def read_object(
    file: bytes, format_: ObjectFormat, compiled: Sequence[Compiled] = ()
) -> ObjectFile:
    """Read an object file.

    Raises:
        ValueError: it is malformed.
    """
    found = _cranelift.read_object(file)
    prefix = "_" if format_ is ObjectFormat.MACHO else ""
    symbols = [Symbol(*symbol) for symbol in found["symbols"]]
    return ObjectFile(
        format_,
        [Section(*section) for section in found["sections"]],
        [replace(symbol, name=symbol.name.removeprefix(prefix)) for symbol in symbols],
        [
            ObjectRelocation(*place, *target, *addend)
            for place, target, addend in found["relocations"]
        ],
        compiled,
    )


class JitMemory(StrEnum):
    """What memory of a JIT is for."""

    CODE = "code"
    READONLY = "readonly"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class JitFunction:
    """A function where a JIT has put it; ``compiled`` is as it was before relocations."""

    address: int
    compiled: Compiled


@dataclass(frozen=True, slots=True)
class JitSegment:
    """What a JIT has put somewhere."""

    address: int
    contents: bytes
    memory: JitMemory


@dataclass(frozen=True, slots=True)
class JitCode:
    """What a JIT made: memory with relocations resolved."""

    functions: Sequence[JitFunction]
    segments: Sequence[JitSegment]


def make_jit(
    functions: Functions,
    target: Target,
    *,
    data: Sequence[ModuleData],
    areas: Sequence[tuple[int, int]],
    places: Mapping[str, int],
    symbols: Mapping[str, int],
    chaos: bytes = b"",
) -> JitCode:
    """Compile functions into memory. It is not executed, and gone afterwards.

    Args:
        areas: address and size of memory; a third of each is for each kind of memory.
        places: by name of a function or of data, the number of the area where it lies.
        symbols: addresses of what is defined elsewhere.

    Raises:
        VerifierError, CompileError, CompilerPanic: something is defined twice or nowhere, is out of
            reach, or cannot be compiled; or the memory is in use.
    """
    placed, segments = _cranelift.make_jit(
        functions,
        target.handle,
        list(data),
        list(areas),
        dict(places),
        dict(symbols),
        chaos=chaos,
    )
    return JitCode(
        [JitFunction(*each) for each in placed],
        [JitSegment(at, contents, JitMemory(memory)) for at, contents, memory in segments],
    )
