"""Charts over time, as SVG for a page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, floor, log10
from xml.etree.ElementTree import Element, tostring

import pygal
from pygal.style import Style

from reports.model import Sample

# pygal installs an import hook for plugins, which are not used here. Python warns of this hook at
# every later import.
sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != "pygal"]

#: The most points of a chart; more cannot be told apart at its width.
_POINTS = 240
_INK = "#7b8494"
#: Readable on a light background and on a dark one.
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground=_INK,
    foreground_strong=_INK,
    foreground_subtle="#7b849440",
    opacity="1",
    opacity_hover="1",
    colors=("#2f81f7",),
    font_family="inherit",
    label_font_size=15,
    major_label_font_size=15,
    title_font_size=17,
)


def over_time(samples: Sequence[Sample]) -> list[str]:
    """Return a campaign's charts as SVG; none for fewer than two samples."""
    if len(samples) < 2:
        return []
    few = _thinned(samples)
    return [
        _line("cases per second", _rates(few, lambda s: s.cases)),
        _line("Cranelift edges covered", [(s.seconds, s.edges) for s in few]),
        *([_line("findings", [(s.seconds, s.findings) for s in few])] if few[-1].findings else []),
    ]


def _thinned(samples: Sequence[Sample]) -> list[Sample]:
    step = -(-len(samples) // _POINTS)
    few = list(samples[::step])
    return few if few[-1] is samples[-1] else [*few, samples[-1]]


def _rates(samples: Sequence[Sample], count: Callable[[Sample], int]) -> list[tuple[float, float]]:
    """Return the count per second between each sample and the one before, at the later time."""
    return [
        (after.seconds, (count(after) - count(before)) / (after.seconds - before.seconds))
        for before, after in pairwise(samples)
        if after.seconds > before.seconds
    ]


def _line(title: str, points: Sequence[tuple[float, float]]) -> str:
    unit, size = _unit(points[-1][0] if points else 0.0)
    chart = pygal.XY(
        style=_STYLE,
        title=title,
        x_title=unit,
        width=640,
        height=320,
        js=(),
        show_legend=False,
        show_dots=len(points) < 2,
        stroke_style={"width": 5},
        x_labels=_ticks(points[-1][0] / size if points else 0.0),
        y_labels=_ticks(max((y for _, y in points), default=0.0)),
        value_formatter=lambda number: f"{number:,g}",
        x_value_formatter=lambda number: f"{number:g}",
        disable_xml_declaration=True,
        pretty_print=False,
    )
    chart.uuid = title.replace(" ", "-")  # else random: the same campaign must give the same page
    chart.add(title, [(round(x / size, 2), round(y, 1)) for x, y in points])
    return _without_scripts(chart.render_tree())


def _without_scripts(svg: Element) -> str:
    """Return the SVG without its scripts."""
    for parent in list(svg.iter()):
        for child in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(child)
    return tostring(svg, encoding="unicode")


def _ticks(top: float) -> list[float]:
    """Return about five round numbers from 0 to ``top`` or a little more."""
    top = max(top, 1e-9)
    power = 10.0 ** floor(log10(top / 4))
    step = next(n * power for n in (1, 2, 5, 10) if n * power * 5 >= top)
    return [round(n * step, 9) for n in range(ceil(top / step) + 1)]


def _unit(seconds: float) -> tuple[str, float]:
    """Return the unit for a time of that length, and the seconds of one unit."""
    for name, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return name, size
    return "seconds", 1.0
