"""Faults as a faulty compiler would have them: wherever the shape turns up that they spoil.

A fault of the registry strikes at one place that it draws. To be found in cases of any size, a
fault must be a property of the compiler instead: it strikes at every place of one kind, perhaps on
one ISA or with certain settings alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    VerifierError,
)
from backend.emulator.linker import Compiled as Code
from backend.emulator.linker import CompiledCode
from clif.function import Inst
from clif.outcome import Outcomes
from clif.place import Place
from clif.printer import print_functions
from fuzz.cases.case import Case, effective_settings
from fuzz.differential.oracle import interpreter
from fuzz.differential.pipeline import FIRST, Injection, Pipeline, Verdict, target_of
from fuzz.differential.runner import PlainTrial, Stages
from fuzz.selfcheck.registry import all_faults
from scripts.benchmarks.breakdowns import kind_of


class _NoPlace(Exception):
    """A case has no place of the kind."""


class _Places(Random):
    """Dice that show one place after the other, those of a kind only.

    Attributes:
        kind: opcode and controlling type, as in ``iadd.i32``; empty for any.
        at: which place to show.
        count: how many there were.
    """

    def __init__(self, kind: str, at: int) -> None:
        super().__init__(0)
        self.kind = kind
        self.at = at
        self.count = 0
        self.shown = ""

    def choice(self, seq: Any) -> Any:
        found = [item for item in seq if not self.kind or _kind(item) in ("", self.kind)]
        self.count = len(found)
        if self.at >= len(found):
            raise _NoPlace
        self.shown = _kind(found[self.at])
        return found[self.at]


def _kind(item: object) -> str:
    """The kind of what a fault chooses from: places, or tuples with one in it."""
    parts = item if isinstance(item, tuple) else (item,)
    for part in parts:
        inst = part.inst if isinstance(part, Place) else part
        if isinstance(inst, Inst):
            return kind_of(inst)
    return ""


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault of the registry, made a property of what executes cases.

    Attributes:
        fault: its name.
        kind: opcode and type of the places where it strikes; empty for all.
        isa: the ISA that has it; empty for all, ``interp`` for the reference interpreter.
        settings: shared settings with which alone it strikes.
        flag: an ISA flag that keeps it away.
    """

    fault: str
    kind: str = ""
    isa: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    flag: str = ""

    def __str__(self) -> str:
        words = [self.fault, self.kind, self.isa, *(f"{n}={v}" for n, v in self.settings)]
        return " ".join(filter(None, [*words, f"not {self.flag}" * bool(self.flag)]))

    def strikes(self, case: Case, isa: str) -> bool:
        settings = effective_settings(case)
        return (
            self.isa in ("", isa)
            and all(settings.get(name) == value for name, value in self.settings)
            and case.isa_settings.get(isa, {}).get(self.flag) != "true"
        )

    def spoil(self, case: Case) -> Injection | None:
        """The injection for one case; None where there is no place for it."""
        fault = all_faults()[self.fault]
        spoilt, at = case, 0
        injection = None
        # From the last place to the first one: what is changed below moves none above.
        count = _count(self.fault, case, self.kind)
        for at in reversed(range(count)):
            try:
                found = fault.inject(spoilt, _Places(self.kind, at))
            except _NoPlace:
                continue
            if found is None:
                continue
            injection = found
            if found.functions is None:
                return found  # of machine code: it is the same wherever it is
            spoilt = _with_functions(case, found)
        return injection


def _count(fault: str, case: Case, kind: str) -> int:
    dice = _Places(kind, 0)
    try:
        found = all_faults()[fault].inject(case, dice)
    except _NoPlace:
        return 0
    return max(dice.count, 1) if found is not None else 0


def kinds(fault: str, case: Case) -> list[str]:
    """The kinds of the places where a fault could strike in a case, each once."""
    found: dict[str, None] = {}
    for at in range(_count(fault, case, "")):
        dice = _Places("", at)
        try:
            if all_faults()[fault].inject(case, dice) is not None:
                found.setdefault(dice.shown)
        except _NoPlace:
            continue
    return list(found)


def _with_functions(case: Case, injection: Injection) -> Case:
    assert injection.functions is not None
    return Case(
        injection.functions(case.functions),
        case.inputs,
        case.settings,
        case.isa_settings,
        case.trapping,
        case.chaos,
        case.origin,
        case.isas,
    )


@dataclass(slots=True)
class PlantedTrial:
    """Tries cases with a fault planted (``fuzz.differential.runner.Trial``)."""

    planted: Planted
    plain: PlainTrial = field(default_factory=PlainTrial)

    def __call__(
        self, case: Case, isas: Sequence[str], *, second: bool = False, stages: Stages | None = None
    ) -> Verdict:
        pipeline = self.plain.pipeline(isas, second=second, stages=stages)
        injection = self.planted.spoil(case)
        if injection is None:
            return pipeline.check(case)
        if self.planted.isa == FIRST:
            return self._with_faulty_oracle(pipeline, case, injection)
        if not (self.planted.isa or self.planted.settings or self.planted.flag):
            return pipeline.check(case, injection)
        return pipeline.check(case, self._for_isas(case, injection))

    def _for_isas(self, case: Case, injection: Injection) -> Injection:
        """The injection on those ISAs only that have the fault."""

        def code(isa: str, compiled: Sequence[CompiledCode]) -> Sequence[Code]:
            if not self.planted.strikes(case, isa):
                return compiled
            if injection.code is not None:
                return injection.code(isa, compiled)
            text = print_functions(_with_functions(case, injection).functions)
            try:
                return target_of(case, isa).compile(Functions(text), chaos=case.chaos)
            except (CompileError, CompilerPanic, VerifierError):
                return compiled  # what is spoilt there cannot be compiled: the fault has no place

        return Injection(code=code)

    def _with_faulty_oracle(self, pipeline: Pipeline, case: Case, injection: Injection) -> Verdict:
        def oracle(case: Case, fuel: int) -> Outcomes:
            return interpreter(_with_functions(case, injection), fuel)

        pipeline.oracle = oracle
        try:
            return pipeline.check(case)
        finally:
            pipeline.oracle = interpreter
