"""Run commands through the reference interpreter."""

from __future__ import annotations

import interp
from clif.function import Function
from clif.outcome import Outcomes, Status
from fuzz.cases.compare import Observed, observe
from fuzz.differential.oracle import DEFAULT_FUEL
from fuzz.filetests.answer import (
    CANONICAL,
    Answer,
    Result,
    failed,
    judge,
    makes_open_nans,
    missing_part,
    skipped,
)
from fuzz.filetests.program import Command, Program, inputs_of, involved, not_in_the_file


def interpreted(program: Program, name: str, commands: list[Command]) -> list[Answer]:
    """The answers to run commands of one function, in order."""
    if not program.header.fits_the_interpreter:
        names = ", ".join(dict.fromkeys(t.name for t in program.header.targets))
        return [skipped(f"only for {names}, whose memory may differ")] * len(commands)
    functions = involved(program, name)
    obstacle = _obstacle(program, functions)
    if obstacle is not None:
        return [obstacle] * len(commands)
    try:
        outcomes = _interpret(program, functions, commands)
    except interp.Unsupported as error:
        if len(commands) == 1:
            return [skipped(f"no meaning in the interpreter: {error}")]
        # One input may go where others do not.
        return [answer for c in commands for answer in interpreted(program, name, [c])]
    exact = _canonical(program) or not makes_open_nans(functions)
    missing = not_in_the_file(program, functions)
    found = []
    for row, command in enumerate(commands):
        actual = observe(outcomes, row)
        answer = judge(command.expectation, actual, exact_nans=exact)
        if answer.result is Result.FAILED:
            excuse = _limit(actual) or missing_part(actual, *missing)
            answer = skipped(excuse) if excuse else answer
        found.append(answer)
    return found


def _obstacle(program: Program, functions: list[Function]) -> Answer | None:
    """What keeps these functions from being interpreted."""
    for function in functions:
        if function.name in program.refused:
            return skipped(f"%{function.name}: {program.refused[function.name]}")
        if function.name in program.invalid:
            message = " ".join(program.invalid[function.name].split())
            return failed(f"the verifier refuses %{function.name}: {message}")
    return None


def _interpret(program: Program, functions: list[Function], commands: list[Command]) -> Outcomes:
    options = interp.Options(canonical_nans=_canonical(program), fuel=DEFAULT_FUEL)
    return interp.run(functions, inputs_of(functions[0], commands), options)


def _canonical(program: Program) -> bool:
    """Whether NaNs are canonical on every target of the file."""
    header = program.header
    settings = [target.settings for target in header.targets] or [header.settings]
    return all(CANONICAL in words for words in settings)


def _limit(actual: Observed) -> str:
    """A limit of the interpreter refutes nothing."""
    if actual.status is not Status.HUNG:
        return ""
    return f"the interpreter gave up: {actual.detail or 'too many instructions'}"
