"""Runs run commands as compiled code in the emulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from backend.cranelift.compiler import (
    Compiled,
    CompileError,
    CompilerPanic,
    SettingsError,
    Target,
    UnsupportedError,
    VerifierError,
)
from backend.cranelift.panic_place import panic_location
from backend.cranelift.time_limit import CompileTimeoutError
from backend.emulator.convention import ConventionError
from backend.emulator.emulator_faults import EmulatorFault
from backend.emulator.executor import NOT_EXECUTABLE
from backend.isa.executors import executor_for, executor_on
from backend.isa.registry import ISAS
from clif.function import Function, format_name
from fuzz.cases.compare import Observed, observe
from fuzz.cases.file_header import TargetSpec
from fuzz.differential.diagnosis import breaks_the_abi, refusal, wrong_forms
from fuzz.differential.second_engine import another_engine
from fuzz.filetests.filetest import (
    Filetest,
    FiletestCommand,
    NotCompiled,
    Translation,
    inputs_of,
    involved,
    misguided,
    open_outcome,
    undefined_names,
)
from fuzz.filetests.known import known_refusal, known_wrong_code
from fuzz.filetests.results import (
    CANONICAL,
    CommandResult,
    CommandStatus,
    check_result,
    combine,
    failed,
    makes_nondeterministic_nans,
    missing_part,
    skipped,
)

#: The phases of compiling that files do not ask for which only optimise.
_GENERATING: Final = ("lower", "regalloc", "emit")


def emulate(
    filetest: Filetest, isa: str, name: str, commands: list[FiletestCommand]
) -> list[CommandResult]:
    """Run commands of one function on an ISA, with each of the file's target lines for it.

    Returns:
        A result for each command, in order; failed if it failed with one of the target lines.
    """
    specs = filetest.header.targets_of(isa)
    if not specs:
        return [skipped(filetest.header.foreign_reason())] * len(commands)
    columns = [_on_target(filetest, spec, isa, name, commands) for spec in specs]
    return [combine(column) for column in zip(*columns, strict=True)]


def _on_target(
    filetest: Filetest, spec: TargetSpec, isa: str, name: str, commands: list[FiletestCommand]
) -> list[CommandResult]:
    result: CommandResult
    try:
        ISAS[isa].refuse_unemulated(dict(spec.flags))
        for function in involved(filetest, name):
            # Cranelift panics on calling conventions of other ISAs.
            ISAS[isa].convention(function.signature.call_conv)
        target = _target(spec, isa)
        closure = _closure(filetest.translations(target), name)
        if isinstance(closure, list):
            return _emulate(filetest, spec, isa, name, commands, closure)
        result = _failure(closure, spec, isa, involved(filetest, name))
    except NOT_EXECUTABLE as error:
        result = skipped(str(error), str(spec))
    except SettingsError as error:
        result = failed(str(error), str(spec))
    except (VerifierError, CompileError, CompilerPanic) as error:
        # The driver that calls the function does not compile either.
        result = _not_compiled(isa, involved(filetest, name), error, str(spec))
    return [result] * len(commands)


def _settings(spec: TargetSpec, isa: str) -> dict[str, str]:
    """Return the shared settings of a target line, and those that all cases have on the ISA."""
    return dict(ISAS[isa].settings) | dict(spec.settings)


def _target(spec: TargetSpec, isa: str) -> Target:
    return Target.of(isa, _settings(spec, isa), dict(spec.flags))


def compile_only(filetest: Filetest, isa: str, name: str) -> CommandResult:
    """Compile a function with each of the file's target lines for an ISA, without running it.

    Returns:
        Failed if the compiler panics, or refuses the function for another reason than a missing
        instruction; skipped if there is such a reason, or no target line for the ISA.
    """
    specs = filetest.header.targets_of(isa)
    if not specs:
        return skipped(filetest.header.foreign_reason())
    return combine([_compiled_for(filetest, spec, isa, name) for spec in specs])


def _compiled_for(filetest: Filetest, spec: TargetSpec, isa: str, name: str) -> CommandResult:
    target = _target(spec, isa)
    try:
        # Cranelift panics on calling conventions of other ISAs.
        ISAS[isa].convention(filetest.functions[name].signature.call_conv)
        translation = filetest.translations(target)[name]
    except SettingsError as error:
        return failed(str(error), str(spec))
    except ConventionError as error:
        return skipped(str(error), str(spec))
    if isinstance(translation, Compiled):
        return CommandResult(CommandStatus.PASSED, target=str(spec))
    result = _failure(translation, spec, isa, [filetest.functions[name]])
    is_late = isinstance(translation, CompilerPanic) and translation.phase in _GENERATING
    if is_late and not filetest.header.generates_code and result.status is CommandStatus.FAILED:
        kinds = ", ".join(dict.fromkeys(filetest.header.tests))
        return skipped(f"'test {kinds}' generates no code; {result.reason}", str(spec))
    return result


def _failure(
    error: NotCompiled,
    spec: TargetSpec,
    isa: str,
    functions: Sequence[Function],
) -> CommandResult:
    """Return the result of functions that do not compile, with what is known about that."""
    result = _not_compiled(isa, functions, error, str(spec))
    if result.status is CommandStatus.SKIPPED or isinstance(error, CompileTimeoutError):
        return result
    known = known_refusal(functions, isa, dict(spec.settings), dict(spec.flags), error)
    return _annotated(result, known)


def _annotated(result: CommandResult, known: str) -> CommandResult:
    return replace(result, reason=f"{result.reason} ({known})") if known else result


def _closure(translations: dict[str, Translation], name: str) -> list[Compiled] | NotCompiled:
    """Return the code of a function and of all that it refers to, or the first compile error."""
    closure: dict[str, Compiled] = {}
    todo = [name]
    while todo:
        translation = translations[todo.pop()]
        if not isinstance(translation, Compiled):
            return translation
        closure[translation.name] = translation
        targets = (target.removeprefix("%") for _, _, target, _ in translation.relocations)
        todo += [target for target in targets if target in translations and target not in closure]
    return list(closure.values())


def _not_compiled(
    isa: str, functions: Sequence[Function], error: NotCompiled, target: str
) -> CommandResult:
    """Return the result of functions that do not compile: skipped if that is no failure."""
    if isinstance(error, CompileTimeoutError):
        return failed(str(error), target)
    refused = refusal(isa, functions, error)
    if refused:
        return skipped(refused, target)
    message = " ".join(error.message.split())
    match error:
        case UnsupportedError():
            return skipped(f"not supported: {message}", target)
        case CompilerPanic():
            where = f"at {panic_location(error)} in {format_name(error.function)}"
            return failed(f"the compiler panicked {where}: {message}", target)
        case VerifierError():
            return failed(f"the verifier refuses {format_name(error.function)}: {message}", target)
        case _:
            return failed(f"cannot be compiled: {message}", target)


def _emulate(
    filetest: Filetest,
    spec: TargetSpec,
    isa: str,
    name: str,
    commands: list[FiletestCommand],
    code: Sequence[Compiled],
) -> list[CommandResult]:
    function = filetest.functions[name]
    functions = involved(filetest, name)
    # Code that holds a form which the engine gets wrong is run on another one, if there is one.
    engine = another_engine(isa, code, dict(spec.flags)) if wrong_forms(isa, code) else ""
    executor = executor_on(isa, engine) if engine else executor_for(isa)
    outcomes = executor.run(
        code,
        function.signature,
        inputs_of(function, commands),
        entry=name,
        settings=_settings(spec, isa) | dict(spec.flags),
    )
    exact = CANONICAL in spec.settings or not makes_nondeterministic_nans(functions)
    found = []
    for row, command in enumerate(commands):
        actual = observe(outcomes, row)
        result = check_result(command.expectation, actual, str(spec), exact_nans=exact)
        if result.status is CommandStatus.FAILED:
            canonical, order = CANONICAL in spec.settings, ISAS[isa].byte_order
            excuse = (
                _excuse(filetest, functions, [] if engine else wrong_forms(isa, code), actual)
                or open_outcome(
                    functions, command, actual, canonical_nans=canonical, byte_order=order
                )
                or misguided(functions, command, actual, canonical_nans=canonical, byte_order=order)
            )
            known = known_wrong_code(functions, isa, dict(spec.settings), dict(spec.flags))
            result = skipped(excuse, str(spec)) if excuse else _annotated(result, known)
        found.append(result)
    return found


def _excuse(
    filetest: Filetest,
    functions: Sequence[Function],
    faults: Sequence[EmulatorFault],
    actual: Observed,
) -> str:
    """Return why a failure is not a fault of the compiled code; empty if it may be one.

    Args:
        faults: what the engine that ran the code may have got wrong.
    """
    if breaks_the_abi(actual):
        return ""
    if faults:
        return f"known fault of the emulator: {' '.join(fault.name for fault in faults)}"
    return missing_part(actual, *undefined_names(filetest, functions))
