"""A replay as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clif.function import format_name
from fuzz.cases.case import has_canonical_nans
from fuzz.cases.compare import Difference, Observed
from fuzz.cases.literals import describe_value
from fuzz.differential.explain import explain_differences
from fuzz.reporting.replay import FILE, ORACLE, ExecutorResult, Replay
from reports.disassembly import listing


def disassembly(replayed: Replay) -> Iterator[str]:
    """Yield the machine code of every function on every ISA, line by line."""
    for run in replayed.runs:
        for function in run.compiled:
            yield from listing(run.isa, function)


def lines(replayed: Replay) -> list[str]:
    """Return a replay as text: a line per executor, the differences below it."""
    case = replayed.case_file.case
    inputs = f"{case.inputs.count} inputs" if case.inputs.count else "compiled only"
    text = [
        f"{format_name(case.main.name)}, {inputs}" + f", {case.origin}" * bool(case.origin),
        *(f"  {hint}" for hint in replayed.case_file.hints),
    ]
    stated = any(expectation is not None for expectation in replayed.case_file.expectations)
    width = max(len(result.name) for result in replayed.results)
    for result in replayed.results:
        text.append(f"  {result.name:{width}}  {_result_text(result, case.inputs.count, stated)}")
        region = case.inputs.region
        text += [
            f"    {line}"
            for line in explain_differences(
                result.differences,
                canonical_nans=has_canonical_nans(case),
                initial=region.contents if region else None,
            )
        ]
    if replayed.outlier:
        text.append(f"  outlier: {replayed.outlier}")
    text += [f"  {finding.bucket}" for finding in replayed.findings]
    return text


def _result_text(result: ExecutorResult, count: int, stated: bool) -> str:
    if result.problem:
        return result.problem
    if result.inconclusive:
        return result.remark
    if result.name == ORACLE and not stated:
        return "the file expects nothing"
    other = FILE if result.name == ORACLE else ORACLE
    remark = f" ({result.remark})" if result.remark else ""
    if not result.differences:
        return f"agrees with {other}{remark}"
    known = f", a known fault of the emulator: {result.explained}" * bool(result.explained)
    return f"differs from {other} on {len(result.differences)} of {count} inputs{remark}{known}"


def to_json(replayed: Replay) -> dict[str, Any]:
    """Return a replay as JSON, each difference in full."""
    case = replayed.case_file.case
    return {
        "function": case.main.name,
        "inputs": case.inputs.count,
        "origin": case.origin,
        "agrees": replayed.agrees,
        "outlier": replayed.outlier or None,
        "rejected": replayed.rejected,
        "hints": list(replayed.case_file.hints),
        "left_out": list(replayed.case_file.left_out),
        "executors": {
            result.name: {
                "agrees": result.agrees,
                "problem": result.problem or None,
                "remark": result.remark or None,
                "differences": [_difference_json(d) for d in result.differences],
            }
            for result in replayed.results
        },
        "findings": [
            {"kind": finding.kind.value, "bucket": finding.bucket, "isa": finding.isa}
            for finding in replayed.findings
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
