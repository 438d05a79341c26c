"""The worker pool of a Ray cluster: ``clif-fuzz run --ray ADDRESS``.

Each worker of the campaign is a Ray actor, an *agent*, which Ray places on some machine. An agent
has a ``LocalWorkers`` pool with one worker process, so crashes and limits are handled where they
happen. When the supervisor asks, it hands on the messages, with the text of the findings' files.
The state of the campaign is kept by the supervisor alone. When a machine is lost, so is what its
workers had not reported; that is run again on another machine.
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

from fuzz.campaign.local_workers import LocalWorkers
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.resume import ResumeError, check_build
from fuzz.campaign.worker_pool import (
    FindingReport,
    WorkerEvent,
    WorkerExit,
    WorkerFailure,
    WorkerMessage,
    WorkerProgress,
)
from fuzz.cases.build_identity import BuildIdentity, build_identity

#: How long an agent waits for messages before it answers with those that it has.
_POLL_SECONDS = 0.5
#: An agent that has not ended so long after it was told to is killed.
_PATIENCE_SECONDS = 20.0
#: A worker is given up after more agents than this were lost without a case counted in between.
_MAX_LOSSES = 5


class ClusterError(Exception):
    """Why there is no cluster to run on, in one line."""


def connect(address: str) -> int:
    """Connect this process to a cluster.

    Returns:
        How many CPUs the cluster has.

    Raises:
        ClusterError: there is no cluster at the address.
    """
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
class AgentReply:
    """What an agent's worker sent, and whether more may come."""

    events: list[WorkerEvent]
    pending: bool


class Agent:
    """One worker of the campaign, on the machine where it runs.

    Args:
        plan: its directory is on the supervisor's machine, and not written to.
        build: the supervisor's build; with another one the cases would be others.
    """

    #: Makes the pool of the one worker.
    make_pool: Callable[[CampaignPlan], LocalWorkers] = LocalWorkers

    def __init__(
        self,
        plan: CampaignPlan,
        number: int,
        state: WorkerState,
        known: frozenset[str],
        seconds: float | None,
        build: BuildIdentity,
    ) -> None:
        self.number = number
        self.problem = ""
        self._directory = tempfile.TemporaryDirectory(prefix="clif-fuzz-")
        self._pool = self.make_pool(replace(plan, out=self._directory.name))
        try:
            check_build(build, build_identity())
        except ResumeError as error:
            self.problem = f"{platform.node()}: {error}"
        else:
            self._pool.start({number: state}, known, seconds)

    def poll(self, *, stop: bool) -> AgentReply:
        """Return what the worker has sent since the last call.

        Args:
            stop: let the worker finish its case and exit.
        """
        if self.problem:
            failure = WorkerEvent(self.number, WorkerFailure(self.problem))
            return AgentReply([failure], pending=False)
        if stop:
            self._pool.stop()
        events = [
            WorkerEvent(event.worker, _with_text(event.message))
            for event in self._pool.poll(_POLL_SECONDS)
        ]
        pending = self._pool.pending
        if not pending:
            self._pool.close()
            self._directory.cleanup()
        return AgentReply(events, pending)


def _with_text(message: WorkerMessage) -> WorkerMessage:
    """Put a finding's text in place of its file, which the supervisor cannot read."""
    if not isinstance(message, FindingReport):
        return message
    path = Path(message.summary.file)
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return FindingReport(replace(message.summary, file=""), text)


@dataclass(slots=True)
class _RemoteWorker:
    """A worker as the supervisor's machine sees it.

    Attributes:
        agent: Ray's handle of the actor.
        started: seconds between the start of the pool and that of the agent.
        losses: agents that were lost since a case was last counted.
    """

    number: int
    state: WorkerState
    agent: Any = None
    started: float = 0.0
    losses: int = 0


class RayWorkers:
    """A ``WorkerPool`` on the cluster that this process is connected to (``connect``).

    Args:
        agent: the class of the actors.
    """

    def __init__(self, plan: CampaignPlan, agent: type[Agent] = Agent) -> None:
        self.plan = plan
        self._remote = ray.remote(agent)
        self._build = build_identity()
        self._replies: dict[Any, _RemoteWorker] = {}
        self._known: set[str] = set()
        self._seconds: float | None = None
        self._began = 0.0
        self._stopping_since: float | None = None
        self._events: list[WorkerEvent] = []

    def start(
        self, states: Mapping[int, WorkerState], known: frozenset[str], seconds: float | None
    ) -> None:
        """Start an agent for each worker."""
        self._began = time.monotonic()
        self._known, self._seconds = set(known), seconds
        for number, state in states.items():
            self._place(_RemoteWorker(number, WorkerState(state.next_case, set(state.skip))))

    @property
    def pending(self) -> bool:
        """Whether ``poll`` may still return events."""
        return bool(self._replies or self._events)

    def poll(self, timeout: float) -> list[WorkerEvent]:
        """Return what the workers sent, after ``timeout`` seconds at the latest."""
        replies = list(self._replies)
        ready, _ = ray.wait(replies, num_returns=1, timeout=timeout)
        if ready:  # take all others that have arrived, too
            ready, _ = ray.wait(replies, num_returns=len(replies), timeout=0)
        for reply in ready:
            self._receive(reply)
        self._kill_stragglers()
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        """Let every worker finish its case; kill the agents that take too long."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()

    def close(self) -> None:
        """Kill the agents that are left, and leave the cluster."""
        for worker in self._replies.values():
            ray.kill(worker.agent)
        self._replies.clear()
        ray.shutdown()

    # --- agents ---

    def _place(self, worker: _RemoteWorker) -> None:
        """Start an agent somewhere.

        The successor of a lost agent asks Ray for no CPU: the lost machine took its own along, and
        no other may be free.
        """
        worker.started = time.monotonic() - self._began
        left = None if self._seconds is None else max(0.0, self._seconds - worker.started)
        options = {"num_cpus": 0 if worker.losses else 1, "scheduling_strategy": "SPREAD"}
        worker.agent = self._remote.options(**options).remote(
            self.plan, worker.number, worker.state, frozenset(self._known), left, self._build
        )
        self._request_reply(worker)

    def _request_reply(self, worker: _RemoteWorker) -> None:
        stop = self._stopping_since is not None
        self._replies[worker.agent.poll.remote(stop=stop)] = worker

    def _receive(self, reference: Any) -> None:
        worker = self._replies.pop(reference)
        try:
            reply: AgentReply = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._handle_loss(worker, error)
            return
        for event in reply.events:
            self._take(worker, event)
        if reply.pending:
            self._request_reply(worker)
        else:
            ray.kill(worker.agent)

    def _take(self, worker: _RemoteWorker, event: WorkerEvent) -> None:
        """Keep track of what a message says, and hand it on."""
        match event.message:
            case WorkerProgress() as progress:
                progress.statistics.wall_ns += int(worker.started * 1e9)
                if progress.next_case > worker.state.next_case:
                    worker.state.advance(progress.next_case)
                    worker.losses = 0
            case WorkerExit(case=int(index)):
                worker.state.skip.add(index)
            case FindingReport(summary=summary) if summary.known:
                self._known.add(summary.bucket)
        self._events.append(event)

    def _handle_loss(self, worker: _RemoteWorker, error: Exception) -> None:
        """Start a successor of an agent that is gone, mostly with its machine."""
        worker.losses += 1
        self._events.append(WorkerEvent(worker.number, WorkerExit()))
        if worker.losses > _MAX_LOSSES:
            reason = " ".join(str(error).split())[-300:]
            text = f"worker {worker.number} was lost time and again without a case done: {reason}"
            self._events.append(WorkerEvent(worker.number, WorkerFailure(text)))
        elif self._stopping_since is None:
            self._place(worker)

    def _kill_stragglers(self) -> None:
        since = self._stopping_since
        if since is None or time.monotonic() - since < _PATIENCE_SECONDS:
            return
        for worker in self._replies.values():
            ray.kill(worker.agent)
            self._events.append(WorkerEvent(worker.number, WorkerExit()))
        self._replies.clear()
