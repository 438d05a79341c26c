"""Writes down the case that a worker died of, or that it could not finish in time."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.exit_cause import Autopsy, Ending
from fuzz.campaign.in_flight import InFlight
from fuzz.campaign.messages import Death, Failed, Found, Record
from fuzz.campaign.plan import Plan
from fuzz.differential.finding import Finding, FindingKind, opcodes_in_bucket
from fuzz.differential.finding_file import finding_text, write_finding
from fuzz.differential.stage import Stage

#: What the death of a process is called, by how it ended and what it was doing. What is not in here
#: is a fault of ours.
KINDS = {
    Ending.DIED: {
        Stage.READ: FindingKind.COMPILER_PANIC,
        Stage.COMPILE: FindingKind.COMPILER_PANIC,
        Stage.EMULATE: FindingKind.EMULATOR_FAULT,
    },
    Ending.TOO_LONG: {
        Stage.READ: FindingKind.COMPILE_TIMEOUT,
        Stage.COMPILE: FindingKind.COMPILE_TIMEOUT,
        Stage.EMULATE: FindingKind.HANG,
    },
    Ending.OUT_OF_MEMORY: {
        Stage.READ: FindingKind.COMPILE_MEMORY,
        Stage.COMPILE: FindingKind.COMPILE_MEMORY,
        Stage.EMULATE: FindingKind.EMULATOR_FAULT,
    },
}


def report_death(plan: Plan, last: InFlight, autopsy: Autopsy, connection: Connection) -> None:
    """Makes the case again and writes it as a finding; a fault of ours is counted as rejected."""
    stage, cause = last.stage.label, autopsy.cause
    kind = KINDS[autopsy.ending].get(last.stage)
    if kind is None:
        connection.send(Death(last.index, f"internal: worker {cause} in {stage}"))
        return
    case = CaseSource(plan.options, plan.seed).case(last.index)
    detail = f"{cause} in {stage}: {opcodes_in_bucket(case.functions)}"
    said = (f"  it said: {line}" for line in autopsy.said)
    finding = Finding(kind, "", detail, (f"the process {cause} in the stage {stage}", *said))
    text = finding_text(finding, case, None, plan.options.isas)
    try:
        path = str(write_finding(text, Path(plan.out)))
    except OSError as error:
        record = Record(kind.value, finding.bucket, "", "", case=last.index)
        connection.send(Failed(f"{plan.out}: {error.strerror}", record, text))
        return
    connection.send(Found(Record(kind.value, finding.bucket, "", path, case=last.index)))
