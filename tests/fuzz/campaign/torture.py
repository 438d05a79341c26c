"""Kills workers and the supervisor of a campaign at random moments, and compares the result.

It must be the same as that of the same campaign left alone.

    python -m tests.fuzz.campaign.torture [--workers 200] [--supervisors 20] [--seed 1]

The campaign is that of the command line, except that a finding is made up for every few cases, so
that many are being reported at any moment. Workers note each case that they begin in a file, which
tells how many were run again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from fuzz.campaign.database_schema import DATABASE
from fuzz.campaign.in_flight import InFlightSlot
from fuzz.campaign.plan import Assignment, CampaignPlan
from fuzz.campaign.worker_process import start_worker
from fuzz.cases.case_options import INGREDIENTS
from tests.paths import ROOT

JOBS = 3
#: A finding is made up for every so many cases.
EVERY = 5
#: How many processes are killed before every worker must have counted further cases. A worker is
#: given up if six of its processes end without a case counted, and on a busy machine they start
#: slowly.
_IN_A_ROW = 4
_LOG = "begun"
_ARGUMENTS = ("--inputs", "2", "--instructions", "10", "--without", ",".join(INGREDIENTS))
_COMPARED = (
    "cases",
    "executions",
    "rejected",
    "hangs",
    "traps",
    "instructions",
    "opcodes",
    "opcode_types",
    "by_isa",
)


# --- inside of the campaign ---


def run_noisy_worker(
    plan: CampaignPlan,
    assignment: Assignment,
    in_flight: InFlightSlot,
    errors: str,
    connection: Connection,
) -> None:
    """A worker's main function that finds something every few cases."""
    from fuzz.cases.case import Case
    from fuzz.differential.finding import Finding, FindingKind
    from fuzz.differential.pipeline import Pipeline
    from fuzz.differential.verdict import Verdict

    check = Pipeline.check
    log = os.open(Path(plan.out) / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def noisy(self: Pipeline, case: Case) -> Verdict:
        last = in_flight.read()
        assert last is not None
        os.write(log, b"%d\n" % last.index)
        verdict = check(self, case)
        if last.index % EVERY == 0:
            detail = f"made up {last.index % 3}"
            verdict.findings.append(Finding(FindingKind.HANG, "x86_64", detail))
        return verdict

    Pipeline.check = noisy  # type: ignore[method-assign, assignment]
    start_worker(plan, assignment, in_flight, errors, connection)


def supervise(arguments: Sequence[str]) -> None:
    """``clif-fuzz run`` with such workers."""
    import fuzz.campaign.supervisor
    from fuzz.campaign.local_workers import LocalWorkers
    from fuzz.cli import main

    vars(fuzz.campaign.supervisor)["LocalWorkers"] = partial(LocalWorkers, main=run_noisy_worker)
    sys.argv = ["clif-fuzz", "run", *arguments]
    main()


# --- outside ---


class SupervisorProcess:
    """A process that runs a supervisor."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "tests.fuzz.campaign.torture", "--supervise", "--"]
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def workers(self) -> list[int]:
        """Return the child processes, without the resource tracker of ``multiprocessing``."""
        pid = self.process.pid
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(child) for child in children if _is_worker(int(child))]
        return []

    def kill(self) -> None:
        """Kill the supervisor, and wait for its workers, which must end by themselves."""
        workers = self.workers()
        self.process.kill()
        self.process.communicate()
        deadline = time.monotonic() + 60
        while any(_is_worker(worker) for worker in workers):
            if time.monotonic() > deadline:
                raise AssertionError(f"workers outlive their supervisor: {workers}")
            time.sleep(0.05)

    def facts(self) -> dict[str, Any]:
        """Return what the supervisor prints at its end."""
        out, err = self.process.communicate()
        if self.process.returncode not in (0, 1):
            raise AssertionError(f"exit code {self.process.returncode}: {err}")
        facts = json.loads(out)
        assert isinstance(facts, dict)
        return facts


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@dataclass(slots=True)
class Report:
    """The result of killing.

    Attributes:
        killed_workers, killed_supervisors: how many were killed.
        cases, findings: of the campaign.
        done_again: how often a case was begun that had been begun before.
        problems: everything that is not as in the campaign left alone.
    """

    killed_workers: int
    killed_supervisors: int
    cases: int
    done_again: int
    findings: int
    problems: list[str]


def torture(directory: Path, *, workers: int, supervisors: int, seed: int, pause: float) -> Report:
    """Kill so many processes, up to ``pause`` seconds apart, then let the campaign finish."""
    rng = random.Random(seed)
    victims = ["worker"] * workers + ["supervisor"] * supervisors
    rng.shuffle(victims)
    out, problems = directory / "killed", []
    supervisor = SupervisorProcess(*_ARGUMENTS, "--seed", seed, "--jobs", JOBS, "--out", out)
    before: dict[int, int] = {}
    for number, victim in enumerate(victims):
        time.sleep(rng.uniform(0, pause))
        if number % _IN_A_ROW == 0:
            before = _wait_for_progress(out, supervisor, before)
        if victim == "worker":
            while not (alive := supervisor.workers()):
                if supervisor.process.poll() is not None:
                    raise AssertionError(supervisor.process.communicate()[1])
                time.sleep(0.05)
            with suppress(ProcessLookupError):
                os.kill(rng.choice(alive), signal.SIGKILL)
        else:
            while not _begun(out):
                time.sleep(0.05)
            supervisor.kill()
            problems += _check(out)
            supervisor = SupervisorProcess("--resume", out)
    supervisor.kill()
    problems += _check(out)
    # After all cases that were begun, so that every finding belongs to the campaign.
    cases = max(map(int, (out / _LOG).read_text().split()), default=0) + 50
    facts = SupervisorProcess("--resume", out, "--cases", cases, "--json", "-").facts()
    problems += _check(out) + _compare(facts, directory, seed, cases)
    begun = Counter((out / _LOG).read_text().split())
    again = sum(n - 1 for n in begun.values())
    return Report(workers, supervisors, cases, again, len(facts["findings"]), problems)


def _check(out: Path) -> list[str]:
    """Return what is wrong with a database.

    Whatever happened, it must be that of a campaign that ran the cases that it says, each once.
    """
    problems = []
    with closing(_opened(out)) as connection:
        (health,) = connection.execute("PRAGMA integrity_check").fetchone()
        if health != "ok":
            problems.append(f"database: {health}")
        row = connection.execute("SELECT json_extract(statistics, '$.cases') FROM campaigns")
        counted = [cases for (cases,) in row]
        workers = connection.execute("SELECT number, next_case, skip FROM workers").fetchall()
        done = {
            index
            for number, at, skip in workers
            for index in [*range(number, at, JOBS), *json.loads(skip)]
        }
        if counted != [len(done)]:
            problems.append(f"{counted} cases are counted, {len(done)} done")
        found = connection.execute("SELECT case_index, file FROM findings").fetchall()
    wanted = {index for index in done if index % EVERY == 0}
    if not wanted <= {index for index, _ in found}:
        problems.append("a finding of a case that is counted is lost")
    if len({index for index, _ in found}) != len(found):
        problems.append("a finding is there twice")
    problems += [f"{file} is missing" for _, file in found if not (out / file).exists()]
    return problems


def _wait_for_progress(
    out: Path, supervisor: SupervisorProcess, before: dict[int, int]
) -> dict[int, int]:
    """Wait until each worker has counted further cases, and return where they are then."""
    while True:
        now: dict[int, int] = {}
        with suppress(sqlite3.Error), closing(_opened(out)) as connection:
            now = dict(connection.execute("SELECT number, next_case FROM workers").fetchall())
        if len(now) == JOBS and all(at > before.get(n, n) for n, at in now.items()):
            return now
        if supervisor.process.poll() is not None:
            raise AssertionError(supervisor.process.communicate()[1])
        time.sleep(0.1)


def _opened(out: Path) -> sqlite3.Connection:
    """Return a connection to the database, which must exist; others write to it."""
    return sqlite3.connect(f"file:{out / DATABASE}?mode=rw", uri=True)


def _begun(out: Path) -> bool:
    """Whether there is something to go on with."""
    with suppress(sqlite3.Error), closing(_opened(out)) as connection:
        return bool(connection.execute("SELECT id FROM campaigns").fetchall())
    return False


def _compare(facts: dict[str, Any], directory: Path, seed: int, cases: int) -> list[str]:
    """Return how a campaign differs from the same one left alone."""
    peaceful = SupervisorProcess(
        *_ARGUMENTS, "--seed", seed, "--jobs", JOBS, "--cases", cases,
        "--out", directory / "left", "--json", "-",
    ).facts()  # fmt: skip
    for table in (facts, peaceful):
        for isa in table["by_isa"].values():
            del isa["compile_seconds"], isa["emulate_seconds"]
        table["findings"] = sorted(
            (found["bucket"], Path(found["file"]).name) for found in table["findings"]
        )
    problems = [
        f"{name}: {facts[name]} instead of {peaceful[name]}"
        for name in _COMPARED
        if facts[name] != peaceful[name]
    ]
    more, fewer = (Counter(table["findings"]) for table in (facts, peaceful))
    problems += [f"found only when killed: {finding}" for finding in (more - fewer).elements()]
    problems += [f"found only when left: {finding}" for finding in (fewer - more).elements()]
    return problems


@click.command(context_settings={"show_default": True})
@click.option("--workers", default=200)
@click.option("--supervisors", default=20)
@click.option("--seed", default=1)
@click.option("--pause", default=4.0, help="At most so many seconds between two.")
@click.option("--supervise", "inside", is_flag=True, hidden=True)
@click.argument("arguments", nargs=-1)
def main(
    workers: int,
    supervisors: int,
    seed: int,
    pause: float,
    inside: bool,
    arguments: tuple[str, ...],
) -> None:
    if inside:
        supervise(arguments)
        return
    with tempfile.TemporaryDirectory(prefix="torture-") as directory:
        report = torture(
            Path(directory), workers=workers, supervisors=supervisors, seed=seed, pause=pause
        )
    click.echo(
        f"{report.killed_workers} workers and {report.killed_supervisors} supervisors killed; "
        f"{report.cases} cases, {report.findings} findings; {report.done_again} cases done again"
    )
    for problem in report.problems:
        click.echo(f"problem: {problem[:500]}")
    click.echo("lost 0, counted twice 0" if not report.problems else "FAILED")
    sys.exit(bool(report.problems))


if __name__ == "__main__":
    main()
