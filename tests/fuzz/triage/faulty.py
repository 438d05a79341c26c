"""A compiler with two faults: a campaign's workers, and a runner of cases."""

from __future__ import annotations

from multiprocessing.connection import Connection

from fuzz.campaign.in_flight import InFlightSlot
from fuzz.campaign.plan import Assignment, CampaignPlan
from fuzz.campaign.worker_process import start_worker
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import Verdict
from scripts.benchmarks.injected_faults import InjectedFault, InjectedFaultRunner

FAULTS = (InjectedFault("select-arms-swapped"), InjectedFault("wrong-extension"))


class FaultyRunner(CaseRunner):
    """Runs cases as a compiler with two faults would."""

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        pipeline.second = False
        verdicts = (InjectedFaultRunner(fault).check(pipeline, case) for fault in FAULTS)
        verdict = next(verdicts)
        return verdict if verdict.findings else next(verdicts)


def start_faulty_worker(
    plan: CampaignPlan,
    assignment: Assignment,
    in_flight: InFlightSlot,
    errors: str,
    connection: Connection,
) -> None:
    """Run a worker whose compiler has two faults."""
    check = Pipeline.check

    def faulty(pipeline: Pipeline, case: Case) -> Verdict:
        injections = (injected.injection(case) for injected in FAULTS)
        verdicts = (check(pipeline, case, i) for i in injections if i is not None)
        return next((v for v in verdicts if v.findings), None) or check(pipeline, case)

    Pipeline.check = faulty  # type: ignore[method-assign, assignment]
    start_worker(plan, assignment, in_flight, errors, connection)
