"""Which ISLE rules fired, told from the edges that were covered.

Once an edge is passed, some instructions are sure to run (``backend.cranelift.basic_block``). Debug
information leads from these to lines of the generated code, and those to the rule whose right-hand
side they are (``backend.cranelift.isle_generated``). The map is kept in the user's cache folder,
under a name that stands for the extension's build.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backend.cranelift import (
    _cranelift,
    basic_block,
    disk_cache,
    edge_counters,
    isle,
    isle_generated,
)
from backend.cranelift.basic_block import StraightLines

#: The groups that every build has, by the names that reports use.
GROUPS: Final = ("mid_end", "x86_64", "aarch64")

_GENERATED = re.compile(r"isle_(\w+)\.rs")
_NAMES: Final = {"opt": "mid_end", "x64": "x86_64"}
_OUT_DIR: Final = "<OUT_DIR>/"
_PRELUDE: Final = "src/isle_prelude.rs"


class RulesError(Exception):
    """This build's rules cannot be told from its edges: why."""


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A rule, by its place. One that two backends include is a rule of each.

    Attributes:
        group: ``mid_end`` for the rules in ``opts/*.isle``, an ISA's name for its ``lower.isle``;
            with `` (other)`` behind it for what else the mid-end or the ISA includes.
        file: ``src/opts/arithmetic.isle``, or a generated one: ``<OUT_DIR>/assembler.isle``.
        line: where the rule begins (what follows the word ``rule``), counted from 1.
    """

    group: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class RuleMap:
    """The rules of a build that have code of their own, and their edges.

    The compiler merges the right-hand sides of some rules with other code: those cannot be told.

    Attributes:
        rules: those with code of their own, sorted.
        without_code: those that have none, sorted; ``merged`` is how many of each group.
        sources: the ``.isle`` file of each name in ``Rule.file``, as far as its place is known.
    """

    def __init__(
        self,
        edges_of: Mapping[Rule, Iterable[int]],
        without_code: Iterable[Rule],
        sources: Mapping[str, Path],
    ) -> None:
        self.rules = tuple(sorted(edges_of))
        self.without_code = tuple(sorted(without_code))
        self.merged = dict(Counter(rule.group for rule in self.without_code))
        self.sources = dict(sources)
        self._edges_of = {rule: frozenset(edges) for rule, edges in edges_of.items()}
        pairs = [(e, n) for n, rule in enumerate(self.rules) for e in self._edges_of[rule]]
        self._pairs = np.array(pairs, np.intp).reshape(-1, 2)

    def fired(self, covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """One flag for each of ``rules``: whether its right-hand side ran, all conditions met.

        ``covered`` has one flag per edge.
        """
        fired = np.zeros(len(self.rules), np.bool_)
        edges, rules = self._pairs.T
        fired[rules[covered[edges]]] = True
        return fired

    def edges(self, rule: Rule) -> frozenset[int]:
        """The edges of a rule's right-hand side; none for one without code of its own."""
        return self._edges_of.get(rule, frozenset())

    def by_group(self, fired: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
        """Rules that fired, and all, of each group; those of ``GROUPS`` first."""
        counts = dict.fromkeys(GROUPS, (0, 0))
        for group, numbers in sorted(self._numbers.items()):
            counts[group] = int(np.count_nonzero(fired[numbers])), len(numbers)
        return counts

    @cached_property
    def _numbers(self) -> dict[str, NDArray[np.intp]]:
        groups = np.array([rule.group for rule in self.rules])
        return {group: np.flatnonzero(groups == group) for group in set(groups.tolist())}

    def source_line(self, rule: Rule) -> str:
        """The line that the rule begins with, or nothing where its source is not found."""
        return _line(self.sources.get(rule.file), rule.line)


@lru_cache(maxsize=64)
def _lines(file: Path) -> tuple[str, ...]:
    try:
        return tuple(file.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return ()


def _line(file: Path | None, line: int) -> str:
    lines = _lines(file) if file is not None else ()
    return lines[line - 1].strip() if 1 <= line <= len(lines) else ""


def rule_map(*, cache_folder: Path | None = None) -> RuleMap:
    """The map of the extension's build, from the cache where possible.

    Raises:
        RulesError: no counters, no debug information, or the generated code is gone.
    """
    build = disk_cache.fingerprint(__file__, isle_generated.__file__, basic_block.__file__).hex()[
        :20
    ]
    file = (cache_folder or disk_cache.folder()) / f"rules-{build}.json"
    found = _load(file)
    if found is None:
        with edge_counters.uncounted():  # reading debug information runs in the extension too
            found = _find()
        disk_cache.save(file, _dump(found))
    return found


@lru_cache(maxsize=1)
def known_rules() -> RuleMap | RulesError:
    """The map of this build, read once, or why there is none."""
    try:
        return rule_map()
    except RulesError as error:
        return error


# --- from edges to rules ---


def _find() -> RuleMap:
    if not len(edge_counters.counters()):
        raise RulesError("this build has no coverage counters")
    files, rows = _lines_of_edges()
    units = {n: unit for n, file in enumerate(files) if (unit := _unit(file)) is not None}
    if not units:
        raise RulesError("no debug information of rules in this build")
    codes = {n: isle_generated.right_hand_sides(_read(files[n])) for n in units}
    all_places = [(n, *place) for n in units for place in codes[n][0]]
    sources = _sources(files, units, {file for _, file, _ in all_places})
    first = _first_line([(sources.get(file), line) for _, file, line in all_places])

    def rule_at(unit: int, name: str, line: int) -> Rule:
        return _rule(units[unit], name, line + 1 - first)

    edges_of: dict[Rule, set[int]] = {}
    for edge, file, line in rows:
        # Of frames further out than the innermost too: what is inlined into a right-hand side
        # runs only if that does.
        place = codes[file][1].get(line) if file in codes else None
        if place is not None:
            edges_of.setdefault(rule_at(file, *place), set()).add(edge)
    without_code = {rule_at(*place) for place in all_places} - edges_of.keys()
    return RuleMap(edges_of, without_code, sources)


def _lines_of_edges() -> tuple[list[str], list[tuple[int, int, int]]]:
    """Files of generated code, and rows of edge, index of the file, line: all lines that are sure
    to run once the edge is passed."""
    pcs = edge_counters.edge_pcs().tolist()
    files, rows = _source_lines(pcs)
    generated_code = {n for n, file in enumerate(files) if _unit(file) is not None}
    edges = sorted({edge for edge, file, _ in rows if file in generated_code})
    code = StraightLines(max(pcs))
    addresses: list[int] = []
    passed: list[int] = []
    for edge in edges:
        found = list(code.addresses(pcs[edge]))
        addresses += found
        passed += [edge] * len(found)
    files, rows = _source_lines(addresses)
    return files, [(passed[index], file, line) for index, file, line in rows]


def _source_lines(addresses: list[int]) -> tuple[list[str], list[tuple[int, int, int]]]:
    try:
        return _cranelift.source_lines(Path(_cranelift.__file__), addresses, "isle_")
    except (OSError, ValueError) as error:
        raise RulesError(f"no debug information: {error}") from error


def _first_line(places: Iterable[tuple[Path | None, int]]) -> int:
    """What the generated code calls a file's first line. ISLE counts from 0 as yet; where the
    sources are found, they decide."""
    votes = [0, 0]
    for file, line in places:
        for first in (0, 1):
            votes[first] += _line(file, line + 1 - first).startswith("(rule")
    return int(votes[1] > votes[0])


def _unit(file: str) -> str | None:
    """What a generated file is for: the mid-end or an ISA. None for a file without rules."""
    found = _GENERATED.fullmatch(Path(file).name)
    if found is None or found[1] in ("prelude", "numerics"):
        return None
    return _NAMES.get(found[1], found[1])


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"cannot read the code generated of the rules: {file}") from error


def placed(unit: str, rule: isle.Rule) -> Rule:
    """The place of a rule of one of ``isle.UNITS``."""
    return _rule(_NAMES.get(unit, unit), rule.file, rule.line)


def _rule(unit: str, file: str, line: int) -> Rule:
    path = Path(file)
    own = path.parent.name == "opts" if unit == "mid_end" else path.name == "lower.isle"
    return Rule(unit if own else f"{unit} (other)", file, line)


def _sources(files: list[str], units: Mapping[int, str], names: set[str]) -> dict[str, Path]:
    """Where Cranelift's sources are is told by a file of theirs that has edges."""
    out = next(Path(files[n]).parent for n in units)
    preludes = [*files, *_sources_of_build(out)]
    roots = (Path(file).parents[1] for file in preludes if file.endswith(_PRELUDE))
    root = next((root for root in roots if root.is_dir()), None)
    sources = {}
    for name in names:
        if name.startswith(_OUT_DIR):
            sources[name] = out / name.removeprefix(_OUT_DIR)
        elif root is not None:
            sources[name] = root / name
    return sources


def _sources_of_build(out: Path) -> list[str]:
    """What cargo notes of the crate that was built with a folder of generated code: the debug
    information of a lone ``cranelift-codegen`` does not say where that lies."""
    for file in sorted((out.parents[2] / "deps").glob("cranelift_codegen-*.d")):
        with suppress(OSError, UnicodeDecodeError):
            text = file.read_text(encoding="utf-8")
            if str(out) in text:
                return [
                    line[:-1].replace("\\ ", " ") for line in text.splitlines() if line[-1:] == ":"
                ]
    return []


# --- the cache ---


def _dump(found: RuleMap) -> str:
    rules = [[r.group, r.file, r.line, sorted(found.edges(r))] for r in found.rules]
    sources = {name: str(file) for name, file in found.sources.items()}
    without_code = [[r.group, r.file, r.line] for r in found.without_code]
    return json.dumps({"rules": rules, "without_code": without_code, "sources": sources})


def _load(file: Path) -> RuleMap | None:
    """None for a file that is missing, unreadable or damaged."""
    edges = len(edge_counters.counters())
    try:
        raw: Any = json.loads(file.read_text(encoding="utf-8"))
        edges_of = {
            Rule(str(group), str(name), int(line)): [int(edge) for edge in numbers]
            for group, name, line, numbers in raw["rules"]
        }
        without_code = [Rule(str(g), str(name), int(line)) for g, name, line in raw["without_code"]]
        sources = {str(name): Path(place) for name, place in raw["sources"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    valid = all(0 <= edge < edges for numbers in edges_of.values() for edge in numbers)
    return RuleMap(edges_of, without_code, sources) if valid and edges_of else None
