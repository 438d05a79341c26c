"""The header of a file: the kinds of test, and the targets with their settings.

Every command reads the header with this module, so that all of them run a file on the same ISAs,
with the same settings, or give the same reason why they do not.

Cranelift's reader turns ``set`` and ``target`` lines into ISAs, and drops ISAs that are not part of
the build. If the last ``target`` line is such a one, the reader even reports the ``set`` line
before it as an error. So the header is parsed here, and lines for other ISAs are hidden from the
reader.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from backend.isa.registry import find_isa
from clif.byte_order import ByteOrder
from clif.memory_access import ADDRESS_TYPES
from clif.types import I64, Type

#: Why a target line for another system than Linux is left out.
OTHER_PLATFORM: Final = "a platform whose calling conventions are not emulated"
#: Kinds of test that have run commands.
RUNNING: Final = ("run", "interpret")
#: Kinds of test that compile functions when they have no run commands. Others only read or verify.
COMPILING: Final = ("run", "interpret", "compile", "optimize", "inline", "alias-analysis", "unwind")
#: Those that stop before code is generated.
_MID_END: Final = ("optimize", "inline", "alias-analysis")
#: Why a file of ``test verifier`` is no case.
EXPECTS_ERRORS: Final = "expects errors of the verifier: see check"
#: Why the code of functions with run commands is not run.
NO_RUN: Final = "no 'test run' line"
#: What editors put before the text of a file; it says nothing.
BYTE_ORDER_MARK: Final = "\ufeff"
#: Architectures with addresses of 32 bits, of which no ISA is described.
_NARROW: Final = ("arm", "armv7", "i386", "i586", "i686", "riscv32")
_SYSTEMS: Final = ("linux", "unknown", "none", "elf")

Words = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A ``target`` line, with the settings of the ``set`` lines before it.

    Attributes:
        name: the triple as it is in the line, often only an architecture.
        flags: ISA flags with their values, in the order of the line.
        settings: shared settings with their values, in the order of the file.
    """

    name: str
    flags: Words = ()
    settings: Words = ()

    @property
    def architecture(self) -> str:
        return self.name.partition("-")[0]

    @property
    def isa(self) -> str:
        """The ISA's name if its code is emulated; the whole triple for another platform."""
        if self.other_system:
            return self.name
        found = find_isa(self.architecture)
        return self.architecture if found is None else found.name

    @property
    def other_system(self) -> bool:
        """Whether it names a platform with other default calling conventions than Linux."""
        return "-" in self.name and not any(word in self.name for word in _SYSTEMS)

    @property
    def is_narrow(self) -> bool:
        """Whether its addresses have 32 bits, and no ISA is described whose addresses have."""
        return self.architecture in _NARROW and find_isa(self.architecture) is None

    def __str__(self) -> str:
        words = [n if value == "true" else f"{n}={value}" for n, value in self.flags]
        return " ".join([self.name, *words])


@dataclass(slots=True)
class FileHeader:
    """The header of a file.

    Attributes:
        tests: the kinds of test, without their options.
        targets: the ``target`` lines in order, those for other ISAs included.
        settings: of all ``set`` lines.
        text: the whole file, with the lines for other ISAs turned into comments.
    """

    tests: list[str] = field(default_factory=list)
    targets: list[TargetSpec] = field(default_factory=list)
    settings: Words = ()
    text: str = ""

    @property
    def runs(self) -> bool:
        """Whether run commands are run at all; they are in a file without header, too."""
        return not self.tests or any(test in RUNNING for test in self.tests)

    @property
    def runs_code(self) -> bool:
        """Whether run commands run compiled code, not the interpreter alone."""
        return not self.tests or "run" in self.tests

    @property
    def fits_the_interpreter(self) -> bool:
        """Whether the file is for the interpreter, or for a machine like it."""
        if not self.targets:
            return True
        if all(target.is_narrow for target in self.targets):
            return False
        return "interpret" in self.tests or any(
            find_isa(target.architecture) for target in self.targets if not target.is_narrow
        )

    @property
    def byte_order(self) -> ByteOrder:
        """The byte order of what the file expects: big if all of its targets are big-endian."""
        found = [find_isa(target.architecture) for target in self.targets]
        orders = {"little" if isa is None else isa.byte_order for isa in found}
        return "big" if orders == {"big"} else "little"

    @property
    def address_types(self) -> frozenset[Type]:
        """The types of addresses on its targets."""
        found = [isa for target in self.targets if (isa := find_isa(target.architecture))]
        sizes = {isa.pointer_bytes for isa in found} or {I64.bytes}
        return frozenset(type_ for type_ in ADDRESS_TYPES if type_.bytes in sizes)

    @property
    def compiles(self) -> bool:
        """Whether functions without run commands are compiled, not only read and verified."""
        return not self.tests or any(test in COMPILING for test in self.tests)

    @property
    def generates_code(self) -> bool:
        """Whether functions without run commands are compiled to the end, not only optimised."""
        return not self.tests or any(t in COMPILING and t not in _MID_END for t in self.tests)

    @property
    def verifies(self) -> bool:
        """Whether functions have to be valid: other tests only print what was read."""
        return not self.tests or not set(self.tests) <= {"cat", "print-cfg"}

    @property
    def expects_errors(self) -> bool:
        """Whether it tests the verifier alone, with functions that it should refuse."""
        return bool(self.tests) and set(self.tests) <= {"verifier"}

    def targets_of(self, isa: str) -> list[TargetSpec]:
        """Return the target lines for an emulated ISA; without any target line, a bare one."""
        if not self.targets:
            return [TargetSpec(isa, settings=self.settings)]
        return list(dict.fromkeys(target for target in self.targets if target.isa == isa))

    def foreign_reason(self) -> str:
        """Return why the file is not run on an ISA that none of its target lines names."""
        return foreign_reason(dict.fromkeys(target.name for target in self.targets))


def reading_reason(tests: Iterable[str]) -> str:
    """Return why the functions of a file are not compiled whose tests only read them."""
    return f"'test {', '.join(dict.fromkeys(tests))}' only reads functions: see check"


def foreign_reason(names: Iterable[str]) -> str:
    """Return why a file is run on none of the emulated ISAs.

    Args:
        names: of the targets that it is for.
    """
    known = [TargetSpec(name) for name in names]
    shown = ", ".join(target.name for target in known)
    if any(target.other_system and find_isa(target.architecture) for target in known):
        return f"{OTHER_PLATFORM}: {shown}"
    if known and all(target.is_narrow for target in known):
        return f"only for {shown}, whose addresses have 32 bits"
    return f"only for {shown}"


def features_reason(features: Iterable[str]) -> str:
    """Return why a file that needs Cargo features of Cranelift is not run."""
    return f"needs Cargo features of Cranelift: {', '.join(features)}"


def is_error_comment(text: str) -> bool:
    """Whether a comment says which error of the verifier its file expects."""
    return text.lstrip("; ").startswith("error:")


def read_file_header(text: str, built: tuple[str, ...]) -> FileHeader:
    """Parse the header of a file.

    Args:
        text: the whole file.
        built: names of the ISAs in this build of Cranelift.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    reader = _HeaderReader(text, built)
    for number, line in enumerate(reader.lines):
        first, *rest = line.partition(";")[0].split() or [""]
        if first in ("function", "feature"):
            break
        reader.read(number, first, rest)
    return reader.finish()


class _HeaderReader:
    """Parses a header line by line.

    Attributes:
        pending: ``set`` lines that no ``target`` line for a built ISA has followed yet.
    """

    def __init__(self, text: str, built: tuple[str, ...]) -> None:
        self.lines = text.split("\n")
        self.built = built
        self.header = FileHeader()
        self.settings: dict[str, str] = {}
        self.pending: list[int] = []

    def read(self, number: int, first: str, rest: list[str]) -> None:
        match first, rest:
            case "test", [kind, *_]:
                self.header.tests.append(kind)
            case "set", _:
                self.settings |= _pairs(rest)
                self.pending.append(number)
            case "target", [name, *flags]:
                self._target(number, name, flags)
            case _:
                pass

    def _target(self, number: int, name: str, flags: list[str]) -> None:
        settings = tuple(self.settings.items())
        target = TargetSpec(name, tuple(_pairs(flags).items()), settings)
        self.header.targets.append(target)
        if target.architecture in self.built:
            self.pending.clear()
        else:
            self._hide(number)

    def _hide(self, number: int) -> None:
        self.lines[number] = f"; {self.lines[number]}"

    def finish(self) -> FileHeader:
        if any(target.architecture in self.built for target in self.header.targets):
            for number in self.pending:
                self._hide(number)
        self.header.settings = tuple(self.settings.items())
        self.header.text = "\n".join(self.lines)
        return self.header


def _pairs(words: list[str]) -> dict[str, str]:
    """Parse words like ``name=value``; a name without a value is a flag or preset that is on."""
    return {name: value or "true" for name, _, value in (word.partition("=") for word in words)}
