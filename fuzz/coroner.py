"""Writes down the case that a worker died of, or that it could not finish in time."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.finding import Finding, FindingKind, finding_text, opcodes_in_bucket, write_finding
from fuzz.flight import InFlight
from fuzz.messages import Failed, Found, Progress, Record
from fuzz.plan import Plan
from fuzz.source import CaseSource
from fuzz.statistics import Stage, Statistics

#: What the death of a process in a stage is called, and what it is if that takes too long.
DEATHS = {
    Stage.READ: FindingKind.COMPILER_PANIC,
    Stage.COMPILE: FindingKind.COMPILER_PANIC,
    Stage.EMULATE: FindingKind.EMULATOR_FAULT,
}
DELAYS = {
    Stage.READ: FindingKind.COMPILE_TIMEOUT,
    Stage.COMPILE: FindingKind.COMPILE_TIMEOUT,
    Stage.EMULATE: FindingKind.HANG,
}


def report_death(plan: Plan, last: InFlight, cause: str, connection: Connection) -> None:
    """Makes the case again and writes it as a finding; a fault of ours is counted as rejected."""
    kinds = DELAYS if last.seconds > plan.case_seconds else DEATHS
    kind = kinds.get(last.stage)
    if kind is None:
        statistics = Statistics()
        statistics.note_rejected(f"internal: worker {cause} in {last.stage.label}", last.index)
        connection.send(Progress(statistics))
        return
    case = CaseSource(plan.options, plan.seed).case(last.index)
    detail = f"{cause} in {last.stage.label}: {opcodes_in_bucket(case.functions)}"
    finding = Finding(kind, "", detail, (f"the process {cause} in the stage {last.stage.label}",))
    text = finding_text(finding, case, None, plan.options.isas)
    try:
        path = str(write_finding(text, Path(plan.out)))
    except OSError as error:
        record = Record(kind.value, finding.bucket, "", "")
        connection.send(Failed(f"{plan.out}: {error.strerror}", record, text))
        return
    connection.send(Found(Record(kind.value, finding.bucket, "", path)))
