"""The executors of run commands: all commands of one function in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import interp
from backend.cranelift import (
    Compiled,
    CompileError,
    CompilerPanic,
    SettingsError,
    Target,
    UnsupportedError,
    VerifierError,
)
from backend.driver import SignatureError
from backend.executor import executor_for
from backend.link import LinkError
from backend.target import ISAS, ConventionError, UnemulatedFlagError
from clif.function import Function
from clif.outcome import Outcomes, Status
from fuzz.casefile import reachable
from fuzz.check.answer import Answer, Result, failed, judge, makes_open_nans, skipped, worst
from fuzz.check.header import TargetSpec
from fuzz.check.program import Command, Program, Translation, inputs_of
from fuzz.compare import observe
from fuzz.diagnosis import breaks_the_abi, wrong_forms
from fuzz.oracle import DEFAULT_FUEL

_CANONICAL: Final = ("enable_nan_canonicalization", "true")


def answers(program: Program, executor: str, name: str) -> list[Answer]:
    """The answers to all run commands of a function, in order.

    ``executor`` is ``interp`` or the name of an emulated ISA.
    """
    commands = program.commands[name]
    common = _common_reason(program, name)
    if common is not None:
        return [common] * len(commands)
    if executor == "interp":
        return _interpreted(program, name, commands)
    return _emulated(program, executor, name, commands)


def _common_reason(program: Program, name: str) -> Answer | None:
    """Why nobody can carry out the commands of a function."""
    header = program.header
    if not header.runs:
        kinds = ", ".join(dict.fromkeys(header.tests))
        return skipped(f"run commands mean nothing to 'test {kinds}'")
    if program.features:
        return skipped(f"needs Cargo features of Cranelift: {', '.join(program.features)}")
    reason = program.why_not_called(name)
    if reason:
        return skipped(reason)
    for function in _involved(program, name):
        if function.name in program.invalid:
            message = " ".join(program.invalid[function.name].split())
            return failed(f"the verifier refuses %{function.name}: {message}")
    return None


def _involved(program: Program, name: str) -> list[Function]:
    main = program.functions[name]
    others = [function for function in program.functions.values() if function is not main]
    return [main, *reachable(main, others)]


# --- the interpreter ---


def _interpreted(program: Program, name: str, commands: list[Command]) -> list[Answer]:
    if not program.header.fits_the_interpreter:
        names = ", ".join(dict.fromkeys(t.name for t in program.header.targets))
        return [skipped(f"only for {names}, whose memory may differ")] * len(commands)
    functions = _involved(program, name)
    for function in functions:
        if function.name in program.refused:
            return [skipped(f"%{function.name}: {program.refused[function.name]}")] * len(commands)
    try:
        outcomes = _interpret(program, functions, commands)
    except interp.Unsupported as error:
        if len(commands) == 1:
            return [skipped(f"no meaning in the interpreter: {error}")]
        # One input may go where others do not.
        return [answer for c in commands for answer in _interpreted(program, name, [c])]
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
    return all(_CANONICAL in words for words in settings)


def _interpreted_answer(outcomes: Outcomes, row: int, command: Command, exact: bool) -> Answer:
    actual = observe(outcomes, row)
    if actual.status is Status.HUNG:  # a limit of the interpreter refutes nothing
        return skipped(f"the interpreter gave up: {actual.detail or 'too many instructions'}")
    return judge(command.expectation, actual, exact_nans=exact)


# --- emulated ISAs ---


def _emulated(program: Program, isa: str, name: str, commands: list[Command]) -> list[Answer]:
    """Every target line of the ISA counts; a command fails if it fails with one of them."""
    tests, targets = program.header.tests, program.header.targets
    if tests and "run" not in tests:
        return [skipped("no 'test run' line")] * len(commands)
    specs = [spec for spec in targets if spec.architecture == isa]
    if not targets:
        specs = [TargetSpec(isa, settings=program.header.settings)]
    if not specs:
        names = ", ".join(dict.fromkeys(spec.name for spec in targets))
        return [skipped(f"only for {names}")] * len(commands)
    columns = [_on_target(program, spec, isa, name, commands) for spec in dict.fromkeys(specs)]
    return [worst(column) for column in zip(*columns, strict=True)]


def _on_target(
    program: Program, spec: TargetSpec, isa: str, name: str, commands: list[Command]
) -> list[Answer]:
    answer: Answer
    try:
        if spec.other_system:
            return [skipped("a platform whose conventions are not emulated", str(spec))] * len(
                commands
            )
        ISAS[isa].refuse_unemulated(dict(spec.flags))
        target = Target.of(isa, dict(spec.settings), dict(spec.flags))
        closure = _closure(program.translations(target), name)
        if isinstance(closure, list):
            return _emulate(program, spec, isa, name, commands, closure)
        answer = _not_compiled(closure, str(spec))
    except (LinkError, SignatureError, ConventionError, UnemulatedFlagError) as error:
        answer = skipped(str(error), str(spec))
    except SettingsError as error:
        answer = failed(str(error), str(spec))
    except (VerifierError, CompileError, CompilerPanic) as error:
        # Of the driver that calls the function: such a call cannot be compiled either.
        answer = _not_compiled(error, str(spec))
    return [answer] * len(commands)


def _closure(
    translations: dict[str, Translation], name: str
) -> list[Compiled] | VerifierError | CompileError | CompilerPanic:
    """The code of a function and of all that its code refers to, or what came in the way."""
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


def _not_compiled(error: VerifierError | CompileError | CompilerPanic, target: str) -> Answer:
    message = " ".join(error.message.split())
    match error:
        case UnsupportedError():
            return skipped(f"not supported: {message}", target)
        case CompilerPanic():
            where = f"at {error.location} in %{error.function}"
            return failed(f"the compiler panicked {where}: {message}", target)
        case VerifierError():
            return failed(f"the verifier refuses %{error.function}: {message}", target)
        case _:
            return failed(f"cannot be compiled: {message}", target)


def _emulate(
    program: Program,
    spec: TargetSpec,
    isa: str,
    name: str,
    commands: list[Command],
    code: Sequence[Compiled],
) -> list[Answer]:
    function = program.functions[name]
    outcomes = executor_for(isa).run(
        code,
        function.signature,
        inputs_of(function, commands),
        entry=name,
        settings=dict(spec.settings) | dict(spec.flags),
    )
    exact = _CANONICAL in spec.settings or not makes_open_nans(_involved(program, name))
    found = []
    for row, command in enumerate(commands):
        actual = observe(outcomes, row)
        answer = judge(command.expectation, actual, str(spec), exact_nans=exact)
        if answer.result is Result.FAILED and not breaks_the_abi(actual):
            faults = wrong_forms(isa, code)
            if faults:
                answer = skipped(f"known fault of the emulator: {' '.join(faults)}", str(spec))
        found.append(answer)
    return found
