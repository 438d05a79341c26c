"""An attribution: which part experiments point to for a failing case, and what they showed.

Where a panic was is a fact. All else is a hint: that a case passes with the other register
allocator says that the allocator plays a part, not that it is wrong. So the words for people say
what is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from backend.cranelift.rule_map import RuleId


class FaultyPart(Enum):
    """The part that a failure is attributed to."""

    INTERPRETER = "the reference interpreter"
    SECOND_ORACLE = "the second oracle, cranelift-interpreter"
    EMULATOR = "the emulator, unless it depends on what registers held before"
    MID_END = "the mid-end"
    REGISTER_ALLOCATOR = "register allocation"
    BACKEND = "one ISA's code generation"
    SHARED = "what the code generation of all ISAs has in common"
    UNKNOWN = "nothing in particular"


class ExecutorVerdict(Enum):
    """What an executor does with the failing inputs, compared with the reference."""

    EXPECTED = "as expected"
    DIFFERENT = "something else"
    FAILS = "does not compile it"
    NONE = "no verdict"


@dataclass(frozen=True, slots=True)
class ExecutorReport:
    """One executor's verdict.

    Attributes:
        executor: ``interp``, ``cranelift-interpreter``, ``<ISA> opt_level=none``...
        detail: how it fails, or why there is no verdict; else empty.
    """

    executor: str
    verdict: ExecutorVerdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Decider:
    """A setting or ISA flag whose value alone decides whether the case fails.

    Attributes:
        isa: the ISA whose flag it is; empty for a setting that all ISAs share.
    """

    name: str
    fails_with: str
    passes_with: str
    isa: str = ""

    def __str__(self) -> str:
        prefix = f"{self.isa}: " * bool(self.isa)
        passes = f"{self.name}={self.passes_with}"
        return f"{prefix}passes with {passes} (fails with {self.fails_with})"


@dataclass(frozen=True, slots=True)
class FiredRule:
    """An ISLE rule that fires in the failing compilation, and not in a similar one that passes.

    Attributes:
        source: the rule's first line; empty if Cranelift's sources are not available.
    """

    rule: RuleId
    isa: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.isa}: {self.rule}" + f"  {self.source}" * bool(self.source)


@dataclass(frozen=True, slots=True)
class Attribution:
    """The part that experiments point to for a failing case.

    Attributes:
        evidence: what points to the part, in words; empty where nothing does.
        certain: whether that is a fact, such as the place of a panic, and no hint.
        isas: the ISAs on which the case fails.
        outlier: the executor that differs from all others; empty if there is none.
        reports: the executors' verdicts on the failing inputs, the reference first.
        deciders: settings and flags that decide alone whether it fails. ``opt_level`` and
            ``regalloc_algorithm`` are always tried.
        rules: ISLE rules that fire in the failing compilation only. The fewer there are, the more
            likely one of them is at fault.
        neighbour: the passing compilations that the rules were compared with: the value of a
            setting, the instruction that is replaced, or all of these. Empty if there are no rules.
    """

    part: FaultyPart = FaultyPart.UNKNOWN
    evidence: str = ""
    certain: bool = False
    isas: tuple[str, ...] = ()
    outlier: str = ""
    reports: tuple[ExecutorReport, ...] = ()
    deciders: tuple[Decider, ...] = ()
    rules: tuple[FiredRule, ...] = ()
    neighbour: str = ""

    def lines(self) -> Iterator[str]:
        """Yield the lines of a text for people."""
        if self.isas:
            yield f"fails on: {', '.join(self.isas)}"
        label = "part" if self.certain else "hint"
        yield f"{label}: {self.part.value}" + f", since {self.evidence}" * bool(self.evidence)
        if self.outlier:
            yield f"  outlier: {self.outlier}"
        for report in self.reports:
            detail = f" ({report.detail})" * bool(report.detail)
            yield f"  {report.executor}: {report.verdict.value}{detail}"
        for decider in self.deciders:
            yield f"  {decider}"
        if self.rules:
            yield f"  rules that fire here and not {self.neighbour}:"
        for rule in self.rules:
            yield f"    {rule}"

    def to_json(self) -> dict[str, Any]:
        """Return the attribution as JSON values."""
        return {
            "part": self.part.name.lower(),
            "evidence": self.evidence or None,
            "certain": self.certain,
            "isas": list(self.isas),
            "outlier": self.outlier or None,
            "verdicts": {report.executor: report.verdict.name.lower() for report in self.reports},
            "deciders": [
                {
                    "name": d.name,
                    "isa": d.isa or None,
                    "fails_with": d.fails_with,
                    "passes_with": d.passes_with,
                }
                for d in self.deciders
            ],
            "rules": [str(fired.rule) for fired in self.rules],
            "neighbour": self.neighbour or None,
        }
