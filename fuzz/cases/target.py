"""What a case is compiled for on an ISA; compiling and running it with all that it says of that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from backend.cranelift.compiler import Compiled, Functions, Target
from backend.emulator.executor import Executor
from backend.emulator.image import Program
from clif.outcome import Outcomes
from fuzz.cases.case import Case, ExtraCheck, effective_settings, settings_on


@lru_cache(maxsize=256)  # bounded, because most combinations of settings occur once
def _target(
    isa: str, settings: tuple[tuple[str, str], ...], flags: tuple[tuple[str, str], ...]
) -> Target:
    return Target(isa, settings, flags)


def target_of(case: Case, isa: str) -> Target:
    """Return the target that a case is compiled for on an ISA."""
    settings = tuple(sorted(effective_settings(case, isa).items()))
    return _target(isa, settings, tuple(sorted(case.isa_settings.get(isa, {}).items())))


def compile_case(
    case: Case, isa: str, functions: Functions, *, clif: bool = False
) -> list[Compiled]:
    """Compile a case with the linked Cranelift.

    Args:
        functions: those of the case, as they were read, or others instead of them.
        clif: keep the optimised CLIF. It is kept anyway if the case asks for labels.

    Raises:
        UnsupportedError, VerifierError, CompileError, CompilerPanic, SettingsError: as
            ``Functions.compile`` raises them.
    """
    target = target_of(case, isa)
    labels = ExtraCheck.LABELS in case.checks
    return target.compile(
        functions,
        clif=clif or labels,
        chaos=case.chaos,
        inlining=case.inlining,
        labels=labels,
    )


def optimize_case(case: Case, isa: str, functions: Functions) -> list[str]:
    """Return the CLIF of functions after Cranelift's mid-end, with all that the case says of it.

    Raises:
        VerifierError, CompileError, CompilerPanic: as ``Functions.optimize`` raises them.
    """
    target = target_of(case, isa)
    return target.optimize(functions, chaos=case.chaos, inlining=case.inlining)


def run_case(
    case: Case,
    isa: str,
    program: Program,
    executor: Executor,
    *,
    rows: Sequence[int] | None = None,
    predicted_traps: Sequence[int] = (),
    left_out: Sequence[int] = (),
    guard_padding: bool = False,
) -> Outcomes:
    """Run what a case was compiled to.

    Args:
        rows: the inputs; None for all.
        predicted_traps, left_out, guard_padding: as for ``Executor.run``.

    Raises:
        Others: as ``Executor.run``.
    """
    return executor.run(
        program,
        case.main.signature,
        case.inputs if rows is None else case.inputs.select(rows),
        predicted_traps=predicted_traps,
        left_out=left_out,
        entry=case.main.name,
        settings=settings_on(case, isa),
        guard_padding=guard_padding,
    )
