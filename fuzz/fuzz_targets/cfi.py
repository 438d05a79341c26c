"""Target ``cfi``: control-flow integrity flags and frame pointers change no outcome.

With ``use_bti``, too, every site that an indirect branch may reach starts with a landing pad.
"""

from __future__ import annotations

from dataclasses import replace

from backend.cranelift.known_faults import has_fault
from backend.isa.aarch64 import landing_pads
from backend.isa.aarch64.landing_pads import LandingPadSite
from clif.function import Function
from fuzz.cases.case import Case
from fuzz.differential.finding import Finding, FindingKind
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.target import Checked

_SIGNED = {"has_pauth": "true", "sign_return_address": "true"}
#: One of these is set in each case, on top of the flags that it was drawn with.
_FLAGS = (
    _SIGNED,
    _SIGNED | {"sign_return_address_all": "true"},
    _SIGNED | {"sign_return_address_with_bkey": "true"},
    {"sign_return_address": "true"},
    {"use_bti": "true"},
    _SIGNED | {"use_bti": "true"},
    _SIGNED | {"use_bti": "true", "sign_return_address_all": "true"},
    {"use_bti": "true", "sign_return_address": "true", "sign_return_address_with_bkey": "true"},
)

#: What signs the return addresses of functions of the ``tail`` convention; no landing pads.
_NO_PADS = ("paciaz", "pacibz")


class ControlFlowIntegrity(Differential):
    """Runs every case with frame pointers, and on aarch64 with flags for control-flow integrity."""

    def check(self, case: Case) -> Checked:
        case = _with_flags(case)
        verdict = self.run(case)
        findings = list(verdict.findings)
        for run in verdict.runs:
            if case.isa_settings.get(run.isa, {}).get("use_bti") == "true":
                for function, code in zip(case.functions, run.compiled, strict=False):
                    findings += self._landing_pads(function, code.code)
        return Checked(case, findings, verdict.expected)

    def _landing_pads(self, function: Function, code: bytes) -> list[Finding]:
        self.statistics.facts["functions looked at for landing pads"] += 1
        return [
            Finding(
                FindingKind.MISCOMPILE,
                "aarch64",
                f"no landing pad: {site}",
                (f"%{function.name} ({function.signature.call_conv}): {site} starts with {what}",),
                known=_is_known(site, what, function.signature.call_conv),
            )
            for site, what in landing_pads.missing(code)
        ]


def _is_known(site: LandingPadSite, what: str, convention: str) -> bool:
    """Return whether it is tail-bti or br-table-default-bti of docs/findings.md."""
    if site is LandingPadSite.DEFAULT:
        return has_fault("br-table-default-bti")
    signed = site is LandingPadSite.FUNCTION and convention == "tail" and what in _NO_PADS
    return signed and has_fault("tail-bti")


def _with_flags(case: Case) -> Case:
    """Return the case with flags that are a function of its main function's size."""
    size = sum(len(block.instructions) for block in case.main.blocks)
    isa_settings = dict(case.isa_settings)
    if case.is_for("aarch64"):
        flags = _FLAGS[size % len(_FLAGS)]
        isa_settings["aarch64"] = isa_settings.get("aarch64", {}) | flags
    settings = case.settings | {"preserve_frame_pointers": "true"}
    return replace(case, settings=settings, isa_settings=isa_settings)
