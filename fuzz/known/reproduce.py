"""Runs the case of a known fault, and says whether the Cranelift under test still has the fault.

A case may end the process that runs it, or never end. So ``run_jobs`` runs cases in a process of
its own (``python -m fuzz.known.reproduce``), which reads jobs as JSON and answers with a line each.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from threading import Timer
from time import process_time
from typing import Final

import interp
from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    SettingsError,
    Target,
    UnsupportedError,
    VerifierError,
)
from backend.emulator.executor import NOT_EXECUTABLE
from backend.emulator.linker import CompiledCode, LinkError
from backend.emulator.unwind_tables import UnwindTableError
from backend.engines.guest_process import EngineError
from backend.isa.executors import executor_with
from backend.isa.parts import CONTROL_FLOW
from backend.isa.registry import ISAS
from clif.outcome import Outcomes
from clif.printer import print_functions
from fuzz.cases.case import Case, ExtraCheck, has_canonical_nans
from fuzz.cases.casefile import CaseFile, CaseFileError, read_cases
from fuzz.cases.compare import observe
from fuzz.cases.frame_check import can_follow_frames, misleading_tables
from fuzz.cases.label_check import OpenCallsError, is_labelled, misplaced_values
from fuzz.cases.linked_programs import LINKED, linked_programs
from fuzz.cases.module_check import run_image
from fuzz.cases.order_check import NOT_COMPARABLE, deviating_order, why_code_unchecked
from fuzz.cases.target import compile_case, run_case

_ROOT: Final = Path(__file__).resolve().parents[2]
#: A case takes some milliseconds. One that takes more CPU time than this hangs.
_SECONDS: Final = 20
#: How long, by the clock, a process may take for one case. It ends itself long before that, unless
#: the machine is so busy that nothing can be said.
_CLOCK_SECONDS: Final = 600.0

#: Kinds of findings, as files name them, that show when a case is compiled.
_COMPILE_KINDS: Final = frozenset({"compiler-panic", "compile-error", "verifier-error"})
#: Kinds of findings whose case ends its process, or takes for ever.
_PROCESS_KINDS: Final = frozenset({"compile-timeout", "compile-memory", "hang", "compiler-panic"})


class FaultStatus(Enum):
    """Whether a build of Cranelift has a fault on an ISA."""

    PRESENT = "still there"
    MENDED = "mended"
    UNCLEAR = "cannot say"


@dataclass(frozen=True, slots=True)
class Observation:
    """What the case of a fault did on an ISA.

    Attributes:
        failure: of a failure to compile, the place of the panic or the message.
        reason: why it cannot be said; empty if it can.
        final: it would be the same if the case were run again.
    """

    status: FaultStatus
    failure: str = ""
    reason: str = ""
    final: bool = True


MENDED: Final = Observation(FaultStatus.MENDED)
PRESENT: Final = Observation(FaultStatus.PRESENT)


def unclear(reason: str) -> Observation:
    """Return the observation of a case that does not show whether there is a fault."""
    return Observation(FaultStatus.UNCLEAR, reason=" ".join(reason.split()))


@dataclass(frozen=True, slots=True)
class Job:
    """A case to be run on an ISA.

    Attributes:
        text: of the case's file; of a case for the reader, just CLIF.
        isa: empty for a case for the reader.
    """

    name: str
    text: str
    isa: str = ""


def kinds_of(text: str) -> frozenset[str]:
    """Return the kinds of findings that a case's file names in its comment ``finding:``."""
    for line in text.splitlines():
        if not line.startswith(";"):
            break
        name, _, value = line.removeprefix("; ").partition(":")
        if name == "finding":
            return frozenset(re.findall(r"[a-z]+(?:-[a-z]+)*", value.partition(";")[0]))
    return frozenset()


def reproduce(job: Job) -> Observation:
    """Run a case in this process."""
    if not job.isa:
        return _read(job.text)
    try:
        cases = read_cases(job.text)
    except (CaseFileError, CompilerPanic) as error:
        return unclear(f"cannot be read: {error}")
    if len(cases) != 1:
        return unclear(f"{len(cases)} cases in one file")
    (case_file,) = cases
    kinds = kinds_of(job.text)
    try:
        return _run(job.name, case_file, job.isa, kinds)
    except (ReadError, SettingsError) as error:
        return unclear(str(error))


def _read(text: str) -> Observation:
    """Read and verify functions: one of the two is to panic."""
    isa = next(iter(ISAS.values()))
    try:
        functions = Functions(text)
        results = functions.verify(Target.of(isa.name, isa.settings).handle)
    except ReadError:
        return MENDED
    except CompilerPanic as panic:
        return Observation(FaultStatus.PRESENT, panic.location)
    panics = [error for error in results if isinstance(error, CompilerPanic)]
    return Observation(FaultStatus.PRESENT, panics[0].location) if panics else MENDED


def _run(name: str, case_file: CaseFile, isa: str, kinds: frozenset[str]) -> Observation:
    case = case_file.case
    functions = Functions(print_functions(case.functions))
    try:
        code = compile_case(case, isa, functions)
    except (VerifierError, CompileError, CompilerPanic) as error:
        return _refused(case, error, kinds)
    if kinds and kinds <= _COMPILE_KINDS:
        return MENDED
    if _lacks_landing_pads(name, case, isa, code):
        return PRESENT
    if ExtraCheck.UNWIND in case.checks:
        return _unwound(case, isa, code)
    if LINKED & case.checks:
        return _linked(case_file, isa)
    if ExtraCheck.LABELS in case.checks:
        return _labelled(case, isa, code)
    if ExtraCheck.ORDER in case.checks:
        return _ordered(case, isa, code)
    return _executed(case_file, isa, code)


def _refused(
    case: Case, error: VerifierError | CompileError | CompilerPanic, kinds: frozenset[str]
) -> Observation:
    """Return what a failure to compile a case says.

    It is the fault's if the file names its kind.
    """
    if isinstance(error, UnsupportedError) and _names_instruction(case, error.message):
        return unclear(f"this Cranelift does not compile the case: {error.message}")
    if isinstance(error, CompilerPanic):
        kind, failure = "compiler-panic", error.location
    else:
        verifier = isinstance(error, VerifierError)
        kind, failure = "verifier-error" if verifier else "compile-error", error.message
    if kinds and kind not in kinds:
        return unclear(f"fails in another way: {error}")
    return Observation(FaultStatus.PRESENT, " ".join(failure.split()))


def _names_instruction(case: Case, message: str) -> bool:
    """Return whether a message names an instruction of the case, which the ISA then lacks."""
    return any(
        re.search(rf"\b{inst.opcode.name}\.{inst.type}\b", message)
        for function in case.functions
        for inst in function.instructions()
        if inst.type is not None
    )


def _lacks_landing_pads(name: str, case: Case, isa: str, code: Sequence[CompiledCode]) -> bool:
    """Return whether the code lacks the landing pads that the fault of this name leaves out."""
    protection = CONTROL_FLOW.of_any(ISAS[isa])
    if protection is None or case.isa_settings.get(isa, {}).get(protection.pads) != "true":
        return False
    return any(
        protection.known_fault(site, what, function.signature.call_conv) == name
        for function, compiled in zip(case.functions, code, strict=True)
        for site, what in protection.missing(compiled.code)
    )


def _unwound(case: Case, isa: str, code: Sequence[CompiledCode]) -> Observation:
    """Follow the case's tables of frames at each instruction."""
    if not can_follow_frames(isa):
        return unclear("no engine in this process stops at each instruction")
    try:
        found = misleading_tables(case, isa, code, range(case.inputs.count))
    except (*NOT_EXECUTABLE, CompileError, CompilerPanic, UnwindTableError) as error:
        return unclear(str(error))
    return PRESENT if found else MENDED


def _linked(case_file: CaseFile, isa: str) -> Observation:
    """Run the programs that the case is linked to, and compare their outcomes with the file's."""
    case = case_file.case
    for program in linked_programs(case, isa):
        try:
            image = program.make()
            outcomes = run_image(case, isa, image)
        except UnsupportedError as error:
            return unclear(f"this Cranelift does not compile the case: {error.message}")
        except (CompileError, CompilerPanic, VerifierError, LinkError):
            return PRESENT
        except (MemoryError, ValueError, *NOT_EXECUTABLE) as error:
            return unclear(str(error))
        if _is_refuted(case_file, outcomes):
            return PRESENT
    return MENDED


def _is_refuted(case_file: CaseFile, outcomes: Outcomes) -> bool:
    """Return whether outcomes are others than the file expects."""
    canonical = has_canonical_nans(case_file.case)
    return any(
        expected.refuted_by(observe(outcomes, n), canonical_nans=canonical) is not None
        for n, expected in enumerate(case_file.expectations)
        if expected is not None
    )


def _labelled(case: Case, isa: str, code: Sequence[CompiledCode]) -> Observation:
    """Look at the case's values at each instruction."""
    if not can_follow_frames(isa) or not is_labelled(code):
        return unclear("there are no labels, or no engine that stops at each instruction")
    try:
        report = misplaced_values(case, isa, code, range(case.inputs.count))
    except (*NOT_EXECUTABLE, ReadError, interp.Unsupported, OpenCallsError) as error:
        return unclear(str(error))
    return PRESENT if report.deviations else MENDED


def _ordered(case: Case, isa: str, code: Sequence[CompiledCode]) -> Observation:
    """Compare what the case's code does to memory with its source."""
    if reason := why_code_unchecked(isa):
        return unclear(reason)
    try:
        rows = range(case.inputs.count)
        found = any(deviating_order(case, isa, code, row) is not None for row in rows)
    except (*NOT_EXECUTABLE, *NOT_COMPARABLE) as error:
        return unclear(str(error))
    return PRESENT if found else MENDED


def _executed(case_file: CaseFile, isa: str, code: Sequence[CompiledCode]) -> Observation:
    """Run the code, and compare its outcomes with those that the file expects."""
    case = case_file.case
    if not any(case_file.expectations):
        return unclear("the file does not say what is expected")
    try:
        executor = executor_with(isa, case.isa_settings.get(isa, {}))
        outcomes = run_case(case, isa, code, executor)
    except (
        EngineError,
        *NOT_EXECUTABLE,
        CompileError,
        CompilerPanic,
        VerifierError,
    ) as error:
        return unclear(str(error))
    return PRESENT if _is_refuted(case_file, outcomes) else MENDED


# --- in a process of its own ---


def run_jobs(jobs: Sequence[Job], seconds: int = _SECONDS) -> list[Observation]:
    """Run cases, each in whatever state the process is that runs it.

    Args:
        seconds: a case that takes more CPU time hangs.
    """
    if getattr(sys, "frozen", False):  # a bundle has no Python to run modules with
        return [reproduce(job) for job in jobs]
    found: list[Observation] = []
    while len(found) < len(jobs):
        answered = _ask(jobs[len(found) :], seconds)
        if not answered[-1].final:  # somebody ended the process
            answered[-1] = _ask([jobs[len(found) + len(answered) - 1]], seconds)[0]
        found += answered
    return found


def _ask(jobs: Sequence[Job], seconds: int) -> list[Observation]:
    """Have a process run cases, up to the first one that ends it."""
    command = [sys.executable, "-m", "fuzz.known.reproduce", str(seconds)]
    found: list[Observation] = []
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([asdict(job) for job in jobs]))
        process.stdin.close()
        for job in jobs:
            timer = Timer(_CLOCK_SECONDS, process.kill)
            timer.start()
            line = process.stdout.readline()
            timer.cancel()
            if not line:
                found.append(_without_answer(job, process.wait()))
                break
            status, failure, reason = json.loads(line)
            found.append(Observation(FaultStatus(status), failure, reason))
    return found


def _without_answer(job: Job, code: int) -> Observation:
    """Return what it says that the process did not come back: for some faults, that they show.

    Args:
        code: the exit code. SIGKILL does not come of the case: it is the clock's, or the system's
            that has no memory left.
    """
    if code == -signal.SIGKILL:
        return replace(unclear("the process that ran the case was killed"), final=False)
    if kinds_of(job.text) & _PROCESS_KINDS:
        return PRESENT
    return unclear(f"the process that ran the case ended without an answer ({code})")


def main() -> None:
    """Answer each job on stdin with a line on stdout.

    The argument is the CPU time that each may take.
    """
    seconds = int(sys.argv[1])
    for fields in json.loads(sys.stdin.read()):
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(process_time()) + 1 + seconds, most))
        seen = reproduce(Job(**fields))
        print(json.dumps([seen.status.value, seen.failure, seen.reason]), flush=True)


if __name__ == "__main__":
    main()
