"""Whether a case does the same as a linked program: as object files, or as a JIT's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from backend.cranelift.compiler import CompileError, CompilerPanic, UnsupportedError, VerifierError
from backend.cranelift.modules import AVAILABLE
from backend.emulator.executor import NOT_EXECUTABLE
from backend.emulator.image import Image
from backend.emulator.linker import LinkError
from clif.outcome import Outcomes
from clif.throwing import may_throw
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import Difference, compare
from fuzz.cases.linked_programs import LinkedProgram, ModuleFaults, linked_programs
from fuzz.cases.module_check import run_image
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind

#: Takes out of differences what CLIF leaves open.
Settle = Callable[[list[Difference]], list[Difference]]


def check_modules(
    case: Case,
    isa: str,
    expected: Outcomes,
    left_out: Sequence[int],
    settle: Settle,
    faults: ModuleFaults,
) -> Iterator[Finding | str]:
    """Link and run a case in each way that it asks for, and that its ISA has.

    Args:
        expected: its outcomes.
        left_out: inputs that do not end.

    Yields:
        Findings, and reasons why nothing can be said.
    """
    if not AVAILABLE:
        yield f"{isa}: this build of the extension makes no linked programs"
        return
    if may_throw(case.functions):
        yield f"{isa}: a linked program has no functions that throw"
        return
    for program in linked_programs(case, isa, faults):
        found: Finding | str
        match _linked(isa, program):
            case Image() as image:
                found = _run(case, isa, image, expected, left_out, settle)
            case failed:
                found = failed
        if isinstance(found, Finding):
            yield _named(found, program.name)
        elif found:
            yield f"{isa}: {program.name}: {found}"


def _linked(isa: str, program: LinkedProgram) -> Image | Finding | str:
    """Make a program; return why nothing can be said, or a finding, if that fails."""
    try:
        return program.make()
    except MemoryError as error:
        return str(error)
    except UnsupportedError as error:
        return error.message
    except (VerifierError, CompileError, CompilerPanic) as error:
        if diagnosis.is_unimplemented(error):
            return error.message
        return diagnosis.compiler_failure(isa, error)
    except (LinkError, ValueError) as error:
        return Finding(FindingKind.MODULE, isa, "not linked", (str(error),))


def _run(
    case: Case,
    isa: str,
    image: Image,
    expected: Outcomes,
    left_out: Sequence[int],
    settle: Settle,
) -> Finding | str:
    """Run a program.

    Returns:
        A finding; or the reason why nothing can be said, empty if all is well.
    """
    try:
        outcomes = run_image(
            case, isa, image, predicted_traps=tuple(expected.traps), left_out=left_out
        )
    except NOT_EXECUTABLE as error:
        return str(error)
    found = compare(expected, outcomes, canonical_nans=has_canonical_nans(case))
    differences = settle(found) if found else []
    return diagnosis.difference(case, isa, image.compiled, differences) if differences else ""


def _named(finding: Finding, name: str) -> Finding:
    """Return a finding that says which program is wrong.

    It is of one kind, whatever goes wrong: what other releases do with the functions alone says
    nothing of it.
    """
    if finding.known:
        return finding
    return replace(finding, kind=FindingKind.MODULE, detail=f"{name}, {finding.detail}")
