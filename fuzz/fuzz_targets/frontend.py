"""Target ``frontend``: functions that ``cranelift-frontend`` makes anew do the same."""

from __future__ import annotations

from fuzz.cases.case import Case, ExtraCheck, has_canonical_nans
from fuzz.cases.compare import compare
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.oracle import OracleError, interpreter
from fuzz.fuzz_targets.stack_maps import ReferenceGenerator, StackMaps
from fuzz.fuzz_targets.target import Checked
from fuzz.generate.frontend import Sealing, live_at_calls, named_by_maps, translate
from fuzz.generate.references import Kept


class ValueReferenceGenerator(ReferenceGenerator):
    """Draws cases with objects, which the functions refer to by values alone."""

    kept = Kept.VALUES


class Frontend(StackMaps):
    """Translates every case in two ways, and compares what comes of it with the case.

    The interpreter must return the same for both; each call's stack map must name as many places
    as references are live there; and the code must do the same, also with the collector.
    """

    def check(self, case: Case) -> Checked:
        if ExtraCheck.STACK_MAPS in case.checks:  # the file of a finding is translated already
            return super().check(case)
        isa = next(filter(case.is_for, self.isas))
        ways: list[Case] = []
        for sealing in Sealing:
            try:
                translated = translate(case, isa, sealing)
            except diagnosis.COMPILER_FAILURES as error:
                return Checked(case, [diagnosis.compiler_failure(isa, error)])
            findings = self._compare(case, translated)
            if findings:
                return Checked(translated, findings)
            ways.append(translated)
        return super().check(ways[-1])

    def _compare(self, case: Case, translated: Case) -> list[Finding]:
        for before, after in zip(case.functions, translated.functions, strict=True):
            live, named = live_at_calls(before), named_by_maps(after)
            if live != named:
                lines = (f"live at the calls of %{before.name}: {live}", f"in stack maps: {named}")
                return [Finding(FindingKind.STACK_MAP, "", "not what is live", lines)]
        try:
            expected, actual = interpreter(case), interpreter(translated)
        except OracleError as error:
            self.statistics.rejected[f"oracle: {error}"] += 1
            return []
        canonical = has_canonical_nans(case)
        differences = compare(expected, actual, canonical_nans=canonical)
        return [diagnosis.difference(translated, "", (), differences)] if differences else []
