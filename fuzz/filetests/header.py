"""The header of a filetest: what is tested, and for which targets with which settings.

Cranelift's reader makes ISAs of ``set`` and ``target`` lines and forgets those that are not part
of the build; where these are last it even takes the ``set`` line before them for a mistake. So the
header is taken apart here, and the lines for other ISAs are hidden from the reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: Kinds of test whose run commands are carried out.
RUNNING: Final = ("run", "interpret")
#: Architectures on which CLIF means what the interpreter says: little-endian, 64-bit addresses.
_LIKE_THE_INTERPRETER: Final = ("x86_64", "aarch64", "arm64", "riscv64", "riscv64gc", "pulley64")
_SYSTEMS: Final = ("linux", "unknown", "none", "elf")

Words = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A ``target`` line, with the ``set`` lines before it.

    Attributes:
        name: the triple as the line names it, mostly an architecture alone.
        flags: the ISA's flags, by name and value, in the order of the line.
        settings: the shared settings in force here, sorted.
    """

    name: str
    flags: Words = ()
    settings: Words = ()

    @property
    def architecture(self) -> str:
        return self.name.partition("-")[0]

    @property
    def other_system(self) -> bool:
        """Whether a platform is named whose calling convention is not that of Linux."""
        return "-" in self.name and not any(word in self.name for word in _SYSTEMS)

    def __str__(self) -> str:
        words = [n if value == "true" else f"{n}={value}" for n, value in self.flags]
        return " ".join([self.name, *words])


@dataclass(slots=True)
class Header:
    """What the header lines say.

    Attributes:
        tests: the kinds of test, without their options.
        targets: the ``target`` lines in order, those of other ISAs included.
        settings: all ``set`` lines together.
        text: the file with the lines for other ISAs hidden; lines keep their numbers.
    """

    tests: list[str] = field(default_factory=list)
    targets: list[TargetSpec] = field(default_factory=list)
    settings: Words = ()
    text: str = ""

    @property
    def runs(self) -> bool:
        """Whether run commands are carried out at all. A file without header says nothing
        against it."""
        return not self.tests or any(test in RUNNING for test in self.tests)

    @property
    def fits_the_interpreter(self) -> bool:
        """Whether the file speaks of a machine like the interpreter's, or says it is for one."""
        return (
            "interpret" in self.tests
            or not self.targets
            or any(target.architecture in _LIKE_THE_INTERPRETER for target in self.targets)
        )


def read_header(text: str, built: tuple[str, ...]) -> Header:
    """Takes the header apart; ``built`` are the ISAs that Cranelift's reader knows."""
    reader = _HeaderReader(text, built)
    for number, line in enumerate(reader.lines):
        first, *rest = line.partition(";")[0].split() or [""]
        if first in ("function", "feature"):
            break
        reader.read(number, first, rest)
    return reader.finish()


class _HeaderReader:
    """Reads line by line. ``pending`` are ``set`` lines that no known target has followed yet."""

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
    """``name=value`` words; a bare name is a flag or preset switched on."""
    return {name: value or "true" for name, _, value in (word.partition("=") for word in words)}
