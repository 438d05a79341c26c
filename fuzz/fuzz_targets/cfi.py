"""Target ``cfi``: control-flow integrity flags and frame pointers change no outcome.

With the flag for them, too, every site that an indirect branch may reach starts with a landing pad.
"""

from __future__ import annotations

from dataclasses import replace

from backend.isa.parts import CONTROL_FLOW, ControlFlow
from backend.isa.registry import ISAS
from clif.function import Function, format_name
from fuzz.cases.case import Case
from fuzz.differential.finding import Finding, FindingKind
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked
from fuzz.known.status import has_fault


class ControlFlowIntegrity(Differential):
    """Runs every case with frame pointers, and with an ISA's flags for control-flow integrity."""

    def check(self, case: Case) -> Checked:
        case = _with_flags(case)
        verdict = self.run(case)
        findings = list(verdict.findings)
        for run in verdict.runs:
            protection = CONTROL_FLOW.of_any(ISAS[run.isa])
            flags = case.isa_settings.get(run.isa, {})
            if protection is not None and flags.get(protection.pads) == "true":
                for function, code in zip(case.functions, run.compiled, strict=False):
                    findings += self._landing_pads(run.isa, protection, function, code.code)
        return Checked(case, findings, verdict.oracle)

    def _landing_pads(
        self, isa: str, protection: ControlFlow, function: Function, code: bytes
    ) -> list[Finding]:
        self.statistics.facts["functions looked at for landing pads"] += 1
        convention = function.signature.call_conv
        findings = []
        for site, what in protection.missing(code):
            fault = protection.known_fault(site, what, convention)
            findings.append(
                Finding(
                    FindingKind.MISCOMPILE,
                    isa,
                    f"no landing pad: {site}",
                    (f"{format_name(function.name)} ({convention}): {site} starts with {what}",),
                    known=bool(fault) and has_fault(fault, isa),
                )
            )
        return findings


def _with_flags(case: Case) -> Case:
    """Return the case with flags that are a function of its main function's size."""
    size = sum(len(block.instructions) for block in case.main.blocks)
    isa_settings = dict(case.isa_settings)
    for isa in filter(case.is_for, ISAS):
        protection = CONTROL_FLOW.of_any(ISAS[isa])
        if protection is not None:
            flags = protection.flags[size % len(protection.flags)]
            isa_settings[isa] = {**isa_settings.get(isa, {}), **flags}
    settings = case.settings | {"preserve_frame_pointers": "true"}
    return replace(case, settings=settings, isa_settings=isa_settings)
