"""Whether a release fails on a case as another did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.cranelift.compiler import Functions, ReadError, SettingsError
from backend.cranelift.releases import ReleaseCode, ReleaseCompiler, ReleaseTimeoutError
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.pipeline import Pipeline, Verdict, target_of
from fuzz.triage.bisect.search import Answer

#: Findings that say nothing of Cranelift.
_NOT_CRANELIFT: Final = frozenset(
    {FindingKind.EMULATOR_FAULT, FindingKind.ORACLES_DISAGREE, FindingKind.ORACLE_FAULT}
)
_PLACE: Final = re.compile(r"(\S+?\.rs):\d+")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Failure:
    """What tells a failure from others whatever the release: lines and phases change with it.

    Attributes:
        kind, isa: of the finding.
        sign: a panic's file and message; the kind of difference of a miscompile; else a message.
            Without numbers, which stand for lines and entities.
    """

    kind: FindingKind
    isa: str
    sign: str

    @classmethod
    def of(cls, finding: Finding) -> Failure:
        """The failure that a finding is of."""
        match finding.kind:
            case FindingKind.COMPILER_PANIC:
                file = "".join(_PLACE.findall(finding.detail)[:1])
                sign = f"{file} {finding.explanation[0]}"
            case FindingKind.MISCOMPILE:
                sign = finding.detail.partition(":")[0]
            case _:
                sign = finding.detail
        return cls(finding.kind, finding.isa, _NUMBER.sub("N", sign))


def failures(verdict: Verdict) -> list[Failure]:
    """Each failure of Cranelift that a verdict holds; known ones count as well."""
    return [Failure.of(f) for f in verdict.findings if f.kind not in _NOT_CRANELIFT]


class Judge:
    """Asks releases about one case on one set of ISAs."""

    def __init__(self, case: Case, isas: Sequence[str]) -> None:
        self.case = replace(case, isas=())
        self.isas = tuple(isas)
        self.text = print_functions(case.functions)

    def check(self, compiler: ReleaseCompiler | None) -> Verdict:
        """The case through everything, compiled by that release, by the linked one if None.

        Raises:
            ReadError, SettingsError, ReleaseTimeoutError: the release cannot be asked this.
        """
        if compiler is None:
            return Pipeline(self.isas).check(self.case)

        def compile_(case: Case, isa: str, _: Functions) -> list[ReleaseCode]:
            return compiler.compile(self.text, target_of(case, isa))

        return Pipeline(self.isas, compiler=compile_).check(self.case)

    def ask(self, compiler: ReleaseCompiler, failure: Failure | None) -> tuple[Answer, str]:
        """What a release does, and why. Without a failure to go by any failure is bad."""
        try:
            verdict = self.check(compiler)
        except ReadError as error:
            return Answer.UNCLEAR, f"does not read the case: {error}"
        except SettingsError as error:
            return Answer.UNCLEAR, f"has not these settings: {error}"
        except ReleaseTimeoutError as error:
            return Answer.UNCLEAR, str(error)
        return judge(verdict, failure)


def judge(verdict: Verdict, failure: Failure | None) -> tuple[Answer, str]:
    """A release fails in the same way, runs the case and agrees, or neither: that cannot say."""
    found = [f for f in verdict.findings if f.kind not in _NOT_CRANELIFT]
    for finding in found:
        if failure in (None, Failure.of(finding)):
            return Answer.BAD, finding.bucket
    if found:
        why = "; ".join(found[0].explanation[:1])
        return Answer.UNCLEAR, f"fails in another way: {found[0].bucket} ({why})"
    if verdict.rejected:
        return Answer.UNCLEAR, "; ".join(verdict.rejected)
    if verdict.findings:
        return Answer.UNCLEAR, verdict.findings[0].bucket
    if not verdict.executions:
        return Answer.UNCLEAR, "nothing was compared"
    return Answer.GOOD, ""
