"""Which edges of Cranelift and which ISLE rules something covers by being compiled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    SettingsError,
    Target,
    VerifierError,
)
from backend.cranelift.edge_counters import CoveredEdges, unpack
from backend.cranelift.reader import read_header, without_header
from backend.cranelift.rule_edges import GROUPS, Rule, RuleMap, RulesError, known_rules
from clif.printer import print_functions
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.pipeline import target_of

#: Rules that fired, and all that have code of their own, by group.
RuleCounts = Mapping[str, tuple[int, int]]

_OPT_LEVELS = ("none", "speed")
#: Between two points of a curve, in cases: some twenty points for some three thousand cases.
_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a run's curve: what was covered after so many cases and CPU seconds."""

    seconds: float
    cases: int
    edges: int
    rules: RuleCounts

    def to_json(self) -> dict[str, Any]:
        rules = {group: list(counts) for group, counts in self.rules.items()}
        return {
            "cpu_seconds": round(self.seconds, 3),
            "cases": self.cases,
            "edges": self.edges,
            "rules": rules,
        }


@dataclass(slots=True)
class Measurement:
    """What was compiled, and what that covered.

    Attributes:
        covered: one flag per edge.
        compiled: functions that compiled, once for each target; of cases, whole cases, once an ISA.
        failed: what was not compiled, by reason.
        examples: where a reason occurred first.
        curve: of a run; empty for files.
    """

    covered: NDArray[np.bool_]
    files: int = 0
    cases: int = 0
    compiled: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    curve: list[Point] = field(default_factory=list)

    @property
    def edges(self) -> int:
        return int(np.count_nonzero(self.covered))

    def note(self, reason: str, where: str) -> None:
        """Counts what could not be compiled."""
        self.failed[reason] += 1
        self.examples.setdefault(reason, where)


# --- files ---


def measure_files(paths: Iterable[Path], isas: Sequence[str]) -> Measurement:
    """Compiles every function of the files: for what each file's header says, and for each of
    ``isas`` with its default flags at ``opt_level`` none and speed.

    What cannot be read or compiled is counted by reason.
    """
    edges = CoveredEdges()
    found = Measurement(edges.covered)
    for path in paths:
        found.files += 1
        _measure_file(path, isas, edges, found)
    found.covered = edges.covered
    return found


def _measure_file(path: Path, isas: Sequence[str], edges: CoveredEdges, found: Measurement) -> None:
    try:
        text = path.read_text(encoding="utf-8")
        functions = Functions(without_header(text)).split()
    except (OSError, UnicodeDecodeError):
        found.note("file: cannot be read as text", str(path))
    except (ReadError, CompilerPanic) as error:
        found.note(_reason("read", error), str(path))
    else:
        for target in _targets(text, path, isas, found):
            for function in functions:
                _compile(function, target, str(path), found)
                edges.collect()


def _targets(text: str, path: Path, isas: Sequence[str], found: Measurement) -> list[Target]:
    targets = [Target.of(isa, {"opt_level": level}) for isa in isas for level in _OPT_LEVELS]
    try:
        settings, lines = read_header(text)
    except (ReadError, CompilerPanic) as error:
        found.note(_reason("header", error), str(path))
        return targets
    shared = {"opt_level": "none"} | _pairs(settings)  # as Cranelift's own tools read a file
    named = [line for line in lines if line.name.partition("-")[0] in isas]
    targets += [Target.of(line.name, shared, _pairs(line.flags)) for line in named]
    return list(dict.fromkeys(targets))


def _pairs(words: Iterable[str]) -> dict[str, str]:
    split = (word.partition("=") for word in " ".join(words).split())
    return {name: value or "true" for name, _, value in split}


def _compile(functions: Functions, target: Target, where: str, found: Measurement) -> bool:
    try:
        target.compile(functions)
    except SettingsError as error:
        found.note(f"settings: {error}", where)
    except (CompileError, CompilerPanic, VerifierError) as error:
        found.note(_reason(target.isa.partition("-")[0], error), where)
    else:
        found.compiled += 1
        return True
    return False


def _reason(stage: str, error: Exception) -> str:
    """The kind of an error, without names and numbers that differ from file to file."""
    if isinstance(error, CompilerPanic):
        return f"{stage}: panic at {getattr(error, 'location', 'an unknown place')}"
    if isinstance(error, VerifierError):
        return f"{stage}: refused by the verifier"
    if isinstance(error, ReadError):
        return f"{stage}: {getattr(error, 'message', error)}"
    return f"{stage}: {type(error).__name__}"


# --- runs ---


def measure_cases(
    options: CaseOptions, seed: int, *, cases: int | None = None, seconds: float | None = None
) -> Measurement:
    """Makes the cases of a seed and compiles each for all its ISAs, without running any.

    Ends after so many cases, or so many seconds by the clock. The curve's points are a constant
    factor apart in cases; its seconds are CPU time, making the cases included.
    """
    known_rules()  # takes a moment, which is not the cases'
    source = CaseSource(options, seed)
    edges = CoveredEdges()
    found = Measurement(edges.covered)
    began, began_cpu, due = monotonic(), process_time(), 1.0
    while (cases is None or found.cases < cases) and (
        seconds is None or monotonic() - began < seconds
    ):
        _measure_case(source.case(found.cases), options.isas, found)
        edges.collect()
        found.cases += 1
        if found.cases >= due:
            found.curve.append(_point(process_time() - began_cpu, found.cases, edges.covered))
            due = max(due + 1, due * _GROWTH)
    found.covered = edges.covered
    if not found.curve or found.curve[-1].cases < found.cases:
        found.curve.append(_point(process_time() - began_cpu, found.cases, found.covered))
    return found


def _measure_case(case: Case, isas: Sequence[str], found: Measurement) -> None:
    try:
        functions = Functions(print_functions(case.functions))
    except (ReadError, CompilerPanic) as error:
        found.note(_reason("read", error), case.origin)
        return
    for isa in filter(case.is_for, isas):
        target = target_of(case, isa)
        try:
            target.compile(functions, chaos=case.chaos)
            found.compiled += 1
        except (CompileError, CompilerPanic, VerifierError) as error:
            found.note(_reason(isa, error), case.origin)


def _point(seconds: float, cases: int, covered: NDArray[np.bool_]) -> Point:
    counts, _ = rule_counts(covered)
    return Point(seconds, cases, int(np.count_nonzero(covered)), counts or {})


# --- rules ---


def rule_counts(covered: NDArray[np.bool_]) -> tuple[RuleCounts | None, str]:
    """Rules that fired of each of the main groups; None with a reason if that cannot be told."""
    rules = known_rules()
    if isinstance(rules, RulesError):
        return None, str(rules)
    counts = rules.by_group(rules.fired(covered))
    return {group: counts[group] for group in GROUPS}, ""


def rule_counts_of_run(packed: bytes) -> tuple[RuleCounts | None, str]:
    """The same for the bit set that a campaign has of its edges."""
    return rule_counts(unpack(packed))


def by_file(rules: RuleMap, fired: NDArray[np.bool_]) -> dict[str, dict[str, tuple[int, int]]]:
    """Rules that fired, and all, of each file of each group."""
    counts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for rule, has_fired in zip(rules.rules, fired.tolist(), strict=True):
        entry = counts[rule.group][rule.file]
        entry[0] += has_fired
        entry[1] += 1
    return {
        group: {file: (fired_, total) for file, (fired_, total) in files.items()}
        for group, files in counts.items()
    }


def missing(rules: RuleMap, fired: NDArray[np.bool_]) -> Iterator[Rule]:
    """The rules that did not fire, by group, file and line."""
    pairs = zip(rules.rules, fired.tolist(), strict=True)
    return (rule for rule, has_fired in pairs if not has_fired)
