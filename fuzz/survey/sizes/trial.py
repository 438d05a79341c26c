"""Compiles a program of a shape for an ISA in a child process, and runs it there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from time import thread_time
from typing import Any, Final

from backend.cranelift.compiler import (
    Compiled,
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    VerifierError,
)
from backend.emulator.executor import NOT_EXECUTABLE
from backend.emulator.linker import Compiled as Code
from backend.engines.guest_process import EngineError
from backend.isa.executors import executor_for
from clif.function import AbiParam, Signature
from clif.outcome import Inputs, Outcomes, words_from_ints
from clif.types import I64
from fuzz.known.failures import FAILURES
from fuzz.survey.compile_cost import (
    ChildDeath,
    in_child,
    on_small_stack,
    peak_memory,
    reset_peak,
)
from fuzz.survey.sizes.shape import Program, Run, Shape

#: What known faults of Cranelift that a size alone brings about say, and the names of their cases.
KNOWN: Final = {
    failure.says: failure.name for failure in FAILURES if failure.name == "stack-slots-beyond-2gib"
}
#: CPU seconds that emulating one input may take.
_RUN_SECONDS: Final = 30.0
_SIGNATURE: Final = Signature((AbiParam(I64), AbiParam(I64)), (AbiParam(I64),))

#: Changes compiled code before it is run, to see that wrong code is noticed.
Change = Callable[[Sequence[Compiled]], Sequence[Code]]


class Result(StrEnum):
    """What became of a program."""

    RIGHT = "right"
    WRONG = "wrong"
    COMPILED = "not run"
    REFUSED = "refused"
    FAILED = "failed"  # a panic, an error of the verifier, a stack overflow, too much time

    @property
    def is_fault(self) -> bool:
        return self in (Result.WRONG, Result.FAILED)


@dataclass(frozen=True, slots=True)
class Trial:
    """A program of a shape on an ISA, and what became of it.

    Attributes:
        seconds: CPU time of compiling.
        memory: bytes that compiling took at most.
        code: bytes of machine code.
        detail: the reason why it did not compile or run, or what went wrong.
    """

    shape: str
    size: int
    isa: str
    level: str
    result: Result
    seconds: float = 0.0
    memory: int = 0
    code: int = 0
    detail: str = ""

    @property
    def known(self) -> str:
        """The name of the fault in ``corpus/cranelift`` that is the cause; empty if none is."""
        if not self.result.is_fault:
            return ""
        return next((name for words, name in KNOWN.items() if words in self.detail), "")

    @property
    def is_finding(self) -> bool:
        return self.result.is_fault and not self.known

    @property
    def reason(self) -> str:
        """Why it was not compiled or not run, without numbers."""
        return re.sub(r"\d+ bytes", "so many bytes", self.detail)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.shape} {self.size} on {self.isa}, opt_level={self.level}"
        return f"{where}: {self.result.value}: {self.detail}"


@dataclass(frozen=True, slots=True)
class _Case:
    shape: Shape
    size: int
    isa: str
    level: str

    def trial(self, result: Result, detail: str = "", **costs: Any) -> Trial:
        name = self.shape.name
        return Trial(name, self.size, self.isa, self.level, result, detail=detail, **costs)


def try_shape(
    shape: Shape,
    size: int,
    isa: str,
    level: str,
    *,
    seconds: int = 0,
    change: Change | None = None,
) -> Trial:
    """Compile the program of a size, on the stack of a thread of Rust, and run it if it compiles.

    Args:
        level: of optimisation.
        seconds: CPU time that all of it may take; 0 for no limit.
        change: what to do to the code before it is run.
    """
    case = _Case(shape, size, isa, level)
    program = shape.make(size)
    answer = in_child(lambda: _try(case, program, change).to_json(), seconds)
    if isinstance(answer, ChildDeath):
        return case.trial(Result.FAILED, str(answer))
    return Trial(**{**answer, "result": Result(answer["result"])})


def _try(case: _Case, program: Program, change: Change | None) -> Trial:
    compiled = on_small_stack(lambda: _compile(case, program))
    if isinstance(compiled, Trial):
        return compiled
    costs, functions = compiled
    code = functions if change is None else change(functions)
    result, detail = _run(case, code, program.runs)
    return case.trial(result, detail, **costs)


def _compile(case: _Case, program: Program) -> Trial | tuple[dict[str, Any], list[Compiled]]:
    target = case.shape.target(case.isa, case.level)
    try:
        functions = Functions(program.functions)
    except ReadError as error:
        return case.trial(Result.FAILED, f"not read: {error}")
    before, start = reset_peak(), thread_time()
    try:
        compiled = target.compile(functions)
    except (CompilerPanic, VerifierError) as error:
        return case.trial(Result.FAILED, f"{type(error).__name__}: {error}"[:200])
    except CompileError as error:
        costs = {"seconds": thread_time() - start, "memory": peak_memory() - before}
        return case.trial(Result.REFUSED, error.message[:100], **costs)
    seconds, memory = thread_time() - start, peak_memory() - before
    size = sum(len(function.code) for function in compiled)
    return {"seconds": seconds, "memory": memory, "code": size}, compiled


def _run(case: _Case, code: Sequence[Code], runs: Sequence[Run]) -> tuple[Result, str]:
    columns = zip(*(arguments for arguments, _ in runs), strict=True)
    inputs = Inputs(len(runs), [words_from_ints(I64, list(column)) for column in columns])
    try:
        executor = executor_for(case.isa)
        executor.limit_seconds(_RUN_SECONDS)
        outcomes = executor.run(
            code,
            _SIGNATURE,
            inputs,
            predicted_traps=[row for row, run in enumerate(runs) if isinstance(run[1], str)],
            entry="main",
            settings=case.shape.settings_on(case.isa, case.level),
        )
    except (*NOT_EXECUTABLE, EngineError) as error:
        return Result.COMPILED, str(error)
    wrong = [_difference(outcomes, row, run) for row, run in enumerate(runs)]
    detail = next(filter(None, wrong), "")
    return (Result.WRONG if detail else Result.RIGHT), detail


def _difference(outcomes: Outcomes, row: int, run: Run) -> str:
    """Say in what an input's outcome differs from the expected one; empty if in nothing."""
    (x, y), expected = run
    actual: int | str = outcomes.traps.get(row, "")
    if not actual:
        actual = outcomes.details.get(row) or int(outcomes.results[0][row, 0])
    if actual == expected:
        return ""
    return f"%main({x:#x}, {y:#x}): {_words(expected)}, not {_words(actual)}"


def _words(outcome: int | str) -> str:
    return outcome if isinstance(outcome, str) else f"{outcome:#x}"
