"""The same function under two draws of settings does the same, on every ISA. No interpreter."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from backend.cranelift import Compiled, Functions
from backend.executor import executor_for
from clif.outcome import Outcomes
from clif.printer import print_functions
from fuzz import diagnosis
from fuzz.case import Case, effective_settings
from fuzz.entropy import PrngEntropy
from fuzz.finding import Finding
from fuzz.generate import Options
from fuzz.generate.settings import draw_isa_settings, draw_settings
from fuzz.oracle import DEFAULT_FUEL, Oracle
from fuzz.pipeline import NOT_EXECUTABLE, Pipeline, target_of
from fuzz.targets.target import CaseTarget

_INPUTS = 16
#: Settings that say what a function means, or how it is called: they stay as they are.
_KEPT = ("enable_nan_canonicalization", "enable_multi_ret_implicit_sret", "enable_pinned_reg")


class TwoSettings(CaseTarget):
    """Each ISA judges itself: what it does under other settings is what is expected of it."""

    def check(self, case: Case) -> tuple[Sequence[Finding], Outcomes | None]:
        twin = self._twin(case)
        findings: list[Finding] = []
        for isa in self.isas:
            try:
                findings += self._check_isa(case, twin, isa)
            except NOT_EXECUTABLE as error:
                self.statistics.rejected[str(error)] += 1
            except diagnosis.COMPILER_FAILURES as error:
                match diagnosis.failure(twin, isa, error):
                    case Finding() as finding:
                        findings.append(finding)
                    case reason:
                        self.statistics.rejected[reason] += 1
        return findings, None

    def _twin(self, case: Case) -> Case:
        """The case under other settings, which are a function of its text and its own settings."""
        text = print_functions(case.functions) + repr(sorted(case.settings.items()))
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        entropy = PrngEntropy(seed)
        settings = draw_settings(entropy, self.units.options)
        kept = {name: case.settings[name] for name in _KEPT if name in case.settings}
        settings = {name: value for name, value in settings.items() if name not in _KEPT} | kept
        flags = draw_isa_settings(entropy, self.units.options)
        return replace(case, settings=settings, isa_settings=flags)

    def _check_isa(self, case: Case, twin: Case, isa: str) -> Sequence[Finding]:
        compiled = target_of(twin, isa).compile(Functions(print_functions(twin.functions)))
        if diagnosis.wrong_forms(isa, compiled):
            self.statistics.facts["skipped: forms that the emulator gets wrong"] += 1
            return ()
        verdict = Pipeline([isa], oracle=_as(twin, isa, compiled)).check(case)
        self.statistics.note(verdict)
        return verdict.findings


def _as(twin: Case, isa: str, compiled: Sequence[Compiled]) -> Oracle:
    """The oracle that says what a case does compiled so."""

    def outcomes(case: Case, fuel: int = DEFAULT_FUEL) -> Outcomes:
        return executor_for(isa).run(
            compiled,
            case.main.signature,
            case.inputs,
            entry=case.main.name,
            settings=effective_settings(twin) | twin.isa_settings.get(isa, {}),
            slack=True,
        )

    return outcomes


def target(isas: tuple[str, ...]) -> TwoSettings:
    return TwoSettings(isas, Options(inputs=_INPUTS, isas=isas))
