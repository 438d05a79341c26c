"""Run commands through compiled code in the emulator."""

from __future__ import annotations

from collections.abc import Sequence
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
from backend.emulator.convention import ConventionError
from backend.emulator.driver import SignatureError
from backend.emulator.guest_memory import STACK_SIZE
from backend.emulator.isa import UnemulatedFlagError
from backend.emulator.linker import LinkError
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.function import Function
from clif.outcome import Status
from fuzz.cases.compare import Observed, observe
from fuzz.differential.diagnosis import breaks_the_abi, wrong_forms
from fuzz.filetests.answer import (
    CANONICAL,
    Answer,
    Result,
    failed,
    judge,
    makes_open_nans,
    missing_part,
    skipped,
    worst,
)
from fuzz.filetests.header import TargetSpec
from fuzz.filetests.program import (
    Command,
    Program,
    Translation,
    inputs_of,
    involved,
    not_in_the_file,
)

#: What driver and thunk, and the callees' small change, may take of the stack.
_STACK_RESERVE: Final = 16 << 10


def emulated(program: Program, isa: str, name: str, commands: list[Command]) -> list[Answer]:
    """The answers to run commands of one function, in order.

    Every target line of the ISA counts; a command fails if it fails with one of them.
    """
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
        for function in involved(program, name):
            # Cranelift panics on those of other ISAs.
            ISAS[isa].convention(function.signature.call_conv)
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
    functions = involved(program, name)
    outcomes = executor_for(isa).run(
        code,
        function.signature,
        inputs_of(function, commands),
        entry=name,
        settings=dict(spec.settings) | dict(spec.flags),
    )
    exact = CANONICAL in spec.settings or not makes_open_nans(functions)
    found = []
    for row, command in enumerate(commands):
        actual = observe(outcomes, row)
        answer = judge(command.expectation, actual, str(spec), exact_nans=exact)
        if answer.result is Result.FAILED:
            excuse = _excuse(program, functions, isa, code, actual)
            answer = skipped(excuse, str(spec)) if excuse else answer
        found.append(answer)
    return found


def _excuse(
    program: Program,
    functions: Sequence[Function],
    isa: str,
    code: Sequence[Compiled],
    actual: Observed,
) -> str:
    """Why a failure is not the compiled code's, empty where it is."""
    if breaks_the_abi(actual):
        return ""
    faults = wrong_forms(isa, code)
    if faults:
        return f"known fault of the emulator: {' '.join(fault.name for fault in faults)}"
    used = sum(function.frame_size or 0 for function in code)
    if actual.status is Status.VIOLATED and used > STACK_SIZE - _STACK_RESERVE:
        return f"needs more stack than the emulated {STACK_SIZE >> 10} KiB"
    return missing_part(actual, *not_in_the_file(program, functions))
