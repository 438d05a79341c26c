"""The header of a filetest: the kinds of test, and the targets with their settings.

Cranelift's reader turns ``set`` and ``target`` lines into ISAs, and drops ISAs that are not part of
the build. If the last ``target`` line is such a one, the reader even reports the ``set`` line
before it as an error. So the header is parsed here, and lines for other ISAs are hidden from the
reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from backend.isa.registry import ISAS

#: Kinds of test that have run commands.
RUNNING: Final = ("run", "interpret")
#: Architectures that match the interpreter: little-endian, with addresses of 64 bits.
_LIKE_THE_INTERPRETER: Final = frozenset(
    name
    for isa in ISAS.values()
    for name in (isa.name, *isa.aliases)
    if isa.byte_order == "little" and isa.pointer_bytes == 8
) | {"riscv64", "riscv64gc", "pulley64"}
_SYSTEMS: Final = ("linux", "unknown", "none", "elf")

Words = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A ``target`` line, with the settings of the ``set`` lines before it.

    Attributes:
        name: the triple as it is in the line, often only an architecture.
        flags: ISA flags with their values, in the order of the line.
        settings: shared settings with their values, sorted by name.
    """

    name: str
    flags: Words = ()
    settings: Words = ()

    @property
    def architecture(self) -> str:
        return self.name.partition("-")[0]

    @property
    def other_system(self) -> bool:
        """Whether it names a platform with other default calling conventions than Linux."""
        return "-" in self.name and not any(word in self.name for word in _SYSTEMS)

    def __str__(self) -> str:
        words = [n if value == "true" else f"{n}={value}" for n, value in self.flags]
        return " ".join([self.name, *words])


@dataclass(slots=True)
class Header:
    """The header of a filetest.

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
    def fits_the_interpreter(self) -> bool:
        """Whether the file is for the interpreter, or for a machine like it."""
        return (
            "interpret" in self.tests
            or not self.targets
            or any(target.architecture in _LIKE_THE_INTERPRETER for target in self.targets)
        )


def read_header(text: str, built: tuple[str, ...]) -> Header:
    """Parse the header of a filetest.

    Args:
        text: the whole file.
        built: names of the ISAs in this build of Cranelift.
    """
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
        self.header = Header()
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
        settings = tuple(sorted(self.settings.items()))
        target = TargetSpec(name, tuple(_pairs(flags).items()), settings)
        self.header.targets.append(target)
        if target.architecture in self.built:
            self.pending.clear()
        else:
            self._hide(number)

    def _hide(self, number: int) -> None:
        self.lines[number] = f"; {self.lines[number]}"

    def finish(self) -> Header:
        if any(target.architecture in self.built for target in self.header.targets):
            for number in self.pending:
                self._hide(number)
        self.header.settings = tuple(sorted(self.settings.items()))
        self.header.text = "\n".join(self.lines)
        return self.header


def _pairs(words: list[str]) -> dict[str, str]:
    """Parse words like ``name=value``; a name without a value is a flag or preset that is on."""
    return {name: value or "true" for name, _, value in (word.partition("=") for word in words)}
