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
    header = Header()
    lines = text.split("\n")
    settings: dict[str, str] = {}
    pending: list[int] = []  # set lines that no known target has followed yet
    for number, line in enumerate(lines):
        first, *rest = line.partition(";")[0].split() or [""]
        if first in ("function", "feature"):
            break
        match first, rest:
            case "test", [kind, *_]:
                header.tests.append(kind)
            case "set", _:
                settings |= _pairs(rest)
                pending.append(number)
            case "target", [name, *flags]:
                pairs = tuple(_pairs(flags).items())
                target = TargetSpec(name, pairs, tuple(sorted(settings.items())))
                header.targets.append(target)
                if target.architecture in built:
                    pending.clear()
                else:
                    lines[number] = f"; {line}"
            case _:
                pass
    if any(target.architecture in built for target in header.targets):
        for number in pending:
            lines[number] = f"; {lines[number]}"
    header.settings = tuple(sorted(settings.items()))
    header.text = "\n".join(lines)
    return header


def _pairs(words: list[str]) -> dict[str, str]:
    """``name=value`` words; a bare name is a flag or preset switched on."""
    return {name: value or "true" for name, _, value in (word.partition("=") for word in words)}
