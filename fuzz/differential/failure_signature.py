"""Failure signatures: what has to stay the same while a failing case is made smaller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fuzz.cases.compare import Difference, DifferenceKind
from fuzz.differential.alias_regions import FAULT
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.verdict import Verdict

#: A wrong result and wrong memory are the same failure: a minimal case often needs no memory.
WRONG_VALUE: Final = "wrong value"
_WORDS: Final = {DifferenceKind.RESULT: WRONG_VALUE, DifferenceKind.MEMORY: WRONG_VALUE}

#: How the words for all violations begin.
VIOLATION: Final = DifferenceKind.VIOLATION.value
#: What ends the words for a wrong value that the only known fault of several instructions explains.
KNOWN_SUFFIX: Final = f": {FAULT}"

#: Kinds of findings that are made of differences between outcomes.
_DIFFERENCES: Final = (FindingKind.MISCOMPILE, FindingKind.ORACLES_DISAGREE)
#: Kinds of findings that say nothing about Cranelift.
_NOT_CRANELIFT: Final = (
    FindingKind.EMULATOR_FAULT,
    FindingKind.ORACLE_FAULT,
    FindingKind.ORACLES_DISAGREE,
)


@dataclass(frozen=True, slots=True)
class FailureSignature:
    """A failure without the details that depend on the case.

    Attributes:
        kind: None if a user's predicate decides.
        isas: the ISAs that show the failure, in the order in which they were run; empty if it
            concerns no ISA.
        what: for a miscompile ``wrong value``, ``trap code`` and the like, with the name of the
            known fault that explains it, if one does; for a panic its phase and location; for other
            failures to compile their message; for the death of a process its cause and the stage.
    """

    kind: FindingKind | None
    isas: tuple[str, ...] = ()
    what: str = ""

    def __str__(self) -> str:
        kind = "" if self.kind is None else self.kind.value
        return " ".join(word for word in (kind, *self.isas, self.what) if word)

    @property
    def phase(self) -> str:
        """The phase of a panic (``backend.cranelift.compiler.CompilerPanic``); else empty."""
        return self.what.partition(" ")[0] if self.kind is FindingKind.COMPILER_PANIC else ""

    def includes(self, other: FailureSignature) -> bool:
        """Whether this is the same failure, on at least the same ISAs.

        If the other one is ``VIOLATION`` alone, every violation is the same.
        """
        same = self.what == other.what or (other.what == VIOLATION and self.is_violation)
        return self.kind is other.kind and same and set(self.isas) >= set(other.isas)

    @property
    def is_violation(self) -> bool:
        """Whether code wrote, read or ran what it must not, or left a register changed."""
        return self.kind is FindingKind.MISCOMPILE and self.what.startswith(VIOLATION)


def failure_signatures(verdict: Verdict, *, refusals: bool = False) -> list[FailureSignature]:
    """List every failure of a case once, with all ISAs that show it, in the order of findings.

    Args:
        refusals: whether to list instructions that an ISA lacks as well, last.
    """
    isas: dict[tuple[FindingKind, str], list[str]] = {}
    for finding in (*verdict.findings, *(verdict.unsupported if refusals else ())):
        shown = isas.setdefault((finding.kind, _what(finding, verdict)), [])
        if finding.isa:
            shown.append(finding.isa)
    return [FailureSignature(kind, tuple(shown), what) for (kind, what), shown in isas.items()]


def is_fault_of_a_tool(kind: FindingKind | None) -> bool:
    """Return whether failures of a kind are known faults of the emulator or of an interpreter."""
    return kind in (FindingKind.EMULATOR_FAULT, FindingKind.ORACLE_FAULT)


def may_be_caused(failure: FailureSignature) -> bool:
    """Return whether a wrong value may be what brings a failure about."""
    words = (WRONG_VALUE, *(kind.value for kind in _WORDS))
    return failure.kind is FindingKind.MISCOMPILE and not failure.what.startswith(words)


def primary(
    found: Sequence[FailureSignature], isa: str = "", kind: FindingKind | None = None
) -> FailureSignature | None:
    """Choose the failure to go by: of a kind, or if that is None any but a refusal.

    Failures of Cranelift come before those of the emulator or an oracle, those that no known fault
    explains before others, and among them one on ``isa`` before others.

    Returns:
        None if there is no failure.
    """
    refusal = FindingKind.UNSUPPORTED
    eligible = [f for f in found if f.kind is kind or (kind is None and f.kind is not refusal)]
    return min(
        eligible,
        key=lambda f: (f.kind in _NOT_CRANELIFT, f.what.endswith(KNOWN_SUFFIX), isa not in f.isas),
        default=None,
    )


def _what(finding: Finding, verdict: Verdict) -> str:
    if finding.kind is FindingKind.HANG:
        return ""
    if finding.kind not in _DIFFERENCES:
        return finding.detail
    gravest = _gravest(_differences(finding, verdict))
    if gravest is DifferenceKind.VIOLATION:
        return finding.detail
    what: str = gravest.value
    what = _WORDS.get(gravest, what)
    return f"{what}{KNOWN_SUFFIX}" if finding.detail.endswith(KNOWN_SUFFIX) else what


def _differences(finding: Finding, verdict: Verdict) -> Iterator[Difference]:
    if finding.kind is FindingKind.ORACLES_DISAGREE and verdict.second is not None:
        yield from verdict.second.differences
    for run in verdict.runs:
        if (run.isa, run.configuration) == (finding.isa, finding.configuration):
            yield from run.differences


def _gravest(differences: Iterator[Difference]) -> DifferenceKind:
    kinds = {difference.kind for difference in differences}
    return next(kind for kind in DifferenceKind if kind in kinds)
