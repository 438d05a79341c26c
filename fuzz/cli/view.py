"""The page that shows a running campaign on a terminal, redrawn every second."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.statistics import Statistics
from fuzz.differential.stage import Stage

_EVERY_SECONDS = 1.0
#: The time over which rates are averaged.
_WINDOW_SECONDS = 15.0
_MAX_BUCKETS = 6
_MAX_TRAPS = 8
_MIN_SAMPLE_LINES = 3
_BAR_CELLS = 60
_COLOURS = {
    Stage.GENERATE: "yellow",
    Stage.PRINT: "bright_black",
    Stage.READ: "white",
    Stage.INTERPRET: "magenta",
    Stage.COMPILE: "green",
    Stage.EMULATE: "blue",
    Stage.COMPARE: "red",
    Stage.CROSSCHECK: "cyan",
}


class LiveView:
    """A page on a terminal. Closing it removes everything that it has drawn."""

    def __init__(self, plan: CampaignPlan, console: Console) -> None:
        self.plan = plan
        self.console = console
        self._rates = Rates()
        self._shown = 0.0
        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> LiveView:
        self._live.start()
        self.show(CampaignResult())
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, result: CampaignResult) -> None:
        """Redraw the page if a second has passed since the last time."""
        now = time.monotonic()
        if now - self._shown >= _EVERY_SECONDS:
            self._shown = now
            self._rates.note(now, result.statistics)
            height = self.console.size.height
            self._live.update(page(self.plan, result, self._rates, height), refresh=True)


class Rates:
    """Cases and executions per second, averaged over the last seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int, int]] = deque()

    def note(self, now: float, statistics: Statistics) -> None:
        """Add the counts of a moment.

        Args:
            now: the moment, in seconds of any clock.
        """
        self._points.append((now, statistics.cases, statistics.executions))
        while now - self._points[0][0] > _WINDOW_SECONDS:
            self._points.popleft()

    @property
    def cases(self) -> float:
        """Cases per second."""
        return self._rate(1)

    @property
    def executions(self) -> float:
        """Executions per second."""
        return self._rate(2)

    def _rate(self, column: int) -> float:
        if len(self._points) < 2:
            return 0.0
        first, last = self._points[0], self._points[-1]
        return (last[column] - first[column]) / max(last[0] - first[0], 1e-9)


def page(plan: CampaignPlan, result: CampaignResult, rates: Rates, height: int) -> RenderableType:
    """Return the page.

    Args:
        height: of the terminal, in lines. If there is room, a sample case fills it.
    """
    parts: list[RenderableType] = [_counts(result, rates), *_shares(result.statistics)]
    parts += [Rule(style="bright_black"), *_findings(result)]
    used = len(parts) + 6 + min(_MAX_BUCKETS, len({r.bucket for r in result.unexplained}))
    free = height - used - 3
    if result.sample and free >= _MIN_SAMPLE_LINES:
        parts += [Rule("a case", style="bright_black"), _sample(result.sample, free)]
    isas = " ".join(plan.options.isas)
    title = f"clif-fuzz  seed {plan.seed}  {plan.jobs} job(s)  {isas}"
    return Panel(Group(*parts), title=title, subtitle=_clock(plan, result), padding=(0, 1))


def _counts(result: CampaignResult, rates: Rates) -> Table:
    statistics = result.statistics
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    for justify in ("right", "right", "right", "left"):
        table.add_column(justify=justify)
    table.add_row(
        "cases",
        f"{statistics.cases:,}",
        f"{rates.cases:,.0f}/s",
        f"{statistics.cases_per_second:,.0f}/s per core",
        _alarm("rejected", statistics.rejected.total()),
    )
    table.add_row(
        "executions",
        f"{statistics.executions:,}",
        f"{rates.executions:,.0f}/s",
        f"{statistics.executions_per_second:,.0f}/s per core",
        _alarm("hangs", statistics.hangs),
    )
    grew = f"last grew {_span(result.seconds - result.grew_at)} ago" if result.edges else ""
    table.add_row(
        "coverage",
        f"{result.edges:,}",
        "edges",
        f"corpus {result.corpus:,}",
        grew,
    )
    table.add_row(
        "workers",
        f"{len(result.memory_mib)}",
        "",
        f"{max(result.memory_mib.values(), default=0):,.0f} MiB at most",
        _alarm("deaths", result.deaths),
    )
    traps = ", ".join(f"{code} {n:,}" for code, n in statistics.traps.most_common(_MAX_TRAPS))
    group = Table.grid()
    group.add_row(table)
    group.add_row(Text.assemble(("traps  ", "bold"), traps or "none", overflow="ellipsis"))
    return group


def _alarm(label: str, number: int) -> Text:
    return Text(f"{label} {number:,}", "red" if number else "")


def _shares(statistics: Statistics) -> Iterator[Text]:
    """Yield a bar that shows which stages the CPU time went into, and its legend."""
    total = max(1, statistics.total_ns)
    bar, legend = Text(), Text()
    for stage in Stage:
        share = statistics.stage_ns[stage] / total
        if share >= 0.005:
            bar.append("█" * round(share * _BAR_CELLS), _COLOURS[stage])
            legend.append(f"{stage.label} {100 * share:.0f}%  ", _COLOURS[stage])
    if legend:
        other = 1 - sum(statistics.stage_ns) / total
        bar.append("░" * max(0, _BAR_CELLS - len(bar)), "bright_black")
        legend.append(f"other {100 * max(0, other):.0f}%", "bright_black")
    yield Text.assemble(("time   ", "bold"), bar, no_wrap=True, overflow="crop")
    yield Text.assemble("       ", legend)


def _findings(result: CampaignResult) -> Iterator[RenderableType]:
    buckets = Counter(summary.bucket for summary in result.unexplained)
    known = result.statistics.known_faults.total()
    title = f"{len(result.unexplained):,} in {len(buckets):,} buckets" if buckets else "none"
    yield Text.assemble(
        ("findings  ", "bold"),
        (title, "bold red" if buckets else "green"),
        (f"   known faults {known:,}" if known else "", "bright_black"),
    )
    for bucket, number in buckets.most_common(_MAX_BUCKETS):
        yield Text(f"  {number:6,}  {bucket}", no_wrap=True, overflow="ellipsis")
    if len(buckets) > _MAX_BUCKETS:
        yield Text(f"          and {len(buckets) - _MAX_BUCKETS} more", "bright_black")


def _sample(text: str, lines: int) -> Syntax:
    shown = text.splitlines()
    if len(shown) > lines:
        shown = [*shown[: lines - 1], "  ..."]
    # There is no lexer for CLIF; its values, comments and numbers look enough like LLVM's.
    return Syntax("\n".join(shown), "llvm", theme="ansi_dark", background_color="default")


def _clock(plan: CampaignPlan, result: CampaignResult) -> str:
    text = _span(result.seconds)
    if plan.seconds is not None:
        text += f" of {_span(plan.seconds)}"
    if plan.cases is not None:
        text += f", {result.statistics.cases:,} of {plan.cases:,} cases"
    return f"{text}, saved in {plan.out}. Ctrl-C ends it, --resume goes on"


def _span(seconds: float) -> str:
    """Return a duration as ``12 s``, ``3:25`` or ``1:02:03``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
