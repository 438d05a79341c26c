"""Machine code with the line of CLIF that each instruction was compiled from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from backend.cranelift.compiler import Compiled, Functions
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.target import compile_case
from fuzz.differential.diagnosis import COMPILER_FAILURES
from reports.disassembly import instructions
from reports.model import FunctionCode

#: An instruction's debug tags, and the source location that the text gives it itself.
_ANNOTATIONS = re.compile(r"(<[^>]*> )?(?:@[0-9a-f]+ )?")


@dataclass(frozen=True, slots=True)
class CodeListing:
    """A case's machine code for one ISA.

    Attributes:
        text: the CLIF; the code's source locations are line numbers of it.
    """

    isa: str
    text: str
    compiled: list[Compiled]


def compile_with_lines(case: Case, isa: str) -> CodeListing | None:
    """Compile a case, with line numbers as source locations; None if it does not compile."""
    text = print_functions(case.functions)
    functions = Functions("\n".join(_located(text)))
    try:
        compiled = compile_case(case, isa, functions, clif=True)
    except COMPILER_FAILURES:
        return None
    return CodeListing(isa, text, compiled)


def _located(text: str) -> Iterator[str]:
    """Yield the lines of functions, with each instruction's line number as its source location."""
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


def codes(listing: CodeListing) -> Iterator[FunctionCode]:
    """Yield every function's code for a page."""
    for function in listing.compiled:
        yield FunctionCode(
            listing.isa,
            function.name,
            len(function.code),
            tuple(instructions(listing.isa, function, function.source_locations)),
            without_locations(function.clif or ""),
        )


def without_locations(clif: str) -> str:
    """Return Cranelift's CLIF without the column of source locations."""
    lines = []
    for line in clif.splitlines():
        location, _, rest = line.partition(" ")
        lines.append(f"    {rest.lstrip()}" if location.startswith("@") else line)
    return "\n".join(lines)
