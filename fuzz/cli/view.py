"""The page that shows a running campaign on a terminal, redrawn every second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.statistics import Statistics
from fuzz.cli.clif_lexer import ClifLexer
from fuzz.cli.status import preparing
from fuzz.differential.stage import Stage
from reports.text import printable

_EVERY_SECONDS = 1.0
#: The time over which rates are averaged.
_WINDOW_SECONDS = 15.0
_MAX_BUCKETS = 6
_MAX_TRAPS = 8
_MIN_SAMPLE_LINES = 3
_BAR_CELLS = 60
#: Stages that take less of the CPU time are among "other" in the legend.
_NAMED_SHARE = 0.03
#: Width of the labels at the beginning of lines.
_LABEL = 12
#: Columns of the terminal from which on there is room for words in full.
_WIDE = 72
_RATE_TITLES = ("/s by the clock", "/s of CPU time")
_SHORT_RATE_TITLES = ("/s clock", "/s of CPU")
#: Lines that the frame takes, and one below it, where the cursor is.
_FRAME_LINES = 3
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
            width, height = self.console.size
            shown = page(self.plan, result, self._rates, height, width)
            self._live.update(shown, refresh=True)


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


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the page.

    Attributes:
        rank: lines of the highest rank are the first to go when the window is small.
    """

    rank: int
    text: RenderableType


def page(
    plan: CampaignPlan, result: CampaignResult, rates: Rates, height: int, width: int = 80
) -> RenderableType:
    """Return the page.

    Args:
        height, width: of the terminal. Lines that do not fit are left out, findings last; if there
            is room, a sample case fills it.
    """
    room = max(1, height - _FRAME_LINES)
    lines = [*_counts(plan, result, rates, width), *_shares(result.statistics, width)]
    lines += [_Line(9, Rule(style="bright_black")), *_findings(result, room)]
    parts = [line.text for line in _fitting(lines, room)]
    free = room - len(parts) - 1
    if result.sample and free >= _MIN_SAMPLE_LINES:
        parts += [Rule("a case", style="bright_black"), _sample(result.sample, free)]
    isas = " ".join(plan.options.isas)
    title = f"clif-fuzz  seed {plan.seed}  {plan.jobs} job(s)  {isas}"
    subtitle = _clock(plan, result, width)
    return Panel(Group(*parts), title=title, subtitle=subtitle, padding=(0, 1))


def _fitting(lines: Sequence[_Line], room: int) -> list[_Line]:
    """Return as many lines as there is room for, those of the lowest ranks."""
    by_rank = sorted(range(len(lines)), key=lambda at: (lines[at].rank, at))
    kept = set(by_rank[:room])
    return [line for at, line in enumerate(lines) if at in kept]


def _counts(
    plan: CampaignPlan, result: CampaignResult, rates: Rates, width: int
) -> Iterator[_Line]:
    statistics = result.statistics
    if not statistics.cases:
        yield _Line(2, _text("preparing", preparing(plan)))
        return
    clock, cpu = _RATE_TITLES if width >= _WIDE else _SHORT_RATE_TITLES

    def counts(number: str, by_clock: str, by_cpu: str) -> str:
        return f"{number:>11}  {by_clock:>{len(clock)}}  {by_cpu:>{len(cpu)}}"

    yield _Line(2, _text("", "").append(counts("", clock, cpu), "bright_black"))
    per_clock, per_cpu = f"{rates.cases:,.0f}", f"{statistics.cases_per_second:,.0f}"
    yield _Line(3, _text("cases", counts(f"{statistics.cases:,}", per_clock, per_cpu)))
    per_clock, per_cpu = f"{rates.executions:,.0f}", f"{statistics.executions_per_second:,.0f}"
    yield _Line(4, _text("executions", counts(f"{statistics.executions:,}", per_clock, per_cpu)))
    grew = f", last grew {_span(result.seconds - result.grew_at)} ago" if result.edges else ""
    yield _Line(5, _text("coverage", f"{result.edges:,} edges{grew}, corpus {result.corpus:,}"))
    memory = max(result.memory_mib.values(), default=0)
    problems = [
        ("rejected", statistics.rejected.total()),
        ("hangs", statistics.hangs),
        ("deaths", result.deaths),
    ]
    text = _text("problems", "")
    for name, number in problems:
        text.append(f"{name} {number:,}  ", "red" if number else "")
    yield _Line(6, text)
    yield _Line(8, _text("workers", f"{len(result.memory_mib)}, {memory:,.0f} MiB at most"))
    traps = ", ".join(f"{code} {n:,}" for code, n in statistics.traps.most_common(_MAX_TRAPS))
    yield _Line(9, _text("traps", traps or "none"))


def _text(label: str, rest: str) -> Text:
    """Return a line with a label; what is too long for the window is cut off."""
    text = Text(no_wrap=True, overflow="ellipsis")
    return text.append(f"{label:{_LABEL}}", "bold").append(rest)


def _shares(statistics: Statistics, width: int) -> Iterator[_Line]:
    """Yield a bar that shows which stages the CPU time went into, and its legend."""
    total = max(1, statistics.total_ns)
    bar, legend = _text("CPU time", ""), _text("", "")
    cells = min(_BAR_CELLS, width - _LABEL - 4)
    drawn, named = 0, 0.0
    for stage in Stage:
        share = statistics.stage_ns[stage] / total
        if share >= 0.005:
            drawn += round(share * cells)
            bar.append("█" * round(share * cells), _COLOURS[stage])
        if share >= _NAMED_SHARE:
            named += share
            legend.append(f"{stage.label} {100 * share:.0f}%  ", _COLOURS[stage])
    if not drawn:
        return
    bar.append("░" * max(0, cells - drawn), "bright_black")
    legend.append(f"other {100 * max(0, 1 - named):.0f}%", "bright_black")
    yield _Line(7, bar)
    yield _Line(7, legend)


def _findings(result: CampaignResult, room: int) -> Iterator[_Line]:
    buckets = result.buckets
    known = result.statistics.known_faults.total()
    title = f"{len(result.unexplained):,} in {len(buckets):,} buckets" if buckets else "none"
    text = _text("findings", "").append(title, "bold red" if buckets else "green")
    text.append(f"   known faults {known:,}" if known else "", "bright_black")
    old = len(result.old)
    yield _Line(0, text.append(f"   old {old:,}" if old else "", "bright_black"))
    most = min(_MAX_BUCKETS, max(1, room - 4))
    all_fit = len(buckets) <= most or most == 1
    shown = buckets.most_common(most if all_fit else most - 1)
    for bucket, number in shown:
        yield _Line(
            1, Text(f"  {number:6,}  {printable(bucket)}", no_wrap=True, overflow="ellipsis")
        )
    if len(buckets) > len(shown):
        yield _Line(1, Text(f"          and {len(buckets) - len(shown)} more", "bright_black"))


def _sample(text: str, lines: int) -> Syntax:
    lines_of_file = printable(text).splitlines()
    start = (n for n, line in enumerate(lines_of_file) if line.startswith("function"))
    shown = lines_of_file[next(start, 0) :]
    if len(shown) > lines:
        shown = [*shown[: lines - 1], "  ..."]
    code = "\n".join(shown)
    return Syntax(code, ClifLexer(), theme="ansi_dark", background_color="default")


def _clock(plan: CampaignPlan, result: CampaignResult, width: int) -> str:
    text = _span(result.seconds)
    if plan.seconds is not None:
        text += f" of {_span(plan.seconds)}"
    if plan.cases is not None:
        text += f", {result.statistics.cases:,} of {plan.cases:,} cases"
    if width < _WIDE:
        return f"{text}. Ctrl-C ends it"
    return f"{text}, saved in {plan.out}. Ctrl-C ends it, --resume goes on"


def _span(seconds: float) -> str:
    """Return a duration as ``12 s``, ``3:25`` or ``1:02:03``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
