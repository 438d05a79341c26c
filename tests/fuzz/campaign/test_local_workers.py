"""Whatever a compiler or an emulator does to a worker process becomes one finding of its case."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fuzz.campaign.local_workers import LocalWorkers
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.supervisor import Supervisor
from fuzz.cases.case_options import INGREDIENTS, CaseOptions
from fuzz.cases.casefile import read_case
from tests.fuzz.campaign.faulty import COMPILER_FAULTS, EMULATOR_FAULTS, run_faulty_worker

#: Workers start faster without the ingredients.
PLAIN = CaseOptions(inputs=2, instructions=10, without=frozenset(INGREDIENTS))

#: For each fault: the kind of the finding, its detail, and what its file quotes.
WANTED = {
    "abort": ("compiler-panic", "was ended by SIGABRT in compile", ""),
    "stack overflow": ("compiler-panic", "was ended by SIGSEGV in compile", ""),
    "allocation": (
        "compile-memory",
        "ran out of memory in compile",
        "it said: memory allocation of 10737418240 bytes failed",
    ),
    "growth": ("compile-memory", "ran out of memory in compile", ""),
    "endless": ("compile-timeout", "took too long in compile", ""),
    "crash": ("emulator-fault", "was ended by SIGSEGV in emulate", ""),
    "endless run": ("hang", "took too long in emulate", ""),
}


def test_what_ends_a_worker_is_one_finding_and_the_campaign_goes_on(tmp_path: Path) -> None:
    assert WANTED.keys() == COMPILER_FAULTS.keys() | EMULATOR_FAULTS.keys()
    plan = CampaignPlan(
        PLAIN, seed=3, cases=60, out=str(tmp_path), case_seconds=5.0, memory_mb=1024
    )
    faults = {5 * (number + 1): fault for number, fault in enumerate(WANTED)}
    pool = LocalWorkers(plan, partial(run_faulty_worker, faults=faults))
    result = Supervisor(plan, pool=pool).run()
    assert result.error == ""
    assert [summary.case for summary in result.findings] == list(faults)
    for summary in result.findings:
        kind, detail, said = WANTED[faults[summary.case]]
        assert (summary.kind, summary.known) == (kind, False)
        assert detail in summary.bucket
        text = Path(summary.file).read_text()
        assert read_case(text).case.origin == f"seed 3 case {summary.case}"
        assert said in text
    assert {path.name for path in tmp_path.iterdir()} == {
        Path(summary.file).name for summary in result.findings
    }
    # All other cases are done, and every case is counted once.
    assert result.statistics.cases == 60
    assert result.statistics.rejected.total() == 0
    # A case that is too slow is run twice, since a busy machine may have slowed it down.
    assert result.deaths >= len(WANTED) + 2
