"""Kill an engine's process at random moments while cases run, and see whether anything is lost.

    python -m scripts.benchmarks.killed_engines [--isa NAME] [--engine NAME] [--kills N] [--seed S]

Cases are run twice. The second time the process is killed again and again, each time a new one. No
outcome may differ from those of the first time, and each kill must be counted as one restart.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
from contextlib import suppress
from random import Random
from time import sleep

import click

from backend.engines.guest_process import GuestProcess, Replaced
from backend.engines.names import EngineChoice
from backend.engines.process_executor import ProcessExecutor
from backend.isa.executors import choose_engines, executor_for
from backend.isa.registry import DEFAULT_ISAS
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.pipeline import Pipeline


class Killer(threading.Thread):
    """A thread that kills each process of an engine once, at a random moment of its life.

    Attributes:
        killed: the numbers of the processes that were killed.
    """

    def __init__(self, process: GuestProcess, kills: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.kills = kills
        self.random = Random(seed)
        self.killed: list[int] = []
        self.done = threading.Event()

    def run(self) -> None:
        while len(self.killed) < self.kills and not self.done.is_set():
            sleep(self.random.uniform(0.0, 1.0))
            number = self.process.number
            if number is not None and number not in self.killed:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
                    self.killed.append(number)
        self.done.set()


def digest(pipeline: Pipeline, case: Case) -> str:
    """Return a digest of all outcomes and findings of a case."""
    verdict = pipeline.check(case)
    found = hashlib.sha256(repr([f.bucket for f in verdict.findings]).encode())
    for run in verdict.runs:
        if run.outcomes is not None:
            found.update(run.outcomes.status.tobytes())
            for column in run.outcomes.results:
                found.update(column.tobytes())
            if run.outcomes.memory is not None:
                found.update(run.outcomes.memory.tobytes())
    return found.hexdigest()


@click.command()
@click.option("--isa", default=DEFAULT_ISAS[0], show_default=True)
@click.option("--engine", default="qemu-user", show_default=True)
@click.option("--kills", default=50, show_default=True)
@click.option("--cases", default=40, show_default=True, help="They are run again and again.")
@click.option("--seed", default=1, show_default=True)
def main(isa: str, engine: str, kills: int, cases: int, seed: int) -> None:
    """Print how many processes were killed, replaced, and how many runs lost something."""
    choose_engines(EngineChoice(engine))
    executor = executor_for(isa)
    if not isinstance(executor, ProcessExecutor):
        raise click.BadParameter(f"{engine} has no process of its own")
    process, pipeline = executor.machine.process, Pipeline((isa,))
    source = CaseSource(CaseOptions(isas=(isa,), without=frozenset(["rules"])), seed)
    drawn = [source.case(index) for index in range(cases)]
    expected = [digest(pipeline, case) for case in drawn]
    before = process.replaced.copy()
    killer = Killer(process, kills, seed)
    killer.start()
    runs = lost = 0
    while not killer.done.is_set():
        lost += digest(pipeline, drawn[runs % cases]) != expected[runs % cases]
        runs += 1
    digest(pipeline, drawn[0])  # notices that the last one died
    replaced = process.replaced - before
    died = replaced[Replaced.DIED]
    click.echo(
        f"{runs} runs of {cases} cases, {len(killer.killed)} processes killed, {died} replaced for "
        f"that and {replaced.total() - died} for other reasons, {lost} runs lost something"
    )
    sys.exit(bool(lost) or died != len(killer.killed))


if __name__ == "__main__":
    main()
