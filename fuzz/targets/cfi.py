"""Control-flow integrity: signed return addresses, BTI landing pads, frame pointers.

The code runs with the flags on and does what the oracle says; and every place that may be reached
by an indirect branch starts with its landing pad where the flag asks for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.cranelift import Compiled
from clif.outcome import Outcomes
from fuzz.case import Case
from fuzz.finding import Finding, FindingKind
from fuzz.generate import Generator, Options
from fuzz.targets.differential import Differential

_INPUTS = 8
#: One of these is set in each case, over what it has.
_FLAGS = (
    {"has_pauth": "true", "sign_return_address": "true"},
    {"has_pauth": "true", "sign_return_address": "true", "sign_return_address_all": "true"},
    {"sign_return_address": "true", "sign_return_address_with_bkey": "true"},
    {"use_bti": "true"},
    {"use_bti": "true", "has_pauth": "true", "sign_return_address": "true"},
)
#: ``bti c``, and the instructions that sign a return address and are landing pads as well.
_LANDING_PADS = {0xD503245F: "bti c", 0xD503233F: "paciasp", 0xD503237F: "pacibsp"}


class ControlFlowIntegrity(Differential):
    """Sets the flags of aarch64 and frame pointers on whatever the case has otherwise."""

    def check(self, case: Case) -> tuple[Sequence[Finding], Outcomes | None]:
        case = _protected(case)
        verdict = self.pipeline.check(case)
        self.statistics.note(verdict)
        findings = list(verdict.findings)
        for run in verdict.runs:
            flags = case.isa_settings.get(run.isa, {})
            if flags.get("use_bti") == "true":
                findings += filter(None, map(self._landing_pad, run.compiled))
        return findings, verdict.expected

    def _landing_pad(self, compiled: Compiled) -> Finding | None:
        """Every function may be called through its address."""
        self.statistics.facts["landing pads looked at"] += 1
        first = int.from_bytes(compiled.code[:4], "little")
        if first in _LANDING_PADS:
            return None
        what = "a function does not start with a landing pad"
        return Finding(
            FindingKind.MISCOMPILE, "aarch64", what, (f"%{compiled.name} starts with {first:#x}",)
        )


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
    options = Options(inputs=_INPUTS, isas=isas)
    return ControlFlowIntegrity(isas, Generator(options))
