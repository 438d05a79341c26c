"""Edges and ISLE rules that a fuzz target covers over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic, process_time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backend.cranelift.edge_counters import counters
from fuzz.survey.coverage import rule_counts_of_run

#: CPU seconds of the first point, and the factor from one point to the next.
_FIRST: Final = 5.0
_GROWTH: Final = 1.2


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was covered by a certain time.

    Attributes:
        packed: the covered edges, one bit per edge.
    """

    cpu_seconds: float
    seconds: float
    units: int
    edges: int
    packed: bytes


@dataclass(slots=True)
class CoverageCurve:
    """The edges that units covered, as a curve over CPU time.

    libFuzzer clears the counters before each unit; here they are only read.
    """

    points: list[CurvePoint] = field(default_factory=list)
    _seen: NDArray[np.uint8] = field(default_factory=lambda: np.zeros_like(counters()))
    _live: NDArray[np.uint8] = field(default_factory=counters)
    _began: float = field(default_factory=monotonic)
    _began_cpu: float = field(default_factory=process_time)
    _due: float = _FIRST

    @property
    def edges(self) -> int:
        """The number of Cranelift's edges covered so far."""
        return int(np.count_nonzero(self._seen))

    def note(self, units: int) -> None:
        """Collect what a unit covered; ``units`` is the number of units so far."""
        np.bitwise_or(self._seen, self._live, out=self._seen)
        if process_time() - self._began_cpu >= self._due:
            self.mark(units)
            self._due *= _GROWTH

    def clear(self) -> None:
        """Set the counters to zero, for callers without libFuzzer."""
        self._live.fill(0)

    def mark(self, units: int) -> None:
        """Add a point to the curve."""
        covered = self._seen.astype(np.bool_)
        self.points.append(
            CurvePoint(
                process_time() - self._began_cpu,
                monotonic() - self._began,
                units,
                int(np.count_nonzero(covered)),
                np.packbits(covered).tobytes(),
            )
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return the points, with the number of rules that fired if the build can tell."""
        points = []
        for point in self.points:
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
