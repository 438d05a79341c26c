"""One case through everything: print, read, compile per ISA, execute, compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import process_time_ns

import numpy as np

from backend.cranelift import (
    Compiled,
    CompilerPanic,
    Functions,
    ReadError,
    Target,
    UnsupportedError,
)
from backend.driver import SignatureError
from backend.executor import executor_for
from backend.link import Compiled as Code
from backend.link import LinkError
from backend.regions import RegionError
from backend.target import ConventionError, UnemulatedFlagError
from clif.function import Function
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz import diagnosis
from fuzz.case import Case, effective_settings, has_canonical_nans
from fuzz.compare import Difference, compare
from fuzz.finding import Finding
from fuzz.known import recognise
from fuzz.oracle import DEFAULT_FUEL, Oracle, OracleError, interpreter
from fuzz.statistics import Stage

#: What an executor raises for code that it cannot run, or not rightly.
_NOT_EXECUTABLE = (LinkError, SignatureError, RegionError, ConventionError, UnemulatedFlagError)


@dataclass(frozen=True, slots=True)
class Injection:
    """Faults put between oracle and executor, to prove that they are seen (``fuzz.selfcheck``).

    Attributes:
        functions: what is compiled instead of the case's functions.
        code: what is executed instead of the compiled code of an ISA.
    """

    functions: Callable[[list[Function]], list[Function]] | None = None
    code: Callable[[str, Sequence[Compiled]], Sequence[Code]] | None = None


NO_INJECTION = Injection()


@dataclass(slots=True)
class IsaRun:
    """What one ISA made of a case. ``outcomes`` is None where it did not come to executing."""

    isa: str
    compiled: list[Compiled] = field(default_factory=list)
    outcomes: Outcomes | None = None
    differences: list[Difference] = field(default_factory=list)
    live_instructions: int = 0
    compile_ns: int = 0
    emulate_ns: int = 0


@dataclass(slots=True)
class Verdict:
    """What came of a case.

    Attributes:
        findings: faults, of which one file each is worth keeping.
        rejected: reasons for which something could not read, interpret or compile the case.
        expected: the oracle's outcomes, None where it has none.
        runs: by ISA, in the order of the pipeline's ISAs, of those that the case is for.
        executions: inputs that were run on an ISA and compared in full.
        hangs: inputs that the oracle stopped. Nothing is executed then.
        stage_ns: CPU time by ``Stage``.
    """

    findings: list[Finding] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    expected: Outcomes | None = None
    runs: list[IsaRun] = field(default_factory=list)
    executions: int = 0
    hangs: int = 0
    stage_ns: list[int] = field(default_factory=lambda: [0] * len(Stage))


@lru_cache(maxsize=256)  # settings are drawn freely: few come twice
def _target(
    isa: str, settings: tuple[tuple[str, str], ...], flags: tuple[tuple[str, str], ...]
) -> Target:
    return Target(isa, settings, flags)


def target_of(case: Case, isa: str) -> Target:
    """The target that a case is compiled for on an ISA."""
    settings = tuple(sorted(effective_settings(case).items()))
    return _target(isa, settings, tuple(sorted(case.isa_settings.get(isa, {}).items())))


class Pipeline:
    """Checks cases on a fixed set of ISAs.

    Args:
        isas: names of the ISAs, each with an emulated CPU.
        oracle: whose outcomes count as right.
        on_stage: is told of each stage before it begins, so that whoever supervises this process
            knows what it died of.
    """

    def __init__(
        self,
        isas: Sequence[str],
        *,
        oracle: Oracle = interpreter,
        fuel: int = DEFAULT_FUEL,
        on_stage: Callable[[Stage], None] | None = None,
    ) -> None:
        self.isas = tuple(isas)
        self.oracle = oracle
        self.fuel = fuel
        self.on_stage = on_stage
        self._executors = {isa: executor_for(isa) for isa in self.isas}

    def check(self, case: Case, injection: Injection = NO_INJECTION) -> Verdict:
        """Takes one case through all stages. Raises SettingsError for settings that no ISA has."""
        verdict = Verdict()
        functions = self._read(case, injection, verdict)
        if functions is None or not self._interpret(case, verdict):
            return verdict
        for isa in filter(case.is_for, self.isas):
            run = IsaRun(isa)
            verdict.runs.append(run)
            if self._compile(case, functions, run, verdict):
                self._execute(case, injection, run, verdict)
        return verdict

    def _begin(self, stage: Stage) -> int:
        if self.on_stage is not None:
            self.on_stage(stage)
        return process_time_ns()

    def _read(self, case: Case, injection: Injection, verdict: Verdict) -> Functions | None:
        start = self._begin(Stage.PRINT)
        compiled = case.functions
        if injection.functions is not None:
            compiled = injection.functions(compiled)
        text = print_functions(compiled)
        printed = self._begin(Stage.READ)
        verdict.stage_ns[Stage.PRINT] += printed - start
        try:
            return Functions(text)
        except ReadError as error:
            verdict.rejected.append(f"read: {getattr(error, 'message', error)}")
        except CompilerPanic as panic:
            verdict.findings.append(diagnosis.compiler_failure("", panic))
        finally:
            verdict.stage_ns[Stage.READ] += process_time_ns() - printed
        return None

    def _interpret(self, case: Case, verdict: Verdict) -> bool:
        """Asks the oracle; whether there is something to compare with."""
        start = self._begin(Stage.INTERPRET)
        try:
            verdict.expected = self.oracle(case, self.fuel)
        except OracleError as error:
            verdict.rejected.append(f"oracle: {error}")
            return False
        finally:
            verdict.stage_ns[Stage.INTERPRET] += process_time_ns() - start
        verdict.hangs = int(np.count_nonzero(verdict.expected.status == Status.HUNG))
        return verdict.hangs == 0

    def _compile(self, case: Case, functions: Functions, run: IsaRun, verdict: Verdict) -> bool:
        start = self._begin(Stage.COMPILE)
        try:
            run.compiled = target_of(case, run.isa).compile(functions, chaos=case.chaos)
            run.live_instructions = sum(code.instructions for code in run.compiled)
            return True
        except UnsupportedError as error:
            match diagnosis.unsupported(case, run.isa, error):
                case Finding() as finding:
                    verdict.findings.append(recognise(finding, case.functions))
                case reason:
                    verdict.rejected.append(reason)
        except diagnosis.COMPILER_FAILURES as error:
            finding = diagnosis.compiler_failure(run.isa, error)
            verdict.findings.append(recognise(finding, case.functions))
        finally:
            run.compile_ns = process_time_ns() - start
            verdict.stage_ns[Stage.COMPILE] += run.compile_ns
        return False

    def _execute(self, case: Case, injection: Injection, run: IsaRun, verdict: Verdict) -> None:
        assert verdict.expected is not None
        code: Sequence[Code] = run.compiled
        if injection.code is not None:
            code = injection.code(run.isa, run.compiled)
        start = self._begin(Stage.EMULATE)
        try:
            run.outcomes = self._outcomes(case, run, code, verdict.expected)
        except _NOT_EXECUTABLE as error:
            verdict.rejected.append(f"{run.isa}: {str(error).removeprefix(f'{run.isa}: ')}")
        except diagnosis.COMPILER_FAILURES as error:  # of the driver that calls main
            verdict.findings.append(diagnosis.compiler_failure(run.isa, error))
        run.emulate_ns = process_time_ns() - start
        verdict.stage_ns[Stage.EMULATE] += run.emulate_ns
        if run.outcomes is not None:
            self._compare(case, run, code, verdict)

    def _outcomes(
        self, case: Case, run: IsaRun, code: Sequence[Code], expected: Outcomes, slack: bool = False
    ) -> Outcomes:
        return self._executors[run.isa].run(
            code,
            case.main.signature,
            case.inputs,
            predicted_traps=tuple(expected.traps),
            entry=case.main.name,
            settings=effective_settings(case) | case.isa_settings.get(run.isa, {}),
            slack=slack,
        )

    def _compare(self, case: Case, run: IsaRun, code: Sequence[Code], verdict: Verdict) -> None:
        assert verdict.expected is not None
        assert run.outcomes is not None
        start = self._begin(Stage.COMPARE)
        canonical = has_canonical_nans(case)
        run.differences = compare(verdict.expected, run.outcomes, canonical_nans=canonical)
        if run.differences:
            verdict.findings.append(self._diagnose(case, run, code, verdict.expected))
        verdict.executions += case.inputs.count
        verdict.stage_ns[Stage.COMPARE] += process_time_ns() - start

    def _diagnose(
        self, case: Case, run: IsaRun, code: Sequence[Code], expected: Outcomes
    ) -> Finding:
        """Whose fault the differences are. A false fault is proved: with room it does not occur."""
        false_faults = diagnosis.false_faults(run.isa, run.compiled)
        if false_faults:
            roomy = self._outcomes(case, run, code, expected, slack=True)
            remaining = compare(expected, roomy, canonical_nans=has_canonical_nans(case))
            if not remaining:
                return diagnosis.emulator_fault(case, run.isa, false_faults, run.differences)
            run.outcomes, run.differences = roomy, remaining
        return diagnosis.difference(case, run.isa, run.compiled, run.differences)
