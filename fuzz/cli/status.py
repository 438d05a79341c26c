"""Showing how a campaign goes: a page on a terminal, lines of text elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from typing import Protocol

from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult

_EVERY_SECONDS = 10.0
#: A start that takes less time is not worth a line.
_PATIENCE_SECONDS = 1.0


class View(Protocol):
    """Shows a running campaign."""

    def show(self, result: CampaignResult) -> None:
        """Show the result so far, if it was last shown long enough ago."""


def open_view(plan: CampaignPlan) -> AbstractContextManager[View]:
    """Return the view that suits stderr."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        from fuzz.cli.view import LiveView

        return LiveView(plan, console)
    return PlainLines(plan)


def preparing(plan: CampaignPlan) -> str:
    """Return what happens before there are cases."""
    workers = f"{plan.jobs} worker" + "s" * (plan.jobs != 1)
    return f"what each ISA supports, and CLIF for ISLE rules ({workers})"


class PlainLines:
    """A line on stderr every ten seconds; at first one that says what is being prepared."""

    def __init__(self, plan: CampaignPlan) -> None:
        self._plan = plan
        self._began = self._shown = time.monotonic()
        self._said = False

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, result: CampaignResult) -> None:
        """Write a line if ten seconds have passed since the last one."""
        now = time.monotonic()
        if not (self._said or result.statistics.cases) and now - self._began >= _PATIENCE_SECONDS:
            self._said = True
            sys.stderr.write(f"preparing {preparing(self._plan)}\n")
            sys.stderr.flush()
        if now - self._shown >= _EVERY_SECONDS:
            self._shown = now
            sys.stderr.write(f"{status_text(result)}\n")
            sys.stderr.flush()


def status_text(result: CampaignResult) -> str:
    """Return a line with time, counts and rates, and with what should be zero and is not."""
    statistics, seconds = result.statistics, result.seconds
    rate = statistics.executions / max(seconds, 1e-9)
    text = (
        f"{seconds:5.0f} s  {statistics.cases} cases  {statistics.executions} executions  "
        f"{rate:.0f}/s by the clock  {statistics.executions_per_second:.0f}/s of CPU time  "
        f"edges {result.edges}  findings {len(result.unexplained)}"
    )
    for label, number in (
        ("old", len(result.old)),
        ("rejected", statistics.rejected.total()),
        ("hangs", statistics.hangs),
        ("unintended traps", statistics.unintended_traps),
        ("worker deaths", result.deaths),
    ):
        if number:
            text += f"  {label} {number}"
    return text
