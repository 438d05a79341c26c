"""A campaign's figures as a text file for the collector of Prometheus' node exporter."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fuzz.campaign.fault_buckets import fault_buckets
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.statistics import Statistics
from fuzz.differential.stage import Stage

_EVERY_SECONDS = 5.0
#: Values, each with the values of its labels.
_Values = Iterable[tuple[tuple[str, ...], float]]


class MetricsFile:
    """The file, which is replaced every few seconds, in full or not at all.

    Attributes:
        problem: why the file could not be written the last time; otherwise empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self._collector = _Collector()
        self._registry = CollectorRegistry()
        self._registry.register(self._collector)
        self._written = 0.0

    def show(self, result: CampaignResult) -> None:
        """Write the file if a few seconds have passed since the last time."""
        if time.monotonic() - self._written >= _EVERY_SECONDS:
            self.write(result)

    def write(self, result: CampaignResult) -> None:
        """Write the file now."""
        self._written = time.monotonic()
        self._collector.result = result
        try:
            write_to_textfile(str(self.path), self._registry)
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror}"
        else:
            self.problem = ""


class _Collector(Collector):
    """Makes Prometheus' metrics of the latest result."""

    def __init__(self) -> None:
        self.result = CampaignResult()

    def collect(self) -> Iterable[Metric]:
        result, statistics = self.result, self.result.statistics
        yield _counter("cases", "Cases begun.", [((), statistics.cases)])
        yield _counter(
            "executions",
            "Inputs run on an ISA and compared in full.",
            _keys(statistics.executions_by_isa),
            "isa",
        )
        yield _counter("rejected", "Cases, by reason.", _keys(statistics.rejected), "reason")
        yield _counter("hangs", "Inputs that never end.", [((), statistics.hangs)])
        yield _counter("traps", "Inputs that trapped, by code.", _keys(statistics.traps), "code")
        yield _counter("known_faults", "By bucket.", _keys(statistics.known_faults), "bucket")
        yield _counter("worker_deaths", "Workers that died.", [((), result.deaths)])
        yield _counter(
            "cpu_seconds",
            "CPU time of the workers, by stage.",
            _seconds(statistics),
            "stage",
        )
        yield _counter("seconds", "How long the campaign has run.", [((), result.seconds)])
        unexplained = result.unexplained
        buckets = fault_buckets(unexplained, result.faults)
        findings = Counter(
            (bucket, summary.kind, summary.isa)
            for bucket, summary in zip(buckets, unexplained, strict=True)
        )
        yield _gauge("findings", "By bucket.", findings.items(), "bucket", "kind", "isa")
        old = Counter((summary.bucket, summary.kind, summary.isa) for summary in result.old)
        text = "Findings that the base has, too, by bucket."
        yield _gauge("old_findings", text, old.items(), "bucket", "kind", "isa")
        pending = [((), result.pending)]
        yield _gauge("unasked_findings", "Findings without an answer of the base.", pending)
        yield _gauge("edges", "Edges of Cranelift covered.", [((), result.edges)])
        yield _gauge("corpus", "Cases that covered a new edge.", [((), result.corpus)])
        yield _gauge(
            "worker_memory_bytes",
            "Resident memory, by worker.",
            [((str(n),), mib * (1 << 20)) for n, mib in result.memory_mib.items()],
            "worker",
        )


def _keys(counter: Counter[str]) -> _Values:
    return (((key,), number) for key, number in counter.items())


def _seconds(statistics: Statistics) -> _Values:
    for stage in Stage:
        yield (stage.label,), statistics.stage_ns[stage] / 1e9
    yield ("other",), (statistics.total_ns - sum(statistics.stage_ns)) / 1e9


def _counter(name: str, text: str, values: _Values, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(f"clif_fuzz_{name}", text, labels=labels), values)


def _gauge(name: str, text: str, values: _Values, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(f"clif_fuzz_{name}", text, labels=labels), values)


def _filled(
    family: CounterMetricFamily | GaugeMetricFamily, values: _Values
) -> CounterMetricFamily | GaugeMetricFamily:
    for labels, value in values:
        family.add_metric(labels, value)
    return family
