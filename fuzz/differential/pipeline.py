"""One case through everything: print, read, compile per ISA, execute, compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from time import process_time_ns

import numpy as np

from backend.cranelift.compiler import (
    CompilerPanic,
    Functions,
    ReadError,
    Target,
    UnsupportedError,
)
from backend.cranelift.fired_rules import FiredRules
from backend.cranelift.interpreter import NAME as SECOND
from backend.emulator.convention import ConventionError
from backend.emulator.driver import SignatureError
from backend.emulator.isa import UnemulatedFlagError
from backend.emulator.linker import Compiled as Code
from backend.emulator.linker import CompiledCode, LinkError
from backend.emulator.regions import RegionError
from backend.isa.executors import executor_for
from clif.function import Function
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz.cases.case import Case, effective_settings, has_canonical_nans
from fuzz.cases.compare import Difference, Observed, compare, observe
from fuzz.differential import diagnosis
from fuzz.differential.agreement import stands_alone_on_all
from fuzz.differential.crosscheck import CrossCheck, CrossChecker
from fuzz.differential.diagnosis import mark_known
from fuzz.differential.finding import Finding
from fuzz.differential.oracle import DEFAULT_FUEL, Oracle, OracleError, interpreter
from fuzz.differential.stage import Stage

#: What the first oracle is called where executors are.
FIRST = "interp"

#: What an executor raises for code that it cannot run, or not rightly.
NOT_EXECUTABLE = (LinkError, SignatureError, RegionError, ConventionError, UnemulatedFlagError)


@dataclass(frozen=True, slots=True)
class Injection:
    """Faults put between oracle and executor, to prove that they are seen (``fuzz.selfcheck``).

    Attributes:
        functions: what is compiled instead of the case's functions.
        code: what is executed instead of the compiled code of an ISA.
    """

    functions: Callable[[list[Function]], list[Function]] | None = None
    code: Callable[[str, Sequence[CompiledCode]], Sequence[Code]] | None = None


NO_INJECTION = Injection()


@dataclass(slots=True)
class IsaRun:
    """What one ISA made of a case.

    ``outcomes`` is None where it did not come to executing. ``fired`` are the numbers of the rules
    that fired while the case's functions were compiled, where the pipeline watches them.
    """

    isa: str
    compiled: Sequence[CompiledCode] = ()
    outcomes: Outcomes | None = None
    differences: list[Difference] = field(default_factory=list)
    live_instructions: int = 0
    fired: list[int] = field(default_factory=list)
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
        second: what the second oracle said, None where it was not asked.
        executions: inputs that were run on an ISA and compared in full.
        hangs: inputs that the oracle stopped. Nothing is executed then.
        stage_ns: CPU time by ``Stage``.
    """

    findings: list[Finding] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    expected: Outcomes | None = None
    runs: list[IsaRun] = field(default_factory=list)
    second: CrossCheck | None = None
    executions: int = 0
    hangs: int = 0
    stage_ns: list[int] = field(default_factory=lambda: [0] * len(Stage))

    def observed(self, row: int) -> dict[str, Observed]:
        """What everybody who has a say on an input saw, by name."""
        seen: dict[str, Outcomes] = {}
        if self.expected is not None:
            seen[FIRST] = self.expected
        seen |= {run.isa: run.outcomes for run in self.runs if run.outcomes is not None}
        if self.second is not None and row not in self.second.unsupported:
            seen[SECOND] = self.second.outcomes
        return {name: observe(outcomes, row) for name, outcomes in seen.items()}


@lru_cache(maxsize=256)  # settings are drawn freely: few come twice
def _target(
    isa: str, settings: tuple[tuple[str, str], ...], flags: tuple[tuple[str, str], ...]
) -> Target:
    return Target(isa, settings, flags)


def target_of(case: Case, isa: str) -> Target:
    """The target that a case is compiled for on an ISA."""
    settings = tuple(sorted(effective_settings(case).items()))
    return _target(isa, settings, tuple(sorted(case.isa_settings.get(isa, {}).items())))


def compile_case(case: Case, isa: str, functions: Functions) -> Sequence[CompiledCode]:
    """The case's code by the Cranelift that is linked; raises what ``Functions.compile`` does."""
    return target_of(case, isa).compile(functions, chaos=case.chaos)


class Pipeline:
    """Checks cases on a fixed set of ISAs.

    Args:
        isas: names of the ISAs, each with an emulated CPU.
        oracle: whose outcomes count as right.
        second: ask the second oracle as well, and say who stands alone.
        fired_rules: notes which rules fired on each ISA.
        compiler: makes the code of a case on an ISA, of the functions as they are read.
        on_stage: is told of each stage before it begins, so that whoever supervises this process
            knows what it died of.
    """

    def __init__(
        self,
        isas: Sequence[str],
        *,
        oracle: Oracle = interpreter,
        second: bool = False,
        fuel: int = DEFAULT_FUEL,
        fired_rules: FiredRules | None = None,
        compiler: Callable[[Case, str, Functions], Sequence[CompiledCode]] = compile_case,
        on_stage: Callable[[Stage], None] | None = None,
    ) -> None:
        self.isas = tuple(isas)
        self.oracle = oracle
        self.second = second
        self.fuel = fuel
        self.fired_rules = fired_rules
        self.compiler = compiler
        self.on_stage = on_stage
        self._executors = {isa: executor_for(isa) for isa in self.isas}

    def limit_seconds(self, seconds: float) -> None:
        """CPU time after which an emulation counts as hung, in place of the executors' own."""
        for executor in self._executors.values():
            executor.limit_seconds(seconds)

    def check(self, case: Case, injection: Injection = NO_INJECTION) -> Verdict:
        """Takes one case through all stages. Raises SettingsError for settings that no ISA has."""
        verdict = Verdict()
        functions = self._read(case, injection, verdict)
        if functions is None or not self._interpret(case, verdict):
            return verdict
        for isa in filter(case.is_for, self.isas):
            run = IsaRun(isa)
            verdict.runs.append(run)
            mark = self.fired_rules.mark() if self.fired_rules is not None else None
            compiled = self._compile(case, functions, run, verdict)
            if self.fired_rules is not None and mark is not None:
                run.fired = self.fired_rules.since(mark)
            if compiled:
                self._execute(case, injection, run, verdict)
        if self.second:
            self._cross_check(case, None if injection.functions else functions, verdict)
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
            run.compiled = self.compiler(case, run.isa, functions)
            run.live_instructions = sum(code.instructions for code in run.compiled)
            return True
        except UnsupportedError as error:
            match diagnosis.unsupported(case, run.isa, error):
                case Finding() as finding:
                    verdict.findings.append(mark_known(finding, case.functions))
                case reason:
                    verdict.rejected.append(reason)
        except diagnosis.COMPILER_FAILURES as error:
            finding = diagnosis.compiler_failure(run.isa, error)
            verdict.findings.append(mark_known(finding, case.functions))
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
        except NOT_EXECUTABLE as error:
            verdict.rejected.append(f"{run.isa}: {str(error).removeprefix(f'{run.isa}: ')}")
        except diagnosis.COMPILER_FAILURES as error:  # of the driver that calls main
            verdict.findings.append(diagnosis.compiler_failure(run.isa, error))
        run.emulate_ns = process_time_ns() - start
        verdict.stage_ns[Stage.EMULATE] += run.emulate_ns
        if run.outcomes is not None:
            self._compare(case, run, code, verdict)

    def _outcomes(
        self,
        case: Case,
        run: IsaRun,
        code: Sequence[Code],
        expected: Outcomes,
        guard_padding: bool = False,
    ) -> Outcomes:
        return self._executors[run.isa].run(
            code,
            case.main.signature,
            case.inputs,
            predicted_traps=tuple(expected.traps),
            entry=case.main.name,
            settings=effective_settings(case) | case.isa_settings.get(run.isa, {}),
            guard_padding=guard_padding,
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

    def _cross_check(self, case: Case, functions: Functions | None, verdict: Verdict) -> None:
        """Compares the oracles, and says who stands alone, in findings on an ISA too."""
        assert verdict.expected is not None
        start = self._begin(Stage.CROSSCHECK)
        try:
            check = CrossChecker(case, verdict.expected, self.fuel).check(functions)
        except diagnosis.COMPILER_FAILURES as error:
            verdict.findings.append(diagnosis.compiler_failure("", error))
            return
        finally:
            verdict.stage_ns[Stage.CROSSCHECK] += process_time_ns() - start
        verdict.second = check
        for faults, differences in check.known.items():
            verdict.findings.append(diagnosis.oracle_fault(case, faults, differences))
        if check.differences:
            verdict.findings.append(diagnosis.oracles_disagree(case, check.differences))
        canonical = has_canonical_nans(case)
        verdict.findings = [
            _with_who_stands_alone(finding, verdict, canonical_nans=canonical)
            for finding in verdict.findings
        ]

    def _diagnose(
        self, case: Case, run: IsaRun, code: Sequence[Code], expected: Outcomes
    ) -> Finding:
        """Whose fault the differences are. A false fault is proved: with room it does not occur."""
        spurious_faults = diagnosis.spurious_faults(run.isa, run.compiled)
        if spurious_faults:
            roomy = self._outcomes(case, run, code, expected, guard_padding=True)
            remaining = compare(expected, roomy, canonical_nans=has_canonical_nans(case))
            if not remaining:
                return diagnosis.emulator_fault(case, run.isa, spurious_faults, run.differences)
            run.outcomes, run.differences = roomy, remaining
        return diagnosis.difference(case, run.isa, run.compiled, run.differences)


def _with_who_stands_alone(finding: Finding, verdict: Verdict, *, canonical_nans: bool) -> Finding:
    """A finding of differences, with a line that says whose they are if it is one alone."""
    if finding.known or not finding.inputs:
        return finding
    alone = stands_alone_on_all(finding.inputs, verdict.observed, canonical_nans=canonical_nans)
    line = f"{alone} stands alone" if alone else "nobody stands alone"
    return replace(finding, explanation=(*finding.explanation, line))
