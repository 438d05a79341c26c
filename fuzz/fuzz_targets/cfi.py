"""Control-flow integrity: signed return addresses, BTI landing pads, frame pointers.

The code runs with the flags on and does what the oracle says; and every place that may be reached
by an indirect branch starts with its landing pad where the flag asks for one.
"""

from __future__ import annotations

from dataclasses import replace

from backend.cranelift.compiler import version
from backend.cranelift.known_faults import VERSION
from clif.function import Function
from fuzz.cases.case import Case
from fuzz.differential.finding import Finding, FindingKind
from fuzz.fuzz_targets import landing_pads
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.fragments import addresses_and_tables
from fuzz.fuzz_targets.landing_pads import Place
from fuzz.fuzz_targets.target import Checked
from fuzz.generate import Generator, Options

_INPUTS = 8
_SIGNED = {"has_pauth": "true", "sign_return_address": "true"}
#: One of these is set in each case, over what it has.
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

#: What signs the return address of functions of the `tail` convention; these are no landing pads.
_NO_PADS = ("paciaz", "pacibz")


class ControlFlowIntegrity(Differential):
    """Sets the flags of aarch64 and frame pointers on whatever the case has otherwise."""

    def check(self, case: Case) -> Checked:
        case = _protected(case)
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
                f"no landing pad: {place}",
                (f"%{function.name} ({function.signature.call_conv}): {place} starts with {what}",),
                known=_is_known(place, what, function.signature.call_conv),
            )
            for place, what in landing_pads.missing(code)
        ]


def _is_known(place: Place, what: str, convention: str) -> bool:
    """Two faults of one version (docs/findings.md: tail-bti, br-table-default-bti)."""
    if version() != VERSION:
        return False
    signed = place is Place.FUNCTION and convention == "tail" and what in _NO_PADS
    return signed or place is Place.DEFAULT


def _protected(case: Case) -> Case:
    """The case with flags that are a function of its main function's size."""
    size = sum(len(block.instructions) for block in case.main.blocks)
    isa_settings = dict(case.isa_settings)
    if case.is_for("aarch64"):
        flags = _FLAGS[size % len(_FLAGS)]
        isa_settings["aarch64"] = isa_settings.get("aarch64", {}) | flags
    settings = case.settings | {"preserve_frame_pointers": "true"}
    return replace(case, settings=settings, isa_settings=isa_settings)


def target(isas: tuple[str, ...]) -> ControlFlowIntegrity:
    options = Options(
        inputs=_INPUTS, isas=isas, fragments=(addresses_and_tables,), directed_share=0.0
    )
    return ControlFlowIntegrity(isas, Generator(options))
