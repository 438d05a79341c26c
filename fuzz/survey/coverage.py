"""Which edges of Cranelift and which ISLE rules are covered by compiling files or cases."""

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
from backend.cranelift.isle import LOWERING
from backend.cranelift.reader import read_header, without_header
from backend.cranelift.rule_edges import RulesError, known_rules
from backend.cranelift.rule_map import GROUPS, RuleId, RuleMap
from backend.isa.registry import DEFAULT_ISAS
from clif.printer import print_functions
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.target import compile_case

#: By group: how many rules fired, and how many have code of their own.
RuleCounts = Mapping[str, tuple[int, int]]

_OPT_LEVELS = ("none", "speed")
#: Factor in cases from one point of a curve to the next: 3000 cases have about 20 points.
_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """A point of a curve: what was covered after a number of cases and CPU seconds."""

    seconds: float
    cases: int
    edges: int
    rules: RuleCounts

    def to_json(self) -> dict[str, Any]:
        """Return the point as JSON."""
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
        compiled: how many functions of files compiled, counted for each target; for generated
            cases, how many cases compiled, counted for each ISA and configuration.
        failed: how many did not compile, by reason.
        examples: by reason, where it occurred first.
        curve: for generated cases; empty for files.
    """

    covered: NDArray[np.bool_]
    files: int = 0
    cases: int = 0
    compiled: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    curve: list[CoveragePoint] = field(default_factory=list)

    @property
    def edges(self) -> int:
        """The number of edges covered."""
        return int(np.count_nonzero(self.covered))

    def note(self, reason: str, where: str) -> None:
        """Count a function, case or file that could not be compiled."""
        self.failed[reason] += 1
        self.examples.setdefault(reason, where)


# --- files ---


def measure_files(paths: Iterable[Path], isas: Sequence[str]) -> Measurement:
    """Compile every function of files, and measure what that covers.

    Each is compiled for each of ``isas`` with its default flags at ``opt_level`` none and speed,
    and for the targets of its file's header. What cannot be read or compiled is counted by reason.
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
    shared = {"opt_level": "none"} | _pairs(settings)  # the default of Cranelift's own tools
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
    """Return the kind of an error, without names and numbers that differ between files."""
    if isinstance(error, CompilerPanic):
        return f"{stage}: panic at {getattr(error, 'location', 'an unknown place')}"
    if isinstance(error, VerifierError):
        return f"{stage}: refused by the verifier"
    if isinstance(error, ReadError):
        return f"{stage}: {getattr(error, 'message', error)}"
    return f"{stage}: {type(error).__name__}"


# --- generated cases ---


def measure_cases(
    options: CaseOptions, seed: int, *, cases: int | None = None, seconds: float | None = None
) -> Measurement:
    """Generate the cases of a seed, compile each for its ISAs, and measure what that covers.

    Args:
        cases: how many; None for no limit.
        seconds: of wall-clock time, after which to stop; None for no limit.

    Returns:
        The coverage, with a curve whose seconds are CPU time for generating and compiling.
    """
    known_rules()  # takes seconds when it is first called, which must not count
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
            point = _point(process_time() - began_cpu, found.cases, edges.covered, options.isas)
            found.curve.append(point)
            due = max(due + 1, due * _GROWTH)
    found.covered = edges.covered
    if not found.curve or found.curve[-1].cases < found.cases:
        point = _point(process_time() - began_cpu, found.cases, found.covered, options.isas)
        found.curve.append(point)
    return found


def _measure_case(case: Case, isas: Sequence[str], found: Measurement) -> None:
    try:
        functions = Functions(print_functions(case.functions))
    except (ReadError, CompilerPanic) as error:
        found.note(_reason("read", error), case.origin)
        return
    for configured in case.configurations():
        for isa in filter(case.is_for, isas):
            try:
                compile_case(configured, isa, functions)
                found.compiled += 1
            except (CompileError, CompilerPanic, VerifierError) as error:
                found.note(_reason(isa, error), configured.origin)


def _point(
    seconds: float, cases: int, covered: NDArray[np.bool_], isas: Sequence[str]
) -> CoveragePoint:
    counts, _ = rule_counts(covered, isas)
    return CoveragePoint(seconds, cases, int(np.count_nonzero(covered)), counts or {})


# --- rules ---


def rule_counts(
    covered: NDArray[np.bool_], isas: Iterable[str] = DEFAULT_ISAS
) -> tuple[RuleCounts | None, str]:
    """Count the rules that fired, by group, from the covered edges.

    Args:
        isas: those that were compiled for. Groups of others are left out where none fired.

    Returns:
        The counts, or None and the reason why this build cannot tell.
    """
    rules = known_rules()
    if isinstance(rules, RulesError):
        return None, str(rules)
    counts = rules.by_group(rules.fired(covered))
    return {group: counts[group] for group in shown_groups(counts, isas)}, ""


def shown_groups(counts: Mapping[str, tuple[int, int]], isas: Iterable[str]) -> list[str]:
    """Return the groups of rules that a table for some ISAs has: theirs, and those that fired."""
    units = {LOWERING[isa] for isa in isas if isa in LOWERING}
    return [g for g in GROUPS if g == GROUPS[0] or LOWERING.get(g, g) in units or counts[g][0]]


def rule_counts_of_run(
    packed: bytes, isas: Iterable[str] = DEFAULT_ISAS
) -> tuple[RuleCounts | None, str]:
    """Count the rules that fired from the bit set of a campaign's edges; see ``rule_counts``."""
    return rule_counts(unpack(packed), isas)


def by_file(rules: RuleMap, fired: NDArray[np.bool_]) -> dict[str, dict[str, tuple[int, int]]]:
    """Count by group and file the rules that fired, and all rules with code of their own."""
    counts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for rule, has_fired in zip(rules.rules, fired.tolist(), strict=True):
        entry = counts[rule.group][rule.file]
        entry[0] += has_fired
        entry[1] += 1
    return {
        group: {file: (fired_, total) for file, (fired_, total) in files.items()}
        for group, files in counts.items()
    }


def missing(rules: RuleMap, fired: NDArray[np.bool_]) -> Iterator[RuleId]:
    """Return the rules that did not fire, by group, file and line."""
    pairs = zip(rules.rules, fired.tolist(), strict=True)
    return (rule for rule, has_fired in pairs if not has_fired)
