"""The line that shows how a campaign goes, while it goes."""

from __future__ import annotations

import sys
import time

from fuzz.plan import Plan
from fuzz.result import Result

_EVERY_SECONDS_ON_TERMINAL = 1.0
_EVERY_SECONDS_ELSEWHERE = 10.0


class StatusLine:
    """Rewrites one line on a terminal; elsewhere a plain line now and then. On stderr."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._terminal = sys.stderr.isatty()
        self._began = self._shown = time.monotonic()

    def show(self, result: Result) -> None:
        now = time.monotonic()
        every = _EVERY_SECONDS_ON_TERMINAL if self._terminal else _EVERY_SECONDS_ELSEWHERE
        if now - self._shown < every:
            return
        self._shown = now
        text = status_text(result, now - self._began)
        sys.stderr.write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Leaves the terminal as if there had been no such line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")


def status_text(result: Result, seconds: float) -> str:
    """Time, cases, rates, and whatever is not as it should be."""
    statistics = result.statistics
    rate = statistics.executions / max(seconds, 1e-9)
    text = (
        f"{seconds:5.0f} s  {statistics.cases} cases  {statistics.executions} executions  "
        f"{rate:.0f}/s  {statistics.executions_per_second:.0f}/s of CPU time  "
        f"findings {sum(not found.known for found in result.findings)}"
    )
    for label, number in (
        ("rejected", statistics.rejected.total()),
        ("hangs", statistics.hangs),
        ("unintended traps", statistics.unintended_traps),
        ("worker deaths", result.deaths),
    ):
        if number:
            text += f"  {label} {number}"
    return text
