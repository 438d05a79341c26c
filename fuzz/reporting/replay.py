"""A case file through everything again: what each executor says, and who stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.cranelift.interpreter import NAME as SECOND
from fuzz.cases.case import has_canonical_nans
from fuzz.cases.casefile import CaseFile
from fuzz.cases.compare import Difference, Observed, observe
from fuzz.cases.literals import describe_value
from fuzz.differential.agreement import stands_alone_on_all
from fuzz.differential.crosscheck import CrossCheck
from fuzz.differential.explain import explain_differences
from fuzz.differential.finding import Finding
from fuzz.differential.pipeline import FIRST, IsaRun, Pipeline, Verdict
from reports.disassembly import listing

ORACLE = FIRST
FILE = "the file"


@dataclass(slots=True)
class Opinion:
    """What one executor says of a case.

    ``differences`` are against the oracle; the oracle's own are against what the file expects.
    ``problem`` says why it has no outcomes, ``remark`` what else there is to know of them. One that
    ``abstains`` has no say on any input; the remark says why.
    """

    name: str
    differences: list[Difference] = field(default_factory=list)
    problem: str = ""
    remark: str = ""
    abstains: bool = False

    @property
    def agrees(self) -> bool:
        return not self.differences and not self.problem


@dataclass(slots=True)
class Replay:
    """One case replayed.

    ``alone`` is the executor that stands alone on every input in dispute, empty if none does.
    ``runs`` is what each ISA made of the case.
    """

    case_file: CaseFile
    opinions: list[Opinion]
    findings: list[Finding]
    rejected: list[str]
    runs: list[IsaRun] = field(default_factory=list)
    alone: str = ""

    @property
    def agrees(self) -> bool:
        """Whether everybody ran the case and said the same."""
        return all(opinion.agrees for opinion in self.opinions)

    @property
    def disputed(self) -> bool:
        """Whether there is a difference or a finding; a case that nobody ran is not disputed."""
        return bool(self.findings) or any(opinion.differences for opinion in self.opinions)


def replay(case_file: CaseFile, pipeline: Pipeline) -> Replay:
    """Runs one case. Raises SettingsError for settings that an ISA does not have."""
    case = case_file.case
    canonical = has_canonical_nans(case)
    verdict = pipeline.check(case)
    opinions = [_oracle_opinion(case_file, verdict, canonical_nans=canonical)]
    opinions += _isa_opinions(verdict, pipeline.isas)
    if verdict.second is not None:
        opinions.append(_second_opinion(verdict.second))
    result = Replay(case_file, opinions, verdict.findings, verdict.rejected, verdict.runs)
    result.alone = _alone(case_file, verdict, opinions, canonical_nans=canonical)
    return result


def disassembly(result: Replay) -> Iterator[str]:
    """The machine code of every function on every ISA, line by line."""
    for run in result.runs:
        for function in run.compiled:
            yield from listing(run.isa, function)


def _oracle_opinion(case_file: CaseFile, verdict: Verdict, *, canonical_nans: bool) -> Opinion:
    opinion = Opinion(ORACLE)
    if verdict.expected is None:
        opinion.problem = "; ".join(verdict.rejected) or "not asked"
        return opinion
    if verdict.hangs:
        opinion.problem = f"{verdict.hangs} inputs ran out of fuel"
        return opinion
    for row, expectation in enumerate(case_file.expectations):
        if expectation is None:
            continue
        actual = observe(verdict.expected, row)
        kind = expectation.refuted_by(actual, canonical_nans=canonical_nans)
        if kind is not None:
            opinion.differences.append(Difference(kind, row, expectation.observed, actual))
    return opinion


def _isa_opinions(verdict: Verdict, isas: Sequence[str]) -> list[Opinion]:
    runs = {run.isa: run for run in verdict.runs}
    opinions = []
    for isa in isas:
        opinion = Opinion(isa)
        run = runs.get(isa)
        if run is None:
            opinion.problem = "not run"
        elif run.outcomes is None:
            opinion.problem = _compile_problem(verdict, isa)
        else:
            opinion.differences = run.differences
        opinions.append(opinion)
    return opinions


def _compile_problem(verdict: Verdict, isa: str) -> str:
    for finding in verdict.findings:
        if finding.isa == isa:
            return f"{finding.kind.value}: {'; '.join(finding.explanation)}"
    reasons = (reason for reason in verdict.rejected if reason.startswith(f"{isa}: "))
    return "; ".join(reason.removeprefix(f"{isa}: ") for reason in reasons)


def _second_opinion(check: CrossCheck) -> Opinion:
    """That it has no say on an input is no disagreement."""
    remarks = [f"no say on {count}: {reason}" for reason, count in check.reasons().items()]
    remarks += [f"known fault: {' '.join(faults)}" for faults in check.known]
    abstains = check.compared == 0
    return Opinion(SECOND, check.differences, remark="; ".join(remarks), abstains=abstains)


def _alone(
    case_file: CaseFile, verdict: Verdict, opinions: Sequence[Opinion], *, canonical_nans: bool
) -> str:
    rows = {difference.input for opinion in opinions for difference in opinion.differences}
    if verdict.expected is None:
        return ""

    def observed(row: int) -> dict[str, Observed]:
        seen = verdict.observed(row)
        expectation = case_file.expectations[row]
        if expectation is not None and not expectation.negated:
            seen[FILE] = expectation.observed
        return seen

    return stands_alone_on_all(rows, observed, canonical_nans=canonical_nans)


# --- for people and programs ---


def lines(result: Replay) -> list[str]:
    """The replay in words, a line per executor and the differences below it."""
    case = result.case_file.case
    text = [
        f"%{case.main.name}, {case.inputs.count} inputs" + f", {case.origin}" * bool(case.origin)
    ]
    stated = any(expectation is not None for expectation in result.case_file.expectations)
    width = max(len(opinion.name) for opinion in result.opinions)
    for opinion in result.opinions:
        text.append(
            f"  {opinion.name:{width}}  {_verdict_text(opinion, case.inputs.count, stated)}"
        )
        region = case.inputs.region
        text += [
            f"    {line}"
            for line in explain_differences(
                opinion.differences,
                canonical_nans=has_canonical_nans(case),
                initial=region.contents if region else None,
            )
        ]
    if result.alone:
        text.append(f"  {result.alone} stands alone")
    text += [f"  {finding.bucket}" for finding in result.findings]
    return text


def _verdict_text(opinion: Opinion, count: int, stated: bool) -> str:
    if opinion.problem:
        return opinion.problem
    if opinion.abstains:
        return opinion.remark
    if opinion.name == ORACLE and not stated:
        return "the file expects nothing"
    other = FILE if opinion.name == ORACLE else ORACLE
    remark = f" ({opinion.remark})" if opinion.remark else ""
    if opinion.agrees:
        return f"agrees with {other}{remark}"
    return f"differs from {other} on {len(opinion.differences)} of {count} inputs{remark}"


def to_json(result: Replay) -> dict[str, Any]:
    case = result.case_file.case
    return {
        "function": case.main.name,
        "inputs": case.inputs.count,
        "origin": case.origin,
        "agrees": result.agrees,
        "stands_alone": result.alone or None,
        "rejected": result.rejected,
        "executors": {
            opinion.name: {
                "agrees": opinion.agrees,
                "problem": opinion.problem or None,
                "remark": opinion.remark or None,
                "differences": [_difference_json(d) for d in opinion.differences],
            }
            for opinion in result.opinions
        },
        "findings": [
            {"kind": finding.kind.value, "bucket": finding.bucket, "isa": finding.isa}
            for finding in result.findings
        ],
    }


def _difference_json(difference: Difference) -> dict[str, Any]:
    return {
        "input": difference.input,
        "kind": difference.kind.value,
        "expected": _observed_json(difference.expected),
        "actual": _observed_json(difference.actual),
    }


def _observed_json(outcome: Observed) -> dict[str, Any]:
    return {
        "status": outcome.status.name.lower(),
        "results": list(map(describe_value, outcome.types, outcome.results)),
        "trap": outcome.trap or None,
        "detail": outcome.detail or None,
        "memory": outcome.memory.hex() if outcome.memory is not None else None,
    }
