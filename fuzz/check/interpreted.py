"""Run commands through the reference interpreter."""

from __future__ import annotations

import interp
from clif.function import Function
from clif.outcome import Outcomes, Status
from fuzz.check.answer import CANONICAL, Answer, judge, makes_open_nans, skipped
from fuzz.check.program import Command, Program, inputs_of, involved
from fuzz.compare import observe
from fuzz.oracle import DEFAULT_FUEL


def interpreted(program: Program, name: str, commands: list[Command]) -> list[Answer]:
    """The answers to run commands of one function, in order."""
    if not program.header.fits_the_interpreter:
        names = ", ".join(dict.fromkeys(t.name for t in program.header.targets))
        return [skipped(f"only for {names}, whose memory may differ")] * len(commands)
    functions = involved(program, name)
    for function in functions:
        if function.name in program.refused:
            return [skipped(f"%{function.name}: {program.refused[function.name]}")] * len(commands)
    try:
        outcomes = _interpret(program, functions, commands)
    except interp.Unsupported as error:
        if len(commands) == 1:
            return [skipped(f"no meaning in the interpreter: {error}")]
        # One input may go where others do not.
        return [answer for c in commands for answer in interpreted(program, name, [c])]
    exact = _canonical(program) or not makes_open_nans(functions)
    return [
        _interpreted_answer(outcomes, row, command, exact) for row, command in enumerate(commands)
    ]


def _interpret(program: Program, functions: list[Function], commands: list[Command]) -> Outcomes:
    options = interp.Options(canonical_nans=_canonical(program), fuel=DEFAULT_FUEL)
    return interp.run(functions, inputs_of(functions[0], commands), options)


def _canonical(program: Program) -> bool:
    """Whether NaNs are canonical on every target of the file."""
    header = program.header
    settings = [target.settings for target in header.targets] or [header.settings]
    return all(CANONICAL in words for words in settings)


def _interpreted_answer(outcomes: Outcomes, row: int, command: Command, exact: bool) -> Answer:
    actual = observe(outcomes, row)
    if actual.status is Status.HUNG:  # a limit of the interpreter refutes nothing
        return skipped(f"the interpreter gave up: {actual.detail or 'too many instructions'}")
    return judge(command.expectation, actual, exact_nans=exact)
