"""A shape: a program that grows with a size, and what it must do.

What it must do is computed by a few lines of Python beside those that write the CLIF, so that it is
known at sizes that the interpreter cannot take. A test compares the two where it can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from backend.cranelift.compiler import CompileError, CompilerPanic, Functions, Target
from backend.isa.registry import ISAS
from fuzz.cases.case import default_settings

_MASK: Final = (1 << 64) - 1
#: What every program is called with, unless its shape has inputs of its own.
INPUTS: Final = ((0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3211), (7, 3), (2, 9))

#: A size at which an ISA must compile a shape that it has.
_SMALL: Final = 4096

#: The arguments of ``%main``, and its result or the code of the trap that it ends in.
Run = tuple[tuple[int, int], int | str]


@dataclass(frozen=True, slots=True)
class Program:
    """The program of a shape at a size.

    Attributes:
        functions: CLIF; ``%main(i64, i64) -> i64`` comes last.
        runs: what it must do.
    """

    functions: str
    runs: Sequence[Run]


@dataclass(frozen=True, slots=True)
class Shape:
    """A family of programs.

    Attributes:
        name: on the command line.
        unit: what its size counts.
        sizes: those of the table, in order.
        make: returns the program of a size.
        settings: that it is compiled with, besides the level of optimisation.
        levels: of optimisation that it is compiled at.
        optional: an ISA need not have it: then a small program does not compile.
    """

    name: str
    unit: str
    sizes: tuple[int, ...]
    make: Callable[[int], Program]
    settings: Mapping[str, str] = field(default_factory=dict)
    levels: tuple[str, ...] = ("none", "speed")
    optional: bool = False

    def settings_on(self, isa: str, level: str) -> dict[str, str]:
        """Return the shared settings that it is compiled with on an ISA."""
        return default_settings(isa) | {**self.settings, "opt_level": level}

    def target(self, isa: str, level: str) -> Target:
        return Target.of(isa, self.settings_on(isa, level))

    def is_for(self, isa: str) -> bool:
        """Return whether an ISA has it."""
        return not self.optional or _compiles(self.make(_SMALL).functions, self.target(isa, "none"))

    def file(self, size: int, level: str, isas: Sequence[str]) -> str:
        """Return the program as a file that ``clif-fuzz replay`` takes."""
        program = self.make(size)
        lines = [f"; origin: {self.name} {size}", "test interpret", "test run"]
        settings = self.settings_on(next(iter(isas), next(iter(ISAS))), level)
        lines += [f"set {name}={value}" for name, value in settings.items()]
        lines += [f"target {isa}" for isa in isas if self.is_for(isa)]
        return "\n".join([*lines, "", program.functions, *map(_run_line, program.runs), ""])


def _run_line(run: Run) -> str:
    (x, y), expected = run
    call = f"%main({_signed(x)}, {_signed(y)})"
    if isinstance(expected, str):
        return f"; input: {call} traps {expected}"
    return f"; run: {call} == {_signed(expected)}"


def _signed(value: int) -> int:
    return value - (value >> 63 << 64)


@cache
def _compiles(functions: str, target: Target) -> bool:
    try:
        target.compile(Functions(functions))
    except (CompileError, CompilerPanic):
        return False
    return True


# --- writing functions ---


def function(
    body: Sequence[str],
    name: str = "main",
    signature: str = "(i64, i64) -> i64",
    preamble: Sequence[str] = (),
) -> str:
    """Return a function of lines; those of blocks are not indented."""
    lines = [line if line.startswith("block") else f"    {line}" for line in body]
    head = f"function %{name}{signature} system_v {{"
    return "\n".join([head, *(f"    {line}" for line in preamble), *lines, "}"]) + "\n"


def runs_of(compute: Callable[[int, int], int]) -> list[Run]:
    """Return the usual inputs with what a function in Python makes of them."""
    return [((x, y), compute(x, y) & _MASK) for x, y in INPUTS]


class Filler:
    """Instructions that do nothing but take room: each works on the result of the one before.

    Attributes:
        value: the number of the last value.
    """

    _NAMES: Final = ("iadd", "imul", "bxor", "isub")

    def __init__(self, value: int = 1) -> None:
        self.value = value

    def take(self) -> int:
        """Return the number of a new value."""
        self.value += 1
        return self.value

    def lines(self, start: int, count: int) -> list[str]:
        """Return so many instructions, the first of which takes a value; ``value`` is the last."""
        found, last = [], start
        for k in range(count):
            new = self.take()
            found.append(f"v{new} = {self._NAMES[k % 4]} v{last}, v{k % 2}")
            last = new
        return found

    @staticmethod
    def compute(start: int, count: int, x: int, y: int) -> int:
        """Return what the instructions make of a value; x and y are the function's arguments."""
        last = start
        for k in range(count):
            other = y if k % 2 else x
            match k % 4:
                case 0:
                    last += other
                case 1:
                    last *= other
                case 2:
                    last ^= other
                case _:
                    last -= other
            last &= _MASK
        return last
