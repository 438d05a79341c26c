"""Machine code beside the CLIF that it came of: each instruction's line is its source location."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from backend.cranelift.compiler import Compiled, Functions
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.differential.diagnosis import COMPILER_FAILURES
from fuzz.differential.pipeline import target_of
from reports.disassembly import instructions
from reports.model import Code

#: An instruction's debug tags, and the source location that the text gives it itself.
_ANNOTATIONS = re.compile(r"(<[^>]*> )?(?:@[0-9a-f]+ )?")


@dataclass(frozen=True, slots=True)
class Listed:
    """A case's code on one ISA, with source locations that are lines of ``text``."""

    isa: str
    text: str
    compiled: list[Compiled]


def compile_with_lines(case: Case, isa: str) -> Listed | None:
    """The case's functions, main first; None where they do not compile."""
    text = print_functions(case.functions)
    functions = Functions("\n".join(_located(text)))
    try:
        compiled = target_of(case, isa).compile(functions, clif=True, chaos=case.chaos)
    except COMPILER_FAILURES:
        return None
    return Listed(isa, text, compiled)


def _located(text: str) -> Iterator[str]:
    """The lines of functions; each instruction gets its line's number as source location."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("block", "}")):
            inside = line != "}"
            yield line
        elif inside and line.strip():
            text = line.lstrip()
            own = _ANNOTATIONS.match(text)
            assert own is not None  # it matches nothing at all as well
            yield f"    {own[1] or ''}@{number:x} {text[own.end() :]}"
        else:
            yield line


def codes(listed: Listed) -> Iterator[Code]:
    """Every function's code for a report."""
    for function in listed.compiled:
        yield Code(
            listed.isa,
            function.name,
            len(function.code),
            tuple(instructions(listed.isa, function, function.source_locations)),
            without_locations(function.clif or ""),
        )


def without_locations(clif: str) -> str:
    """CLIF as Cranelift prints it, the column of source locations taken out."""
    lines = []
    for line in clif.splitlines():
        location, _, rest = line.partition(" ")
        lines.append(f"    {rest.lstrip()}" if location.startswith("@") else line)
    return "\n".join(lines)
