"""The conclusion from experiments to the part at fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import Observed
from fuzz.differential.agreement import agree
from fuzz.differential.verdict import FIRST, SECOND
from fuzz.triage.attribution import Decider, ExecutorReport, ExecutorVerdict, FaultyPart
from fuzz.triage.rule_difference import RuleDifference

_BAD: Final = (ExecutorVerdict.DIFFERENT, ExecutorVerdict.FAILS)
_HOST: Final = "host"
_ALONE: Final = "all others agree against it"


@dataclass(frozen=True, slots=True)
class Execution:
    """What one executor did with the failing inputs.

    Attributes:
        outcomes: None if it did not execute them.
        failure: how it failed to compile the case; else empty.
        reason: why it did not execute them otherwise.
    """

    outcomes: list[Observed] | None = None
    failure: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The part that experiments point to.

    Attributes:
        evidence: what points to it, in words that follow "since"; empty where nothing does.
        outlier: the executor that differs from all others; empty if there is none.
        certain: whether it is a fact, and no hint.
    """

    part: FaultyPart = FaultyPart.UNKNOWN
    evidence: str = ""
    outlier: str = ""
    certain: bool = False


#: By executor, the reference first. Those on ISAs are called ``<ISA> opt_level=none`` and so on.
Executions: TypeAlias = Mapping[str, Execution]


def reports_of(case: Case, executions: Executions) -> list[ExecutorReport]:
    """Compare every execution with the reference."""
    reference = executions[FIRST].outcomes
    return [_report(case, name, execution, reference) for name, execution in executions.items()]


def _report(
    case: Case, name: str, execution: Execution, reference: list[Observed] | None
) -> ExecutorReport:
    if execution.failure:
        return ExecutorReport(name, ExecutorVerdict.FAILS, execution.failure)
    if execution.outcomes is None or reference is None:
        return ExecutorReport(name, ExecutorVerdict.NONE, execution.reason)
    same = _same(case, execution.outcomes, reference)
    return ExecutorReport(name, ExecutorVerdict.EXPECTED if same else ExecutorVerdict.DIFFERENT)


def _same(case: Case, one: list[Observed], other: list[Observed]) -> bool:
    canonical = has_canonical_nans(case)
    return all(agree(*pair, canonical_nans=canonical) for pair in zip(one, other, strict=True))


def failing_isas(reports: Sequence[ExecutorReport]) -> set[str]:
    """Return the ISAs on which the case fails, with one ``opt_level`` or with both."""
    return {_isa_of(report.executor) for report in reports if report.verdict in _BAD}


def conclude(
    case: Case,
    executions: Executions,
    reports: Sequence[ExecutorReport],
    deciders: Sequence[Decider],
    difference: RuleDifference,
) -> Conclusion:
    """Conclude from what the executors did, which settings decide, and which rules differ."""
    others = [report for report in reports[1:] if report.verdict is not ExecutorVerdict.NONE]
    dissent = [report for report in others if report.verdict is not ExecutorVerdict.EXPECTED]
    names = [report.executor for report in dissent]
    if names == [SECOND]:
        return Conclusion(FaultyPart.SECOND_ORACLE, _ALONE, SECOND)
    if len(dissent) == len(others) and SECOND in names and _agree(case, executions, names):
        return Conclusion(FaultyPart.INTERPRETER, _ALONE, FIRST)
    isas = {_isa_of(name) for name in names} - {SECOND}
    host = next((report for report in others if _isa_of(report.executor) == _HOST), None)
    if host is not None and host.verdict is ExecutorVerdict.EXPECTED and _host_isa(host) in isas:
        isa = _host_isa(host)
        return Conclusion(FaultyPart.EMULATOR, "this machine's CPU does as expected", isa)
    isas -= {_HOST}
    if not isas:
        return Conclusion()
    return _part_of_cranelift(isas, reports, deciders, difference)


def _agree(case: Case, executions: Executions, names: Sequence[str]) -> bool:
    """Whether all of these executors observed the same."""
    outcomes = [executions[name].outcomes for name in names]
    known = [each for each in outcomes if each is not None]
    return len(known) == len(outcomes) and all(_same(case, known[0], each) for each in known)


def _part_of_cranelift(
    isas: set[str],
    reports: Sequence[ExecutorReport],
    deciders: Sequence[Decider],
    difference: RuleDifference,
) -> Conclusion:
    executed = {r.executor for r in reports if r.verdict is not ExecutorVerdict.NONE}
    on_isas = {_isa_of(r.executor) for r in reports[2:] if r.executor in executed} - {_HOST}
    outlier = next(iter(isas)) if len(isas) == 1 and len(on_isas) > 1 else ""
    for decider in deciders:
        if decider.name == "regalloc_algorithm":
            evidence = f"it passes with {decider.name}={decider.passes_with}"
            return Conclusion(FaultyPart.REGISTER_ALLOCATOR, evidence, outlier)
    unoptimised = any(_fails_unoptimised(reports, isa) for isa in isas)
    groups = {fired.rule.group for fired in difference.rules}
    if not unoptimised and (len(isas) > 1 or groups == {"mid_end"}):
        evidence = "without optimising it does not fail like this"
        return Conclusion(FaultyPart.MID_END, evidence, outlier)
    if len(isas) > 1:
        # Without the second oracle, the interpreter may as well be wrong as all ISAs.
        if SECOND not in executed:
            return Conclusion()
        return Conclusion(FaultyPart.SHARED, "several ISAs fail without optimising, too")
    (isa,) = isas
    others = ", and no other ISA" * bool(outlier)
    return Conclusion(FaultyPart.BACKEND, f"{isa} fails{others}", outlier)


def _fails_unoptimised(reports: Sequence[ExecutorReport], isa: str) -> bool:
    """Whether an ISA without optimising fails in the same way as with it, or it alone fails."""
    of_isa = [report for report in reports if _isa_of(report.executor) == isa]
    found = [(r.executor.endswith("opt_level=none"), r.verdict, r.detail) for r in of_isa]
    plain = [(verdict, detail) for is_plain, verdict, detail in found if is_plain]
    optimised = [(verdict, detail) for is_plain, verdict, detail in found if not is_plain]
    if any(verdict in _BAD and (verdict, detail) in optimised for verdict, detail in plain):
        return True
    return (
        bool(plain) and plain[0][0] in _BAD and not any(verdict in _BAD for verdict, _ in optimised)
    )


def _isa_of(executor: str) -> str:
    return executor.partition(" ")[0]


def _host_isa(report: ExecutorReport) -> str:
    return report.executor.removeprefix(f"{_HOST} ")
