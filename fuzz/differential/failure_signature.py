"""What a failure looks like: what has to stay the same while its case is made smaller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fuzz.cases.compare import Difference, DifferenceKind
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.pipeline import Verdict

#: A wrong value is a wrong value, wherever it is seen; memory can often be left out of a case.
_WRONG_VALUE = "wrong value"
_WORDS = {DifferenceKind.RESULT: _WRONG_VALUE, DifferenceKind.MEMORY: _WRONG_VALUE}

#: Those that are judged by differences of outcomes.
_DIFFERENCES = (FindingKind.MISCOMPILE, FindingKind.ORACLES_DISAGREE)


@dataclass(frozen=True, slots=True)
class Symptom:
    """A failure without what is accidental to its case.

    Attributes:
        kind: None where a test of the user's own decides.
        isas: the ISAs that show it, in the order of the trial; empty where none is concerned.
        what: for a miscompile ``wrong value``, ``trap code`` and the like; for a panic its phase
            and location; for other failures to compile their message; for the death of a process
            the stage, and what it died of.
    """

    kind: FindingKind | None
    isas: tuple[str, ...] = ()
    what: str = ""

    def __str__(self) -> str:
        kind = "" if self.kind is None else self.kind.value
        return " ".join(word for word in (kind, *self.isas, self.what) if word)

    @property
    def phase(self) -> str:
        """Where a panic happened (``backend.cranelift.compiler.CompilerPanic``); else empty."""
        return self.what.partition(" ")[0] if self.kind is FindingKind.COMPILER_PANIC else ""

    def same_as(self, other: Symptom) -> bool:
        """Whether both are the same failure, on the same ISAs or on others."""
        return self.kind is other.kind and self.what == other.what

    def includes(self, other: Symptom) -> bool:
        """Whether this is the same failure on at least the same ISAs."""
        return self.same_as(other) and set(self.isas) >= set(other.isas)


def symptoms(verdict: Verdict) -> list[Symptom]:
    """Every symptom of a case, each with all ISAs that show it, in the order of the findings."""
    isas: dict[tuple[FindingKind, str], list[str]] = {}
    for finding in verdict.findings:
        shown = isas.setdefault((finding.kind, _what(finding, verdict)), [])
        if finding.isa:
            shown.append(finding.isa)
    return [Symptom(kind, tuple(shown), what) for (kind, what), shown in isas.items()]


def primary(found: Sequence[Symptom], isa: str = "") -> Symptom | None:
    """The symptom to go by: one on ``isa`` if there is one, else the first. What is explained by a
    fault of emulator or oracle comes last."""
    return min(found, key=lambda s: (s.kind in _EXPLAINED, isa not in s.isas), default=None)


_EXPLAINED = (FindingKind.EMULATOR_FAULT, FindingKind.ORACLE_FAULT, FindingKind.ORACLES_DISAGREE)


def _what(finding: Finding, verdict: Verdict) -> str:
    if finding.kind is FindingKind.HANG:
        return ""
    if finding.kind not in _DIFFERENCES:
        return finding.detail
    gravest = _gravest(_differences(finding, verdict))
    if gravest is DifferenceKind.VIOLATION:
        return finding.detail
    what: str = gravest.value
    return _WORDS.get(gravest, what)


def _differences(finding: Finding, verdict: Verdict) -> Iterator[Difference]:
    if finding.kind is FindingKind.ORACLES_DISAGREE and verdict.second is not None:
        yield from verdict.second.differences
    for run in verdict.runs:
        if run.isa == finding.isa:
            yield from run.differences


def _gravest(differences: Iterator[Difference]) -> DifferenceKind:
    kinds = {difference.kind for difference in differences}
    return next(kind for kind in DifferenceKind if kind in kinds)
