"""The workers of many machines, with Ray as the engine: ``clif-fuzz run --ray ADDRESS``.

Each job is an *agent*, an actor that Ray places somewhere. An agent is a crew of one: it looks
after its worker as a supervisor on one machine does, deaths and limits included, and hands on what
it hears when it is asked, findings with the text of their files. All that is known of a campaign is
with the supervisor; a machine that goes takes along what its workers have not reported, which is
done again elsewhere.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray

from fuzz.campaign.build_id import present_build
from fuzz.campaign.database import Build
from fuzz.campaign.local_workers import Event, LocalCrew
from fuzz.campaign.messages import Death, Failed, Found, Message, Progress
from fuzz.campaign.plan import Plan
from fuzz.campaign.result import JobState
from fuzz.campaign.resume import ResumeError, check_build

#: How long an agent listens before it answers with what it has.
_LISTEN_SECONDS = 0.5
#: An agent that has not ended so long after it was told to is given up.
_PATIENCE_SECONDS = 20.0
#: Agents of a job that were lost without a case counted in between, before it is given up.
_MAX_LOSSES = 5


class ClusterError(Exception):
    """Why there is no cluster to work on, in one line."""


def connect(address: str) -> int:
    """Joins a cluster; how many CPUs it has. Raises ClusterError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            ignore_reinit_error=True,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(f"no Ray cluster at '{address}': {error}") from error
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent has heard, and whether more may come."""

    events: list[Event]
    pending: bool


class Agent:
    """One job, on the machine where it runs.

    Args:
        plan: its directory is the supervisor's, and not written to.
        build: what the supervisor's is; cases of another would be other cases.
    """

    #: Makes what looks after the worker.
    crew: Callable[[Plan], LocalCrew] = LocalCrew

    def __init__(
        self,
        plan: Plan,
        number: int,
        state: JobState,
        known: frozenset[str],
        seconds: float | None,
        build: Build,
    ) -> None:
        self.number = number
        self.problem = ""
        self._directory = tempfile.TemporaryDirectory(prefix="clif-fuzz-")
        self._crew = self.crew(replace(plan, out=self._directory.name))
        try:
            check_build(build, present_build())
        except ResumeError as error:
            self.problem = f"{platform.node()}: {error}"
        else:
            self._crew.start({number: state}, known, seconds)

    def listen(self, *, stop: bool) -> Answer:
        """What the worker has said of late."""
        if self.problem:
            return Answer([Event(self.number, Failed(self.problem))], pending=False)
        if stop:
            self._crew.stop()
        events = [
            Event(event.job, _with_text(event.message))
            for event in self._crew.pump(_LISTEN_SECONDS)
        ]
        pending = self._crew.pending
        if not pending:
            self._crew.end()
            self._directory.cleanup()
        return Answer(events, pending)


def _with_text(message: Message) -> Message:
    """A finding's file is of no use where it is: its text goes along."""
    if not isinstance(message, Found):
        return message
    path = Path(message.record.file)
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return Found(replace(message.record, file=""), text)


@dataclass(slots=True)
class _Job:
    """A job as the supervisor sees it.

    Attributes:
        agent: a handle of Ray's.
        started: seconds between the crew's beginning and that of the agent.
        losses: of agents, without a case counted in between.
    """

    number: int
    state: JobState
    agent: Any = None
    started: float = 0.0
    losses: int = 0


class RayCrew:
    """Has the jobs done on the cluster that this process is connected to (``connect``).

    Args:
        agent: what does a job.
    """

    def __init__(self, plan: Plan, agent: type[Agent] = Agent) -> None:
        self.plan = plan
        self._remote = ray.remote(agent)
        self._build = present_build()
        self._waiting: dict[Any, _Job] = {}
        self._known: set[str] = set()
        self._seconds: float | None = None
        self._began = 0.0
        self._stopping_since: float | None = None
        self._events: list[Event] = []

    def start(
        self, states: Mapping[int, JobState], known: frozenset[str], seconds: float | None
    ) -> None:
        self._began = time.monotonic()
        self._known, self._seconds = set(known), seconds
        for number, state in states.items():
            self._place(_Job(number, JobState(state.next_case, set(state.skip))))

    @property
    def pending(self) -> bool:
        return bool(self._waiting or self._events)

    def pump(self, timeout: float) -> list[Event]:
        waiting = list(self._waiting)
        ready, _ = ray.wait(waiting, num_returns=1, timeout=timeout)
        if ready:  # and whatever else is there by now
            ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for answer in ready:
            self._receive(answer)
        self._give_up_stragglers()
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()

    def end(self) -> None:
        for job in self._waiting.values():
            ray.kill(job.agent)
        self._waiting.clear()
        ray.shutdown()

    # --- agents ---

    def _place(self, job: _Job) -> None:
        """Sets an agent going somewhere. One that takes another's place takes no CPU of its own as
        Ray counts them: the machine that is missing has left none."""
        job.started = time.monotonic() - self._began
        left = None if self._seconds is None else max(0.0, self._seconds - job.started)
        options = {"num_cpus": 0 if job.losses else 1, "scheduling_strategy": "SPREAD"}
        job.agent = self._remote.options(**options).remote(
            self.plan, job.number, job.state, frozenset(self._known), left, self._build
        )
        self._listen(job)

    def _listen(self, job: _Job) -> None:
        stop = self._stopping_since is not None
        self._waiting[job.agent.listen.remote(stop=stop)] = job

    def _receive(self, reference: Any) -> None:
        job = self._waiting.pop(reference)
        try:
            answer: Answer = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._lose(job, error)
            return
        for event in answer.events:
            self._take(job, event)
        if answer.pending:
            self._listen(job)
        else:
            ray.kill(job.agent)

    def _take(self, job: _Job, event: Event) -> None:
        match event.message:
            case Progress() as progress:
                progress.statistics.wall_ns += int(job.started * 1e9)
                if progress.next_case > job.state.next_case:
                    job.state.advance(progress.next_case)
                    job.losses = 0
            case Death(case=int(index)):
                job.state.skip.add(index)
            case Found(record=record) if record.known:
                self._known.add(record.bucket)
        self._events.append(event)

    def _lose(self, job: _Job, error: Exception) -> None:
        """The agent is gone, mostly with its machine: another takes its place."""
        job.losses += 1
        self._events.append(Event(job.number, Death()))
        if job.losses > _MAX_LOSSES:
            reason = " ".join(str(error).split())[-300:]
            text = f"job {job.number} was lost time and again without a case done: {reason}"
            self._events.append(Event(job.number, Failed(text)))
        elif self._stopping_since is None:
            self._place(job)

    def _give_up_stragglers(self) -> None:
        since = self._stopping_since
        if since is None or time.monotonic() - since < _PATIENCE_SECONDS:
            return
        for job in self._waiting.values():
            ray.kill(job.agent)
            self._events.append(Event(job.number, Death()))
        self._waiting.clear()
