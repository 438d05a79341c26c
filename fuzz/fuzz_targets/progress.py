"""What a target under libFuzzer has covered so far, over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic, process_time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backend.cranelift.edge_counters import counters

#: Points of the curve, in CPU seconds: each is so much more than the one before.
_GROWTH: Final = 1.2
_FIRST: Final = 5.0


@dataclass(frozen=True, slots=True)
class Point:
    """What was covered at one time. ``packed`` is one bit per edge."""

    cpu_seconds: float
    seconds: float
    units: int
    edges: int
    packed: bytes


@dataclass(slots=True)
class Progress:
    """The edges that units covered, and a curve of them.

    The counters are libFuzzer's, which clears them before each unit: they are only read.
    """

    curve: list[Point] = field(default_factory=list)
    _seen: NDArray[np.uint8] = field(default_factory=lambda: np.zeros_like(counters()))
    _live: NDArray[np.uint8] = field(default_factory=counters)
    _began: float = field(default_factory=monotonic)
    _began_cpu: float = field(default_factory=process_time)
    _due: float = _FIRST

    @property
    def edges(self) -> int:
        """How many edges of Cranelift were covered."""
        return int(np.count_nonzero(self._seen))

    def note(self, units: int) -> None:
        """Called after each unit, with how many there were."""
        np.bitwise_or(self._seen, self._live, out=self._seen)
        if process_time() - self._began_cpu >= self._due:
            self.mark(units)
            self._due *= _GROWTH

    def clear(self) -> None:
        """Sets the counters to zero, for whoever has no libFuzzer that does it."""
        self._live.fill(0)

    def mark(self, units: int) -> None:
        """Adds a point to the curve."""
        covered = self._seen.astype(np.bool_)
        self.curve.append(
            Point(
                process_time() - self._began_cpu,
                monotonic() - self._began,
                units,
                int(np.count_nonzero(covered)),
                np.packbits(covered).tobytes(),
            )
        )

    def to_json(self) -> list[dict[str, Any]]:
        """The curve, with the rules that fired where they are known."""
        from fuzz.survey.coverage import rule_counts_of_run

        points = []
        for point in self.curve:
            counts, _ = rule_counts_of_run(point.packed)
            rules = {group: list(pair) for group, pair in (counts or {}).items()}
            points.append(
                {
                    "cpu_seconds": round(point.cpu_seconds, 1),
                    "seconds": round(point.seconds, 1),
                    "units": point.units,
                    "edges": point.edges,
                    "rules": rules,
                }
            )
        return points
