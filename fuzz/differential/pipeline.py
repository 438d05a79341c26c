"""The differential pipeline: one case is printed, read, compiled, executed and compared.

A case goes through the stages of ``fuzz.differential.stage``. The functions are printed and read
once, interpreted by the oracle, and then compiled and executed in each configuration for each ISA.
A case without inputs, and one that the oracle refuses, is only compiled. What comes of it is a
``Verdict``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from backend.cranelift.compiler import (
    CompilerPanic,
    Functions,
    ReadError,
    UnsupportedError,
)
from backend.cranelift.fired_rules import FiredRules
from backend.cranelift.time_limit import CompileTimeoutError, compile_within
from backend.emulator.executor import NOT_EXECUTABLE, Executor
from backend.emulator.linker import Compiled as Code
from backend.emulator.linker import CompiledCode
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.byte_order import depends_on_byte_order
from clif.function import Function
from clif.memory_access import has_narrow_addresses
from clif.outcome import Outcomes, Status
from clif.printer import print_functions
from fuzz.cases.case import Case, ExtraCheck, has_canonical_nans, width_problem, with_flags
from fuzz.cases.compare import Difference, compare
from fuzz.cases.drawn_memory import uncallable_reason
from fuzz.cases.linked_programs import LINKED, NO_FAULTS, ModuleFaults
from fuzz.cases.target import compile_case, optimize_case, run_case, target_of
from fuzz.differential import alias_regions, diagnosis
from fuzz.differential.agreement import outlier_on_all
from fuzz.differential.byte_orders import by_byte_order, in_its_order
from fuzz.differential.collecting import check_stack_maps
from fuzz.differential.cpu_features import forbidden_features
from fuzz.differential.crosscheck import CrossChecker
from fuzz.differential.diagnosis import known_as, mark_known
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.labelling import check_labels
from fuzz.differential.modules import check_modules
from fuzz.differential.open_inputs import settle, undefined, undefined_rows
from fuzz.differential.oracle import DEFAULT_FUEL, Oracle, OracleError, interpreter
from fuzz.differential.ordering import check_code_order, check_order
from fuzz.differential.second_engine import ask_another_engine, is_unaligned_load
from fuzz.differential.stage import Stage, stage_clock_ns
from fuzz.differential.unwinding import check_unwinding
from fuzz.differential.verdict import IsaRun, Verdict
from fuzz.known.alignment import UNALIGNED, UNALIGNED_FLAG
from fuzz.known.status import has_fault


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault put between oracle and executor on purpose, to see whether it is detected.

    Attributes:
        functions: returns what is compiled instead of the case's functions.
        code: returns what is executed instead of an ISA's compiled code; it is handed the case with
            the configuration that it was compiled with.
        modules: what is changed of programs that are linked.
    """

    functions: Callable[[list[Function]], list[Function]] | None = None
    code: Callable[[Case, str, Sequence[CompiledCode]], Sequence[Code]] | None = None
    modules: ModuleFaults = NO_FAULTS


NO_INJECTION = Injection()

#: Each returns a finding, or why nothing can be said; the reason is empty if all is well.
_EXTRA_CHECKS: Final[
    dict[ExtraCheck, Callable[[Case, str, Sequence[Code], Outcomes], Finding | str]]
] = {
    ExtraCheck.UNWIND: check_unwinding,
    ExtraCheck.LABELS: check_labels,
    ExtraCheck.STACK_MAPS: check_stack_maps,
}

#: A byte of ``Outcomes.status``.
_HUNG = bytes([Status.HUNG])


class Pipeline:
    """Checks cases on a fixed set of ISAs.

    Args:
        isas: names of the ISAs, each with an emulated CPU.
        oracle: the oracle whose outcomes count as right.
        second: whether to ask the second oracle as well, and to name the outlier in findings.
        fuel: instructions that the oracle executes for one input.
        fired_rules: records which ISLE rules fire on each ISA.
        compiler: compiles a case for an ISA; it is handed the functions as they were read.
        compile_seconds: how long that may take; None for no limit.
        on_stage: called before each stage, so that a supervisor knows where this process died.
        on_configuration: called with the number of each configuration before it is compiled.
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
        compile_seconds: float | None = None,
        on_stage: Callable[[Stage], None] | None = None,
        on_configuration: Callable[[int], None] | None = None,
    ) -> None:
        self.isas = tuple(isas)
        self.oracle = oracle
        self.second = second
        self.fuel = fuel
        self.fired_rules = fired_rules
        self.compiler = compiler
        self.compile_seconds = compile_seconds
        self.on_stage = on_stage
        self.on_configuration = on_configuration
        # A case is drawn for ISAs of one width. Files may name others; it costs to look at each.
        self._several_widths = any(ISAS[isa].pointer_bytes != 8 for isa in self.isas)
        self._executors = {isa: executor_for(isa) for isa in self.isas}

    def limit_seconds(self, seconds: float) -> None:
        """Set the CPU time after which an emulation counts as hung."""
        for executor in self._executors.values():
            executor.limit_seconds(seconds)

    def check(self, case: Case, injection: Injection = NO_INJECTION) -> Verdict:
        """Take one case through all stages.

        Raises:
            SettingsError: the case has settings or flags that this Cranelift does not know.
        """
        verdict = Verdict()
        functions = self._read(case, injection, verdict)
        if functions is None:
            return verdict
        if case.inputs.count:
            self._interpret(case, verdict)
        for number, configured in enumerate(case.configurations()):
            if self.on_configuration is not None:
                self.on_configuration(number)
            found = len(verdict.findings)
            for isa in filter(case.is_for, self.isas):
                run = IsaRun(isa, number, expected=verdict.expected_on(isa))
                verdict.runs.append(run)
                if self._several_widths and (problem := width_problem(case, isa)):
                    verdict.rejected.append(f"{isa}: {problem}")
                    continue
                mark = self.fired_rules.mark() if self.fired_rules is not None else None
                compiled = self._compile(configured, functions, run, verdict)
                if self.fired_rules is not None and mark is not None:
                    run.fired = self.fired_rules.since(mark)
                if compiled and run.expected is not None and _ends(run.expected):
                    self._execute(configured, injection, run, verdict)
                    if ExtraCheck.ORDER in configured.checks:
                        self._check_order(configured, functions, run, verdict)
            if number:
                new = verdict.findings[found:]
                verdict.findings[found:] = [replace(f, configuration=number) for f in new]
        if case.alternatives:
            _merge_configurations(verdict, 1 + len(case.alternatives))
        if verdict.byte_order_matters:
            verdict.findings = [_in_its_order(finding) for finding in verdict.findings]
        narrow = self._several_widths and has_narrow_addresses(case.functions)
        if self.second and not narrow and verdict.expected is not None and _ends(verdict.expected):
            self._cross_check(case, None if injection.functions else functions, verdict)
        return verdict

    def _begin(self, stage: Stage) -> int:
        if self.on_stage is not None:
            self.on_stage(stage)
        return stage_clock_ns()

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
            verdict.stage_ns[Stage.READ] += stage_clock_ns() - printed
        return None

    def _interpret(self, case: Case, verdict: Verdict) -> None:
        """Ask the oracle, once for each byte order of the ISAs if the outcome depends on that.

        Without outcomes the case is compiled all the same: that may fail. An input whose calls are
        nested too deeply for the oracle ends in the emulator; one that goes on for ever is left out
        there.
        """
        if reason := uncallable_reason(case):
            verdict.rejected.append(f"oracle: {reason}")
            return
        cases = by_byte_order(case, self.isas)
        start = self._begin(Stage.INTERPRET)
        try:
            verdict.oracle = {order: self.oracle(c, self.fuel) for order, c in cases.items()}
        except OracleError as error:
            verdict.rejected.append(f"oracle: {error}")
            return
        finally:
            verdict.stage_ns[Stage.INTERPRET] += stage_clock_ns() - start
        unusual = list(cases) != ["little"]
        verdict.byte_order_matters = unusual and depends_on_byte_order(case.functions)
        for expected in verdict.oracle.values():
            reasons = {f"open: {undefined(expected, row)}" for row in undefined_rows(expected)}
            verdict.rejected += sorted(reasons.difference(verdict.rejected))
            verdict.hangs += int(np.count_nonzero(expected.status == Status.HUNG))

    def _compiled(self, case: Case, isa: str, functions: Functions) -> Sequence[CompiledCode]:
        return compile_within(self.compile_seconds, partial(self.compiler, case, isa, functions))

    def _compile(self, case: Case, functions: Functions, run: IsaRun, verdict: Verdict) -> bool:
        start = self._begin(Stage.COMPILE)
        try:
            run.compiled = self._compiled(case, run.isa, functions)
            run.live_instructions = sum(code.instructions for code in run.compiled)
            verdict.findings += forbidden_features(run.isa, target_of(case, run.isa), run.compiled)
            return True
        except UnsupportedError as error:
            match diagnosis.unsupported(case, run.isa, error):
                case Finding() as finding:
                    verdict.findings.append(mark_known(finding, case.functions))
                case reason:
                    verdict.rejected.append(reason)
                    verdict.unsupported.append(
                        diagnosis.missing_instruction(run.isa, reason, error)
                    )
        except CompileTimeoutError as error:
            verdict.findings.append(diagnosis.compile_timeout(case, run.isa, error))
        except diagnosis.COMPILER_FAILURES as error:
            if reason := diagnosis.refusal(run.isa, case.functions, error):
                verdict.rejected.append(reason)
            else:
                finding = diagnosis.compiler_failure(run.isa, error)
                verdict.findings.append(mark_known(finding, case.functions))
        finally:
            run.compile_ns = stage_clock_ns() - start
            verdict.stage_ns[Stage.COMPILE] += run.compile_ns
        return False

    def _execute(self, case: Case, injection: Injection, run: IsaRun, verdict: Verdict) -> None:
        assert run.expected is not None
        code: Sequence[Code] = run.compiled
        if injection.code is not None:
            code = injection.code(case, run.isa, run.compiled)
        start = self._begin(Stage.EMULATE)
        try:
            run.outcomes = self._outcomes(case, run, code, run.expected)
        except NOT_EXECUTABLE as error:
            verdict.rejected.append(f"{run.isa}: {str(error).removeprefix(f'{run.isa}: ')}")
        except diagnosis.COMPILER_FAILURES as error:  # raised for the driver that calls main
            verdict.findings.append(diagnosis.compiler_failure(run.isa, error))
        run.emulate_ns = stage_clock_ns() - start
        verdict.stage_ns[Stage.EMULATE] += run.emulate_ns
        if run.outcomes is not None:
            self._compare(case, injection, run, code, verdict)
            if case.checks and not run.differences:
                for found in self._extra_checks(case, injection, run, code, verdict):
                    self._note(found, case, verdict)

    def _check_order(self, case: Case, functions: Functions, run: IsaRun, verdict: Verdict) -> None:
        assert run.expected is not None
        optimizer = optimize_case if self.compiler is compile_case else self._optimize
        found = check_order(case, run.isa, functions, run.expected, self.fuel, optimizer)
        run.note_check(ExtraCheck.ORDER, found)
        self._note(found, case, verdict)

    def _optimize(self, case: Case, isa: str, functions: Functions) -> list[str]:
        """Return what another Cranelift optimises a case to: it says so where it compiles it."""
        return [code.clif or "" for code in self.compiler(case, isa, functions)]

    def _note(self, found: Finding | str, case: Case, verdict: Verdict) -> None:
        """Keep what an extra check found, or the reason why it could say nothing."""
        match found:
            case Finding() as finding:
                verdict.findings.append(mark_known(finding, case.functions))
            case str(reason) if reason:
                verdict.rejected.append(reason)

    def _extra_checks(
        self,
        case: Case,
        injection: Injection,
        run: IsaRun,
        code: Sequence[Code],
        verdict: Verdict,
    ) -> Iterator[Finding | str]:
        """Yield findings, and reasons why nothing can be said, of all else that a case asks for."""
        assert run.expected is not None
        for check in sorted(case.checks & _EXTRA_CHECKS.keys()):
            found = _EXTRA_CHECKS[check](case, run.isa, code, run.expected)
            run.note_check(check, found)
            yield found
        if ExtraCheck.ORDER in case.checks:
            yield check_code_order(case, run.isa, code, run.expected, self.fuel)
        if not LINKED & case.checks:
            return
        if self.compiler is not compile_case:
            # They would be made by the linked Cranelift, and say nothing of another one.
            yield f"{run.isa}: only the linked Cranelift makes linked programs"
            return
        yield from check_modules(
            case,
            run.isa,
            run.expected,
            _endless(run.expected),
            lambda found: self._settled(case, found, verdict, run.isa)[0],
            injection.modules,
        )

    def _outcomes(
        self,
        case: Case,
        run: IsaRun,
        code: Sequence[Code],
        expected: Outcomes,
        guard_padding: bool = False,
    ) -> Outcomes:
        executor = self._executors[run.isa]
        return self._outcomes_on(case, run, code, expected, executor, guard_padding)

    def _outcomes_on(
        self,
        case: Case,
        run: IsaRun,
        code: Sequence[Code],
        expected: Outcomes,
        executor: Executor,
        guard_padding: bool = False,
    ) -> Outcomes:
        return run_case(
            case,
            run.isa,
            code,
            executor,
            predicted_traps=tuple(expected.traps),
            left_out=_endless(expected),
            guard_padding=guard_padding,
        )

    def _compare(
        self,
        case: Case,
        injection: Injection,
        run: IsaRun,
        code: Sequence[Code],
        verdict: Verdict,
    ) -> None:
        assert run.expected is not None
        assert run.outcomes is not None
        start = self._begin(Stage.COMPARE)
        canonical = has_canonical_nans(case)
        found = compare(run.expected, run.outcomes, canonical_nans=canonical)
        if found:
            run.differences, run.open = self._settled(case, found, verdict, run.isa)
        if run.differences:
            finding = self._diagnose(case, run, code, run.expected)
            finding = mark_known(finding, case.functions)
            if self._is_alias_fault(case, injection, run, run.expected, finding):
                finding = known_as(finding, alias_regions.FAULT)
            verdict.findings.append(finding)
        verdict.executions += case.inputs.count
        verdict.stage_ns[Stage.COMPARE] += stage_clock_ns() - start

    def _is_alias_fault(
        self, case: Case, injection: Injection, run: IsaRun, expected: Outcomes, finding: Finding
    ) -> bool:
        """Return whether a wrong value is there only since accesses have alias regions or not."""
        functions = case.functions
        if injection.functions is not None:
            functions = injection.functions(functions)
        if (
            finding.known
            or finding.kind is not FindingKind.MISCOMPILE
            or not alias_regions.mixes_regions(functions)
            or not has_fault(alias_regions.FAULT, run.isa)
        ):
            return False
        text = print_functions(alias_regions.without_regions(functions))
        try:
            compiled = self._compiled(case, run.isa, Functions(text))
            inject = injection.code
            code: Sequence[Code] = inject(case, run.isa, compiled) if inject else compiled
            outcomes = self._outcomes(case, run, code, expected)
        except (CompileTimeoutError, *diagnosis.COMPILER_FAILURES, *NOT_EXECUTABLE):
            return False
        found = compare(expected, outcomes, canonical_nans=has_canonical_nans(case))
        return not found or not self._settled(case, found, Verdict(), run.isa)[0]

    def _settled(
        self, case: Case, differences: list[Difference], verdict: Verdict, isa: str = ""
    ) -> tuple[list[Difference], dict[int, str]]:
        """Take out of differences what CLIF leaves open.

        Args:
            isa: whose outcomes differ; empty for an interpreter.

        Returns:
            What is left, and for each input of which nothing is the reason.
        """
        left, found = settle(
            case.functions,
            case.inputs,
            differences,
            canonical_nans=has_canonical_nans(case),
            fuel=self.fuel,
            byte_order=ISAS[isa].byte_order if isa else case.byte_order,
        )
        reasons = {f"open: {reason}" for reason in found.values()}
        verdict.rejected += sorted(reasons.difference(verdict.rejected))
        return left, found

    def _cross_check(self, case: Case, functions: Functions | None, verdict: Verdict) -> None:
        """Compare the two oracles, and name the outlier in every finding."""
        assert verdict.expected is not None
        case = next(iter(by_byte_order(case, self.isas).values()))
        start = self._begin(Stage.CROSSCHECK)
        try:
            check = CrossChecker(case, verdict.expected, self.fuel).check(functions)
        except diagnosis.COMPILER_FAILURES as error:
            verdict.findings.append(diagnosis.compiler_failure("", error))
            return
        finally:
            verdict.stage_ns[Stage.CROSSCHECK] += stage_clock_ns() - start
        check.differences, check.open = self._settled(case, check.differences, verdict)
        verdict.second = check
        for faults, differences in check.known.items():
            verdict.findings.append(diagnosis.oracle_fault(case, faults, differences))
        if check.differences:
            verdict.findings.append(diagnosis.oracles_disagree(case, check.differences))
        canonical = has_canonical_nans(case)
        verdict.findings = [
            _with_outlier(finding, verdict, canonical_nans=canonical)
            for finding in verdict.findings
        ]

    def _diagnose(
        self, case: Case, run: IsaRun, code: Sequence[Code], expected: Outcomes
    ) -> Finding:
        """Return the finding of a run with differences, and decide whose fault they are.

        A spurious memory fault of the emulator is confirmed by running again with padding after
        the regions: it must disappear. That inputs differ which did not before means nothing, since
        the padding keeps them from trapping.
        """
        suspects = diagnosis.spurious_faults(run.isa, run.compiled)
        if suspects:
            padded = self._outcomes(case, run, code, expected, guard_padding=True)
            differences = compare(expected, padded, canonical_nans=has_canonical_nans(case))
            before = {difference.input for difference in run.differences}
            differences = [d for d in differences if d.input in before]
            remaining, _ = self._settled(case, differences, Verdict(), run.isa)
            if not remaining:
                return diagnosis.emulator_fault(case, run.isa, suspects, run.differences)
            run.outcomes, run.differences = padded, remaining
        outcomes_on = partial(self._outcomes_on, case, run, code, expected)
        opinion = ask_another_engine(case, run, expected, self.fuel, outcomes_on)
        finding = diagnosis.difference(case, run.isa, run.compiled, run.differences, opinion)
        unmerged = partial(self._unmerged, case, run, expected)
        if is_unaligned_load(case, run, expected, self.fuel, outcomes_on, unmerged):
            return known_as(finding, UNALIGNED)
        return finding

    def _unmerged(self, case: Case, run: IsaRun, expected: Outcomes) -> Outcomes:
        """Compile and run a case for a CPU whose instructions take any address."""
        flags = {**case.isa_settings.get(run.isa, {}), UNALIGNED_FLAG: "true"}
        other = with_flags(case, run.isa, flags)
        functions = Functions(print_functions(case.functions))
        code = self._compiled(other, run.isa, functions)
        return self._outcomes_on(other, run, code, expected, executor_for(run.isa))


def _merge_configurations(verdict: Verdict, count: int) -> None:
    """Keep one of the findings that several configurations have in common, and count these.

    A reason for rejecting the case is kept once, too.
    """
    numbers: dict[str, list[int]] = {}
    first: dict[str, Finding] = {}
    for finding in verdict.findings:
        numbers.setdefault(finding.bucket, []).append(finding.configuration)
        first.setdefault(finding.bucket, finding)
    verdict.findings = [
        replace(
            finding,
            explanation=(
                *finding.explanation,
                f"fails in {len(numbers[bucket])} of {count} configurations",
            ),
        )
        for bucket, finding in first.items()
    ]
    verdict.rejected = list(dict.fromkeys(verdict.rejected))


def _endless(expected: Outcomes) -> list[int]:
    """Return the inputs that ran out of fuel in the oracle."""
    if _HUNG not in expected.status.tobytes():  # quicker than comparing an array
        return []
    hung = np.flatnonzero(expected.status == Status.HUNG).tolist()
    return [row for row in hung if row not in expected.details]


def _ends(expected: Outcomes) -> bool:
    """Return whether some input does not run out of fuel in the oracle."""
    return len(_endless(expected)) < expected.count


def _in_its_order(finding: Finding) -> Finding:
    return in_its_order(finding, ISAS[finding.isa].byte_order) if finding.isa else finding


def _with_outlier(finding: Finding, verdict: Verdict, *, canonical_nans: bool) -> Finding:
    """Add a line to a finding of differences that names the outlier, or says that there is none."""
    if finding.known or not finding.inputs:
        return finding
    observed = partial(verdict.observed, configuration=finding.configuration, isa=finding.isa)
    name = outlier_on_all(finding.inputs, observed, canonical_nans=canonical_nans)
    line = f"outlier: {name or 'none'}"
    return replace(finding, explanation=(*finding.explanation, line))
