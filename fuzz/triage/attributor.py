"""Attributes a failing case to a part, by running it and similar cases in several ways.

The case should be minimal: then what it does not share with a similar case that passes is what
matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, Protocol

from backend.cranelift.compiler import SettingsError
from backend.cranelift.rule_map import GROUPS, RuleId
from backend.isa.registry import DEFAULT_ISAS
from fuzz.cases.case import Case, same_byte_order
from fuzz.cases.compare import Observed
from fuzz.differential.failure_signature import FailureSignature, failure_signatures
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import FIRST, SECOND, Verdict
from fuzz.triage.attribution import Attribution, Decider, FaultyPart
from fuzz.triage.conclusion import Execution, Executions, conclude, failing_isas, reports_of
from fuzz.triage.rule_difference import RuleDifference, rule_difference
from fuzz.triage.variants import (
    SettingVariant,
    flag_variants,
    instruction_neighbours,
    setting_of,
    setting_variants,
    with_setting,
)

#: Cases with one instruction changed that are run, in search of those that pass.
_MOST_NEIGHBOURS = 80
#: Phases of a panic that belong to one part.
_PHASES: Final = {"optimize": FaultyPart.MID_END, "regalloc": FaultyPart.REGISTER_ALLOCATOR}


class AdditionalExecutor(Protocol):
    """An executor beside the oracles and the emulated ISAs."""

    @property
    def name(self) -> str:
        """Its name: ``host`` and the ISA for this machine's CPU."""
        ...

    def outcomes(self, case: Case, rows: Sequence[int]) -> list[Observed] | None:
        """Run these inputs of a case. Returns None if it cannot run the case."""
        ...


@dataclass(slots=True)
class Attributor:
    """Attributes failing cases to parts.

    Attributes:
        run_case: runs a case; the failure must show in it.
        isas: the ISAs that are run.
        more: further executors, such as ``fuzz.triage.host.HostExecutor``.
    """

    run_case: CaseRunner
    isas: tuple[str, ...] = DEFAULT_ISAS
    more: Sequence[AdditionalExecutor] = field(default_factory=list)

    def attribute(self, case: Case, failure: FailureSignature) -> Attribution:
        """Attribute a case that shows a failure."""
        executions = self._executions(case, failure)
        reports = reports_of(case, executions)
        deciders = tuple(self._deciders(case, failure))
        every = dict.fromkeys((*self.isas, *failure.isas))
        failing = tuple(isa for isa in every if isa in failing_isas(reports))
        difference = self._rules(case, failure, failing, deciders)
        conclusion = conclude(case, executions, reports, deciders, difference)
        if failure.phase in _PHASES:
            part, evidence = _PHASES[failure.phase], "the panic is there"
            conclusion = replace(conclusion, part=part, evidence=evidence, certain=True)
        return Attribution(
            conclusion.part,
            conclusion.evidence,
            conclusion.certain,
            failing,
            conclusion.outlier,
            tuple(reports),
            deciders,
            difference.rules,
            difference.neighbour,
        )

    def suspected_rules(self, case: Case, failure: FailureSignature) -> frozenset[RuleId]:
        """Return the rules that fire where a case fails, and in no similar case that passes.

        Unlike ``attribute`` this does not switch on settings and flags that the case does not have.
        """
        isas = failure.isas or self.isas
        own = {*case.settings, "opt_level", "regalloc_algorithm"}
        variants = [variant for variant in setting_variants(case) if variant.name in own]
        deciders = [_decider(v) for v in variants if self._passes(v.case, failure, isas)]
        for isa in failure.isas:
            flags = case.isa_settings.get(isa, {})
            variants = [variant for variant in flag_variants(case, isa) if variant.name in flags]
            deciders += [_decider(v) for v in variants if self._passes(v.case, failure, (isa,))]
        difference = self._rules(case, failure, isas, deciders)
        # Rules for terms that others share say too little to tell faults apart.
        rules = (fired.rule for fired in difference.rules if fired.rule.group in GROUPS)
        return difference.suspected.intersection(rules)

    # --- executors ---

    def _executions(self, case: Case, failure: FailureSignature) -> Executions:
        """Run the case with every executor; on each ISA also with another ``opt_level``."""
        every = dict.fromkeys((*self.isas, *failure.isas))
        isas = tuple(isa for isa in every if same_byte_order(case, isa))
        for_all = replace(case, isas=isas)
        verdict = self.run_case(for_all, isas, second=True)
        rows = _failing_rows(verdict, case)
        executions = {
            FIRST: Execution(_observed(verdict, FIRST, rows)),
            SECOND: Execution(_observed(verdict, SECOND, rows), reason=_why_no_second(verdict)),
        }
        level = setting_of(case, "opt_level")
        other = "none" if level != "none" else "speed"
        other_verdict = self.run_case(with_setting(for_all, "opt_level", other), isas)
        for opt_level, found in ((level, verdict), (other, other_verdict)):
            for isa in isas:
                execution = _execution(found, isa, rows)
                if execution.failure and not case.is_for(isa):
                    execution = Execution(reason=f"the case is not for it: {execution.failure}")
                executions[f"{isa} opt_level={opt_level}"] = execution
        for executor in self.more:
            outcomes = executor.outcomes(case, rows)
            executions[executor.name] = Execution(outcomes, reason="cannot run it")
        return executions

    # --- settings and rules ---

    def _deciders(self, case: Case, failure: FailureSignature) -> Iterator[Decider]:
        isas = failure.isas or self.isas
        for variant in setting_variants(case):
            if self._passes(variant.case, failure, isas):
                yield _decider(variant)
        for isa in isas:
            for variant in flag_variants(case, isa):
                if self._passes(variant.case, failure, (isa,)):
                    yield _decider(variant)

    def _passes(self, case: Case, failure: FailureSignature, isas: Sequence[str]) -> bool:
        """Whether a case runs without any finding on all of these ISAs."""
        try:
            verdict = self.run_case(case, isas, second=not failure.isas)
        except SettingsError:
            return False
        return not verdict.findings and not verdict.rejected and not verdict.hangs

    def _rules(
        self,
        case: Case,
        failure: FailureSignature,
        failing: Sequence[str],
        deciders: Sequence[Decider],
    ) -> RuleDifference:
        """Find the suspected rules.

        What the mid-end made is lowered by other rules: if a case passes without optimising, and
        rules of the mid-end are among those that differ, it is these. Rules for terms that others
        share, such as those that make a constant, count only where there are no others.
        """
        if not failing:
            return RuleDifference()
        isa = next((isa for isa in failure.isas if isa in failing), failing[0])
        passing, alike = self._neighbours(case, failure, isa)
        variants = (*setting_variants(case), *flag_variants(case, isa))
        passing += [
            (variant.case, f"with {variant.name}={variant.after}")
            for variant in variants
            if _decider(variant) in deciders
        ]
        difference = rule_difference(case, isa, passing, alike)
        if any(decider.name == "opt_level" for decider in deciders):
            difference = difference.preferring(lambda group: group.startswith(GROUPS[0]))
        return difference.preferring(lambda group: group in GROUPS)

    def _neighbours(
        self, case: Case, failure: FailureSignature, isa: str
    ) -> tuple[list[tuple[Case, str]], list[Case]]:
        """Run the case with one instruction changed.

        Returns:
            Those that pass, with descriptions, and those that fail in the same way.
        """
        passing, alike = [], []
        here = replace(failure, isas=(isa,) if failure.isas else ())
        for neighbour, words in islice(instruction_neighbours(case), _MOST_NEIGHBOURS):
            try:
                verdict = self.run_case(neighbour, (isa,), second=not failure.isas)
            except SettingsError:
                continue
            if not verdict.findings and not verdict.rejected and not verdict.hangs:
                passing.append((neighbour, f"with {words}"))
            elif any(found.includes(here) for found in failure_signatures(verdict)):
                alike.append(neighbour)
        return passing, alike


def _decider(variant: SettingVariant) -> Decider:
    return Decider(variant.name, variant.before, variant.after, variant.isa)


def _failing_rows(verdict: Verdict, case: Case) -> list[int]:
    """Return the inputs that fail; all inputs if the case fails before they are executed."""
    rows = {row for finding in verdict.findings for row in finding.inputs}
    return sorted(rows) or list(range(case.inputs.count))


def _observed(verdict: Verdict, executor: str, rows: Sequence[int]) -> list[Observed] | None:
    seen = [verdict.observed(row).get(executor) for row in rows]
    found = [outcome for outcome in seen if outcome is not None]
    return found if found and len(found) == len(seen) else None


def _why_no_second(verdict: Verdict) -> str:
    if verdict.second is None:
        return "not asked"
    reasons = [*verdict.second.reasons(), *(" ".join(faults) for faults in verdict.second.known)]
    return "; ".join(reasons)


def _execution(verdict: Verdict, isa: str, rows: Sequence[int]) -> Execution:
    outcomes = _observed(verdict, isa, rows)
    if outcomes is not None:
        return Execution(outcomes)
    for failure in failure_signatures(verdict):
        if isa in failure.isas:
            return Execution(failure=str(replace(failure, isas=())))
    reasons = (r.removeprefix(f"{isa}: ") for r in verdict.rejected if r.startswith(f"{isa}: "))
    return Execution(reason=next(reasons, "not executed"))
