"""Tests whether a release of Cranelift fails on a case in the same way as another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from backend.cranelift.compiler import Functions, ReadError, SettingsError
from backend.cranelift.releases import ReleaseCode, ReleaseCompiler, ReleaseTimeoutError
from clif.printer import print_functions
from clif.throwing import may_throw
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.target import target_of
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.verdict import Verdict
from fuzz.triage.bisect.search import ReleaseStatus

#: Kinds of findings that say nothing about Cranelift.
NOT_CRANELIFT: Final = frozenset(
    {FindingKind.EMULATOR_FAULT, FindingKind.ORACLES_DISAGREE, FindingKind.ORACLE_FAULT}
)
#: Kinds of findings that are a matter of time.
_TIMED: Final = frozenset({FindingKind.HANG, FindingKind.COMPILE_TIMEOUT})
_PLACE: Final = re.compile(r"(\S+?\.(?:rs|isle))\b")
#: Where a rule's code is generated to, by the folder of the rule.
_RULES: Final = (
    (re.compile(r"\bsrc/opts/\S+\.isle"), "isle_opt.rs"),
    (re.compile(r"\bsrc/isa/(\w+)/\S+\.isle"), r"isle_\1.rs"),
    (re.compile(r"\S+/out/(isle_\w+\.rs)"), r"\1"),
)
_NO_RULE: Final = re.compile(r"panic: .*\bno rule matched for term \S+ at \S+\.isle")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class CrossReleaseSignature:
    """What identifies a failure in all releases. Line numbers and phases vary between them.

    Attributes:
        kind, isa: those of the finding.
        text: file and message of a panic; the kind of difference of a miscompile; else the
            message. Numbers, which stand for lines and entities, are replaced.
    """

    kind: FindingKind
    isa: str
    text: str

    @classmethod
    def of(cls, finding: Finding) -> CrossReleaseSignature:
        """Return the signature of a finding."""
        match finding.kind:
            case FindingKind.COMPILER_PANIC:
                text = f"{_panicking_file(finding)} {finding.explanation[0]}"
            case FindingKind.MISCOMPILE:
                text = finding.detail.partition(":")[0]
            case _:
                text = finding.detail
        return cls(finding.kind, finding.isa, _NUMBER.sub("N", text))


def _panicking_file(finding: Finding) -> str:
    """Return the file of a panic.

    For a rule it is the generated file: which rule it is, only the linked Cranelift's debug
    information tells. Where a term has no rule, the message says enough.
    """
    if _NO_RULE.match(finding.explanation[0]):
        return ""
    file = "".join(_PLACE.findall(" ".join(finding.explanation[1:2]))[:1])
    for pattern, generated in _RULES:
        if match := pattern.fullmatch(file):
            return match.expand(generated)
    return file


#: Kinds of findings that show before anything is executed.
COMPILE_FAILURES: Final = frozenset(
    {FindingKind.COMPILER_PANIC, FindingKind.COMPILE_ERROR, FindingKind.VERIFIER_ERROR}
)


def cranelift_failures(verdict: Verdict) -> list[CrossReleaseSignature]:
    """List the failures of Cranelift in a verdict, known ones included."""
    return [CrossReleaseSignature.of(f) for f in verdict.findings if f.kind not in NOT_CRANELIFT]


class Basis(Enum):
    """What an examination depends on: the release and the case alone, or how fast it went, too."""

    CASE = "case"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of a release.

    Attributes:
        bucket, reason: those of the finding, for people to read.
    """

    signature: CrossReleaseSignature
    bucket: str
    reason: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What a release does with a case.

    Attributes:
        failures: of Cranelift; known ones are among them.
        compiled: whether it compiles the case for all ISAs.
        agrees: whether the code was executed, and agrees with the oracle.
        note: why it does not agree although nothing fails.
    """

    failures: tuple[Failure, ...] = ()
    compiled: bool = False
    agrees: bool = False
    note: str = ""
    basis: Basis = Basis.CASE

    @classmethod
    def of(cls, verdict: Verdict) -> Examination:
        """Return what a verdict says."""
        failures = tuple(
            Failure(CrossReleaseSignature.of(f), f.bucket, "; ".join(f.explanation[:1]))
            for f in verdict.findings
            if f.kind not in NOT_CRANELIFT
        )
        compiled = bool(verdict.runs) and all(run.compiled for run in verdict.runs)
        note = "; ".join(verdict.rejected)
        if not note and verdict.findings:
            note = verdict.findings[0].bucket
        if not note and not verdict.executions:
            note = "nothing was compared"
        timed = any(f.kind in _TIMED for f in verdict.findings)
        return cls(failures, compiled, not note, note, Basis.CLOCK if timed else Basis.CASE)

    def status(self, failure: CrossReleaseSignature | None) -> tuple[ReleaseStatus, str]:
        """Return the status of the release, and why it has it.

        It is bad if it fails in the same way, good if it executes the case and agrees with the
        oracle, and unclear otherwise. For a failure to compile it is good if it compiles the case.
        """
        for found in self.failures:
            if failure in (None, found.signature):
                return ReleaseStatus.BAD, found.bucket
        if self.failures:
            first = self.failures[0]
            return ReleaseStatus.UNCLEAR, f"fails in another way: {first.bucket} ({first.reason})"
        if self.compiled and failure is not None and failure.kind in COMPILE_FAILURES:
            return ReleaseStatus.GOOD, ""
        return (ReleaseStatus.GOOD if self.agrees else ReleaseStatus.UNCLEAR), self.note


def compile_with(compiler: ReleaseCompiler, case: Case, isa: str) -> list[ReleaseCode]:
    """Compile a case with a release, with all that its checks need.

    Raises:
        As ``ReleaseCompiler.compile``.
    """
    return compiler.compile(
        print_functions(case.functions),
        target_of(case, isa),
        case.chaos,
        case.inlining,
        # Exceptions are thrown by the tables of frames.
        tables=ExtraCheck.UNWIND in case.checks or may_throw(case.functions),
        labels=ExtraCheck.LABELS in case.checks,
    )


class ReleaseTester:
    """Tests releases of Cranelift with one case, on one set of ISAs."""

    def __init__(self, case: Case, isas: Sequence[str]) -> None:
        self.case = replace(case, isas=())
        self.isas = tuple(isas)

    def check(self, compiler: ReleaseCompiler | None) -> Verdict:
        """Take the case through the pipeline, compiled by a release.

        Args:
            compiler: the release; None for the linked one.

        Raises:
            ReadError, SettingsError, ReleaseTimeoutError: the release cannot compile the case.
        """
        if compiler is None:
            return Pipeline(self.isas).check(self.case)

        def compile_(case: Case, isa: str, _: Functions) -> list[ReleaseCode]:
            return compile_with(compiler, case, isa)

        return Pipeline(self.isas, compiler=compile_).check(self.case)

    def test(
        self, compiler: ReleaseCompiler, failure: CrossReleaseSignature | None
    ) -> tuple[ReleaseStatus, str]:
        """Test a release.

        Args:
            failure: the failure that makes a release bad; None for any.

        Returns:
            The release's status, and why it has it.
        """
        return self.examine(compiler).status(failure)

    def examine(self, compiler: ReleaseCompiler) -> Examination:
        """Find out what a release does with the case, whatever is looked for."""
        try:
            return Examination.of(self.check(compiler))
        except ReadError as error:
            return Examination(note=f"does not read the case: {error}")
        except SettingsError as error:
            return Examination(note=f"has not these settings: {error}")
        except ReleaseTimeoutError as error:
            return Examination(note=str(error), basis=Basis.CLOCK)
