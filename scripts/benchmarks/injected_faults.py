"""Faults as a faulty compiler has them: they strike wherever an instruction of some kind occurs.

A fault of ``fuzz.selfcheck`` strikes at one place of a case, which is drawn. An injected fault is a
property of the compiler instead: it strikes at all places of one kind, perhaps on one ISA only, or
with certain settings only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    VerifierError,
)
from backend.emulator.linker import Compiled as Code
from backend.emulator.linker import CompiledCode
from clif.function import Function, Inst
from clif.outcome import Outcomes
from clif.printer import print_functions
from clif.uses import Place
from fuzz.cases.case import Case, effective_settings
from fuzz.cases.target import compile_case
from fuzz.differential.oracle import interpreter
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import FIRST, Verdict
from fuzz.selfcheck.registry import ClifEdit, Fault, all_faults
from scripts.benchmarks.compiler_breakdowns import kind_of


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault of selfcheck's registry, made a property of what executes cases.

    Attributes:
        fault: the fault's name.
        kind: opcode and type of the instructions at which it strikes; empty for all.
        isa: the ISA that has it; empty for all, ``interp`` for the reference interpreter.
        settings: shared settings that a case must have.
        flag: an ISA flag with which it does not strike.
    """

    fault: str
    kind: str = ""
    isa: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    flag: str = ""

    def __str__(self) -> str:
        words = [self.fault, self.kind, self.isa, *(f"{n}={v}" for n, v in self.settings)]
        return " ".join(filter(None, [*words, f"not {self.flag}" * bool(self.flag)]))

    @property
    def is_unconditional(self) -> bool:
        """Whether it strikes on all ISAs with all settings."""
        return not (self.isa or self.settings or self.flag)

    def strikes(self, case: Case, isa: str) -> bool:
        """Whether it strikes when a case is compiled for an ISA."""
        settings = effective_settings(case)
        return (
            self.isa in ("", isa)
            and all(settings.get(name) == value for name, value in self.settings)
            and case.isa_settings.get(isa, {}).get(self.flag) != "true"
        )

    def injection(self, case: Case) -> Injection | None:
        """Return the injection for a case; None if it has no place for the fault."""
        fault = all_faults()[self.fault]
        if fault.edit is None:
            return fault.inject(case, Random(0))
        functions = _edited_everywhere(fault.edit, case.functions, self.kind)
        return None if functions is None else Injection(functions=lambda _: functions)


def _edited_everywhere(
    edit: ClifEdit, functions: list[Function], kind: str
) -> list[Function] | None:
    """Apply an edit at all places of a kind, the last one first: an edit moves none above it.

    Returns:
        The edited copy; None if there is no place.
    """
    edited = [function.clone() for function in functions]
    count = len(_places(edit, edited, kind))
    for at in reversed(range(count)):
        remaining = _places(edit, edited, kind)
        if at < len(remaining):
            edit.apply(remaining[at])
    return edited if count else None


def _places(edit: ClifEdit, functions: list[Function], kind: str) -> list[object]:
    found = edit.find(functions)
    return [place for place in found if not kind or _kind_of_place(place) in ("", kind)]


def _kind_of_place(place: object) -> str:
    """Return opcode and type at a place, which may be a tuple; empty if it has no instruction."""
    parts = place if isinstance(place, tuple) else (place,)
    for part in parts:
        inst = part.inst if isinstance(part, Place) else part
        if isinstance(inst, Inst):
            return kind_of(inst)
    return ""


def kinds(fault: Fault, case: Case) -> list[str]:
    """List the kinds of instructions at which a fault can strike in a case, each once."""
    if fault.edit is None:
        return [""] if fault.inject(case, Random(0)) is not None else []
    functions = [function.clone() for function in case.functions]
    return list(dict.fromkeys(map(_kind_of_place, fault.edit.find(functions))))


class InjectedFaultRunner(CaseRunner):
    """Runs cases with a fault injected."""

    def __init__(self, injected: InjectedFault) -> None:
        super().__init__()
        self.injected = injected

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        """Take a case through a pipeline, with the fault."""
        injection = self.injected.injection(case)
        if injection is None:
            return pipeline.check(case)
        return check_injected(pipeline, case, self.injected, injection)


def check_injected(
    pipeline: Pipeline, case: Case, injected: InjectedFault, injection: Injection
) -> Verdict:
    """Take a case through a pipeline with the injection that ``injected`` made for it."""
    if injected.isa == FIRST:
        return _with_faulty_oracle(pipeline, case, injection)
    if injected.is_unconditional:
        return pipeline.check(case, injection)
    return pipeline.check(case, _conditional(injected, injection))


def _conditional(injected: InjectedFault, injection: Injection) -> Injection:
    """Make the injection strike only where the injected fault does."""

    def code(case: Case, isa: str, compiled: Sequence[CompiledCode]) -> Sequence[Code]:
        if not injected.strikes(case, isa):
            return compiled
        if injection.code is not None:
            return injection.code(case, isa, compiled)
        text = print_functions(_with_functions(case, injection).functions)
        try:
            return compile_case(case, isa, Functions(text))
        except (CompileError, CompilerPanic, VerifierError):
            return compiled  # the fault is impossible on this ISA

    return Injection(code=code)


def _with_faulty_oracle(pipeline: Pipeline, case: Case, injection: Injection) -> Verdict:
    def oracle(case: Case, fuel: int) -> Outcomes:
        return interpreter(_with_functions(case, injection), fuel)

    pipeline.oracle = oracle
    try:
        return pipeline.check(case)
    finally:
        pipeline.oracle = interpreter


def _with_functions(case: Case, injection: Injection) -> Case:
    assert injection.functions is not None
    return replace(case, functions=injection.functions(case.functions))
