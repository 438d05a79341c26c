"""Finds the edges of every ISLE rule: which rules fired is then told from the covered edges.

Once an edge is passed, some instructions are sure to run. Debug information leads from these to
lines of the generated code, and those to the rule whose right-hand side they are
(``backend.cranelift.isle_generated`` knows both). The result is kept in the user's cache folder,
under a name that stands for the extension's build.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from backend.cranelift import (
    _cranelift,
    disk_cache,
    edge_counters,
    isa_names,
    isle,
    isle_generated,
    post_dominators,
)
from backend.cranelift.isle_generated import Place
from backend.cranelift.rule_map import GROUPS, RuleId, RuleMap, source_line

_GENERATED: Final = re.compile(r"isle_(\w+)\.rs")
#: The group of rules in a generated file, by the file's name for it.
#: Generated files are called as the folders of the rules are.
_UNIT_OF_FOLDER: Final = {names.folder: names.rules for names in isa_names.CRANELIFT_NAMES.values()}
_GROUP_NAMES: Final = {isle.MID_END: GROUPS[0], **isa_names.RULE_GROUPS}
_OUT_DIR: Final = "<OUT_DIR>/"
_PRELUDE: Final = "src/isle_prelude.rs"


class RulesError(Exception):
    """Which rules fire cannot be told in this build; the message says why."""


def load_rule_map(*, cache_folder: Path | None = None) -> RuleMap:
    """Return the map of the extension's build, from the cache where possible.

    Raises:
        RulesError: no counters, no debug information, or the generated code is gone.
    """
    build = disk_cache.fingerprint(
        __file__, isle_generated.__file__, post_dominators.__file__, isa_names.__file__
    )
    file = (cache_folder or disk_cache.folder()) / f"rules-{build.hex()[:20]}.json"
    found = _load(file)
    if found is None:
        with edge_counters.uncounted():  # reading debug information runs in the extension too
            found = _find()
        disk_cache.save(file, _dump(found))
    return found


@lru_cache(maxsize=1)
def known_rules() -> RuleMap | RulesError:
    """Return the map of this build, read once, or why there is none."""
    try:
        return load_rule_map()
    except RulesError as error:
        return error


# --- from edges to rules ---


def _find() -> RuleMap:
    if not len(edge_counters.counters()):
        raise RulesError("this build has no coverage counters")
    files, functions = _functions()
    units = {n: unit for n, file in enumerate(files) if (unit := _unit(file)) is not None}
    if not units:
        raise RulesError("no debug information of rules in this build")
    codes = {n: isle_generated.right_hand_sides(_read(files[n])) for n in units}
    all_places = [(n, *place) for n in units for place in codes[n][0]]
    sources = _sources(files, units, {file for _, file, _ in all_places})
    first = _first_line([(sources.get(file), line) for _, file, line in all_places])

    def rule_at(unit: int, name: str, line: int) -> RuleId:
        return _rule_id(units[unit], name, line + 1 - first)

    terms = {n: _Terms(_read(files[n])) for n in units}

    def rules_on(lines: Iterable[tuple[int, int]]) -> Iterator[_Owner]:
        for file, line in lines:
            # The frames around the innermost count as well: what is inlined into a right-hand side
            # runs only if the right-hand side does.
            place = codes[file][1].get(line) if file in codes else None
            if place is not None:
                yield _Owner(rule_at(file, *place), (file, terms[file].number(line)), line)

    edges_of: dict[RuleId, set[int]] = {}
    for function in functions:
        owners = {block: set(rules_on(lines)) for block, lines in function.lines.items() if lines}
        for rule, edge in _telling(function, owners):
            edges_of.setdefault(rule, set()).add(edge)
    without_code = {rule_at(*place) for place in all_places} - edges_of.keys()
    lines = {
        Path(files[n]).name: [
            (start, stop, rule_at(n, *place)) for start, stop, place in _ranges(codes[n][1])
        ]
        for n in units
    }
    return RuleMap(edges_of, without_code, sources, lines)


def _ranges(owners: Mapping[int, Place]) -> Iterator[tuple[int, int, Place]]:
    """Yield the runs of consecutive lines that belong to one place, ascending."""
    lines = sorted(owners)
    start = 0
    for at, line in enumerate(lines, 1):
        last = at == len(lines) or lines[at] != line + 1 or owners[lines[at]] != owners[line]
        if last:
            yield lines[start], line, owners[line]
            start = at


class _Owner(NamedTuple):
    """A line of a rule's right-hand side.

    Attributes:
        term: the generated function that the rule is in.
    """

    rule: RuleId
    term: tuple[int, int]
    line: int


class _Function(NamedTuple):
    """A function of the extension.

    Attributes:
        starts: the block of each edge.
        lines: the lines of generated files in each block: index of the file, line.
    """

    code: post_dominators.FunctionCode
    starts: Mapping[int, int]
    lines: Mapping[int, Set[tuple[int, int]]]


class _Terms:
    """Numbers the functions of a generated file."""

    def __init__(self, code: str) -> None:
        self._starts = [n for n, line in enumerate(code.splitlines(), 1) if line[:7] == "pub fn "]

    def number(self, line: int) -> int:
        """Return the number of the function that a line is in."""
        return bisect_right(self._starts, line)


def _telling(
    function: _Function, owners: Mapping[int, Set[_Owner]]
) -> Iterator[tuple[RuleId, int]]:
    """Yield rules with edges that tell that they fired.

    What right-hand sides begin or end with alike, the compiler may have merged, and debug
    information assigns it to one of them. So where branches lie between an edge and a block of a
    right-hand side, no other rule of the same term may be reached from there or lead to it.
    """
    code = function.code
    sources = code.sources()
    shared: dict[tuple[int, RuleId, tuple[int, int]], bool] = {}

    def is_shared(block: int, owner: _Owner) -> bool:
        key = block, owner.rule, owner.term
        if key not in shared:
            shared[key] = any(
                other.term == owner.term and other.rule != owner.rule
                for each in chain(code.may_follow(block), code.before(block, sources))
                for other in owners.get(each, ())
            )
        return shared[key]

    for edge, start in function.starts.items():
        straight = True
        for block in code.post_dominators(start):
            for owner in owners.get(block, ()):
                if straight or not is_shared(block, owner):
                    yield owner.rule, edge
            straight = straight and code.blocks[block].falls


def _functions() -> tuple[list[str], list[_Function]]:
    """Return the files of generated code, and the functions with code of them."""
    pcs = edge_counters.edge_pcs().tolist()
    files, rows = _source_lines(pcs)
    generated_code = {n for n, file in enumerate(files) if _unit(file) is not None}
    edges = sorted({edge for edge, file, _ in rows if file in generated_code})
    functions = list(post_dominators.functions_of(pcs, edge_counters.entry_pcs(), edges))
    blocks = [
        (at, number, start)
        for number, function in enumerate(functions)
        for start, block in function.blocks.items()
        for at in block.instructions
    ]
    files, rows = _source_lines([at for at, _, _ in blocks])
    lines: list[dict[int, set[tuple[int, int]]]] = [{} for _ in functions]
    for index, file, line in rows:
        _, number, start = blocks[index]
        lines[number].setdefault(start, set()).add((file, line))
    return files, [
        _Function(code, {edge: pcs[edge] for edge in code.edges}, found)
        for code, found in zip(functions, lines, strict=True)
    ]


def _source_lines(addresses: list[int]) -> tuple[list[str], list[tuple[int, int, int]]]:
    try:
        return _cranelift.source_lines(Path(_cranelift.__file__), addresses, "isle_")
    except (OSError, ValueError) as error:
        raise RulesError(f"no debug information: {error}") from error


def _first_line(places: Iterable[tuple[Path | None, int]]) -> int:
    """Return the number that the generated code gives a file's first line, 0 or 1.

    ISLE counts from 0 today. Where the sources are found, they decide: the lines that are named
    must begin rules.
    """
    matches = [0, 0]
    for file, line in places:
        for first in (0, 1):
            matches[first] += source_line(file, line + 1 - first).startswith("(rule")
    return int(matches[1] > matches[0])


def _unit(file: str) -> str | None:
    """Return the group of a generated file's rules; None for a file without rules."""
    found = _GENERATED.fullmatch(Path(file).name)
    if found is None or found[1] in ("prelude", "numerics"):
        return None
    unit = _UNIT_OF_FOLDER.get(found[1], found[1])
    return _GROUP_NAMES.get(unit, unit)


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        name = Path(file).name
        raise RulesError(f"cannot read the code generated of the rules: {name}") from error


def rule_id(unit: str, rule: isle.Rule) -> RuleId:
    """Return what identifies a rule of one of ``isle.UNITS``."""
    return _rule_id(_GROUP_NAMES.get(unit, unit), rule.file, rule.line)


def _rule_id(unit: str, file: str, line: int) -> RuleId:
    return RuleId(_group(unit, file), file, line)


@cache
def _group(unit: str, file: str) -> str:
    path = Path(file)
    own = path.parent.name == "opts" if unit == "mid_end" else path.name == "lower.isle"
    return unit if own else f"{unit} (other)"


def _sources(files: list[str], units: Mapping[int, str], names: set[str]) -> dict[str, Path]:
    """Return the ``.isle`` files of the names that rules give them, where they are found.

    A source file of Cranelift's that has edges tells where all others lie.
    """
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
    """Return the source files of the crate that was built with a folder of generated code.

    Cargo lists them in the crate's ``.d`` file. The debug information of a ``cranelift-codegen``
    that is built from its own folder does not say where that lies.
    """
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
    lines = {
        file: [[start, stop, r.group, r.file, r.line] for start, stop, r in ranges]
        for file, ranges in found.lines.items()
    }
    return json.dumps(
        {"rules": rules, "without_code": without_code, "sources": sources, "lines": lines}
    )


def _load(file: Path) -> RuleMap | None:
    """Return the map in a file; None if the file is missing, unreadable or damaged."""
    edges = len(edge_counters.counters())
    try:
        raw: Any = json.loads(file.read_text(encoding="utf-8"))
        edges_of = {
            RuleId(str(group), str(name), int(line)): [int(edge) for edge in numbers]
            for group, name, line, numbers in raw["rules"]
        }
        without_code = [
            RuleId(str(g), str(name), int(line)) for g, name, line in raw["without_code"]
        ]
        sources = {str(name): Path(place) for name, place in raw["sources"].items()}
        lines = {
            str(name): [
                (int(start), int(stop), RuleId(str(group), str(place), int(line)))
                for start, stop, group, place, line in ranges
            ]
            for name, ranges in raw["lines"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    valid = all(0 <= edge < edges for numbers in edges_of.values() for edge in numbers)
    return RuleMap(edges_of, without_code, sources, lines) if valid and edges_of else None
