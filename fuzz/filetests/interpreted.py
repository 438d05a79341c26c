"""Runs run commands in the reference interpreter."""

from __future__ import annotations

import interp
from clif.function import Function, format_name
from clif.outcome import Outcomes, Status
from fuzz.cases.compare import Observed, observe
from fuzz.differential.oracle import DEFAULT_FUEL
from fuzz.filetests.filetest import (
    Filetest,
    FiletestCommand,
    inputs_of,
    involved,
    misguided,
    open_outcome,
    undefined_names,
)
from fuzz.filetests.results import (
    CANONICAL,
    CommandResult,
    CommandStatus,
    check_result,
    failed,
    makes_nondeterministic_nans,
    missing_part,
    skipped,
)


def interpret(
    filetest: Filetest, name: str, commands: list[FiletestCommand]
) -> list[CommandResult]:
    """Run commands of one function in the interpreter.

    Returns:
        A result for each command, in order.
    """
    if not filetest.header.fits_the_interpreter:
        return [skipped(filetest.header.foreign_reason())] * len(commands)
    functions = involved(filetest, name)
    obstacle = _obstacle(filetest, functions)
    if obstacle is not None:
        return [obstacle] * len(commands)
    try:
        outcomes = _interpret(filetest, functions, commands)
    except interp.Unsupported as error:
        if len(commands) == 1:
            return [skipped(f"no meaning in the interpreter: {error}")]
        # Some inputs may not reach what is unsupported, so run each by itself.
        return [result for c in commands for result in interpret(filetest, name, [c])]
    canonical, order = _canonical(filetest), filetest.header.byte_order
    exact = canonical or not makes_nondeterministic_nans(functions)
    missing = undefined_names(filetest, functions)
    found = []
    for row, command in enumerate(commands):
        actual = observe(outcomes, row)
        result = check_result(command.expectation, actual, exact_nans=exact)
        if result.status is CommandStatus.FAILED:
            excuse = (
                _limit(actual)
                or missing_part(actual, *missing)
                or open_outcome(
                    functions, command, actual, canonical_nans=canonical, byte_order=order
                )
                or misguided(functions, command, actual, canonical_nans=canonical, byte_order=order)
            )
            result = skipped(excuse) if excuse else result
        found.append(result)
    return found


def _obstacle(filetest: Filetest, functions: list[Function]) -> CommandResult | None:
    """Return why the functions cannot be interpreted; None if they can."""
    for function in functions:
        if function.name in filetest.refused:
            return skipped(f"{format_name(function.name)}: {filetest.refused[function.name]}")
        if function.name in filetest.invalid:
            message = " ".join(filetest.invalid[function.name].split())
            return failed(f"the verifier refuses {format_name(function.name)}: {message}")
    return None


def _interpret(
    filetest: Filetest, functions: list[Function], commands: list[FiletestCommand]
) -> Outcomes:
    options = interp.RunOptions(
        canonical_nans=_canonical(filetest),
        fuel=DEFAULT_FUEL,
        byte_order=filetest.header.byte_order,
    )
    return interp.run(functions, inputs_of(functions[0], commands), options)


def _canonical(filetest: Filetest) -> bool:
    """Return whether NaNs are canonical on every target of the file."""
    header = filetest.header
    settings = [target.settings for target in header.targets] or [header.settings]
    return all(CANONICAL in words for words in settings)


def _limit(actual: Observed) -> str:
    """Return the interpreter's limit that ended a run; reaching it is no failure."""
    if actual.status is not Status.HUNG:
        return ""
    return f"the interpreter gave up: {actual.detail or 'too many instructions'}"
