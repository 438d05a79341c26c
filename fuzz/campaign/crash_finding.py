"""Makes a finding of the case that a worker process crashed on or could not finish in time."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.exit_cause import ExitCause, ExitKind
from fuzz.campaign.in_flight import InFlightCase
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import FindingSummary
from fuzz.campaign.worker_pool import FindingReport, WorkerExit, WorkerFailure
from fuzz.differential.finding import Finding, FindingKind, opcodes_in_bucket
from fuzz.differential.finding_file import finding_text, write_finding
from fuzz.differential.stage import Stage

#: The kind of finding for each way to end in each stage. In the stages that are missing the fault
#: is in this project's own code.
CRASH_KINDS = {
    ExitKind.CRASHED: {
        Stage.READ: FindingKind.COMPILER_PANIC,
        Stage.COMPILE: FindingKind.COMPILER_PANIC,
        Stage.EMULATE: FindingKind.EMULATOR_FAULT,
    },
    ExitKind.TIMED_OUT: {
        Stage.READ: FindingKind.COMPILE_TIMEOUT,
        Stage.COMPILE: FindingKind.COMPILE_TIMEOUT,
        Stage.EMULATE: FindingKind.HANG,
    },
    ExitKind.OUT_OF_MEMORY: {
        Stage.READ: FindingKind.COMPILE_MEMORY,
        Stage.COMPILE: FindingKind.COMPILE_MEMORY,
        Stage.EMULATE: FindingKind.EMULATOR_FAULT,
    },
}


def report_crash(
    plan: CampaignPlan, crashed: InFlightCase, cause: ExitCause, connection: Connection
) -> None:
    """Generate the case again, write it as a finding, and send the report.

    If the fault is in this project's own code, there is no finding: the message that is sent has
    the case counted as rejected.

    Args:
        crashed: the case that the worker was running when it ended.
    """
    stage = crashed.stage.label
    kind = CRASH_KINDS[cause.kind].get(crashed.stage)
    if kind is None:
        connection.send(WorkerExit(crashed.index, f"internal: worker {cause.text} in {stage}"))
        return
    case = CaseSource(plan.options, plan.seed).case(crashed.index)
    opcodes = opcodes_in_bucket(case.functions)
    detail = f"{cause.text} in {stage}" + f": {opcodes}" * bool(opcodes)
    quoted = (f"  it said: {line}" for line in cause.last_lines)
    explanation = (f"the process {cause.text} in the stage {stage}", *quoted)
    finding = Finding(kind, "", detail, explanation, configuration=crashed.configuration)
    text = finding_text(finding, case, None, plan.options.isas)
    try:
        path = str(write_finding(text, Path(plan.out)))
    except OSError as error:
        summary = FindingSummary(kind.value, finding.bucket, "", "", case=crashed.index)
        connection.send(WorkerFailure(f"{plan.out}: {error.strerror}", summary, text))
        return
    summary = FindingSummary(kind.value, finding.bucket, "", path, case=crashed.index)
    connection.send(FindingReport(summary))
