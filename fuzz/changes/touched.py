"""From a change of Cranelift to the rules that it touches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from backend.cranelift import isle
from backend.cranelift.isa_names import CRANELIFT_NAMES
from backend.cranelift.isle import MID_END, Rule, Unit, units_of
from backend.cranelift.opcodes import OPCODES
from backend.cranelift.rule_edges import rule_id
from fuzz.cases.touched_rules import ChangedCode, TouchedRules
from fuzz.changes.base import Base, find_base
from fuzz.changes.diff import ChangedFile
from fuzz.changes.errors import ChangeError
from fuzz.changes.isle_forms import Form, RuleText, forms
from fuzz.changes.rust_functions import changed_functions, code_lines
from fuzz.changes.uses import ROOTS, names_in, users

#: Where the functions are that rules call. Others may have a name of theirs.
_CALLED_BY_RULES: Final = re.compile(
    r"src/(isle_prelude|machinst/isle|opts(/.*)?|.*/lower/isle)\.rs"
)
_OWN: Final = "|".join({names.folder for names in CRANELIFT_NAMES.values()})
#: What is compiled for ISAs that are not emulated.
_ELSEWHERE: Final = re.compile(rf"src/isa/(?!({_OWN})/)\w+/")
#: The forms from which code is generated; others are for the verification of rules.
_KINDS: Final = frozenset({"rule", "decl", "extractor", "extern", "type", "convert"})


@dataclass(slots=True)
class _Changes:
    """What a change consists of, of some files.

    Attributes:
        added: forms by their file that are not in the base.
        removed: rules of the base that are no more.
        functions: the Rust functions that were changed.
    """

    added: list[tuple[str, Form]] = field(default_factory=list)
    removed: list[RuleText] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)


def touched_rules(since: str, isas: Iterable[str]) -> TouchedRules:
    """Return the rules of the linked Cranelift that a change touches.

    Args:
        since: what to compare with, as ``fuzz.changes.base.find_base`` takes it.
        isas: the ISAs whose rules are of interest.

    Raises:
        ChangeError: that cannot be found out.
        IsleError: Cranelift's rules are not known.
    """
    sources = isle.sources()
    base = find_base(sources, since)
    files = base.changed_files()
    names = units_of(isas)
    changed: list[str] = []
    using: list[str] = []
    directed: set[str] = set()
    for unit in map(isle.unit, names):
        own, others, used_files = _touched_in(unit, sources, base, files)
        changed += [_name(unit, rule) for rule in own]
        using += [_name(unit, rule) for rule in others]
        directed |= used_files
    rest = _undirected(sources, files, directed)
    return TouchedRules(tuple(changed), tuple(using), base.name, tuple(rest))


def _name(unit: Unit, rule: Rule) -> str:
    place = rule_id(unit.name, rule)
    return f"{place.group} {place}"


def _touched_in(
    unit: Unit, sources: Path, base: Base, files: Iterable[ChangedFile]
) -> tuple[list[Rule], list[Rule], set[str]]:
    """Return the changed rules of a unit, their users, and the files that have touched some."""
    mine = [f for f in files if _belongs(f.new or f.old or "", unit.name)]
    if not mine:
        return [], [], set()
    changes = _changes(sources, base, mine)
    rules = {(rule.file, rule.line): rule for rule in unit.rules}
    own = [_rule_of(rules, *each) for each in changes.added if each[1].kind == "rule"]
    found = [rule for rule in own if rule is not None]
    found += [r for text in changes.removed for r in _instead(unit, text) if r not in found]
    terms = _terms_of(unit, sources, changes.functions)
    names = {form.name for _, form in changes.added if form.kind != "rule"} | set(terms)
    others = users(unit, names - {""}, found)
    used = {file for file, form in changes.added if form.kind in _KINDS}
    used |= {file.new or "" for file in mine if terms and _has(sources, file, set(terms.values()))}
    return found, others, used


def _changes(sources: Path, base: Base, files: Iterable[ChangedFile]) -> _Changes:
    """Compare the files with the base. What was only moved, or written in other lines, is left."""
    found = _Changes()
    old: list[Form] = []
    new: list[tuple[str, Form]] = []
    for file in files:
        if not (file.new or file.old or "").endswith(".isle"):
            found.functions |= _functions(sources, file)
            continue
        old += _forms(base.old_text(file))
        if file.new is not None:
            new += [(file.new, form) for form in _forms(_read(sources / file.new))]
    before, after = {form.meaning for form in old}, {form.meaning for _, form in new}
    found.added = [(file, form) for file, form in new if form.meaning not in before]
    lost = [f for f in old if f.kind == "rule" and f.meaning not in after]
    found.removed = _uncovered(lost, [form for _, form in found.added if form.kind == "rule"])
    return found


def _forms(text: str) -> list[Form]:
    return [form for form in forms(text) if form.kind in _KINDS]


def _uncovered(lost: Iterable[Form], added: Iterable[Form]) -> list[RuleText]:
    """Return the rules that are gone and of which no new one matches all that they did."""
    present = [RuleText.of(form) for form in added]
    return [
        rule
        for rule in map(RuleText.of, lost)
        if not any(p.left == rule.left and p.conditions <= rule.conditions for p in present)
    ]


def _rule_of(rules: dict[tuple[str, int], Rule], file: str, form: Form) -> Rule | None:
    """Return the rule that a form is.

    Returns:
        None for a file that this unit does not include.

    Raises:
        ChangeError: the build has no rule there.
    """
    rule = rules.get((file, form.place))
    if rule is None and any(name == file for name, _ in rules):
        raise ChangeError(f"{file} was changed after this Cranelift was built: build it again")
    return rule


def _instead(unit: Unit, removed: RuleText) -> Iterator[Rule]:
    """Yield the rules that get what a removed rule matched.

    Without one of the mid-end's the code stays as it was written, which all cases are full of.
    """
    if removed.term.startswith("simplify"):
        return
    opcode = next((word for word in removed.left if word in OPCODES), None)
    for rule in unit.rules:
        if rule.left.name != removed.term or rule.priority > removed.priority:
            continue
        if removed.term not in ROOTS or opcode in (None, _opcode(rule)):
            yield rule


def _opcode(rule: Rule) -> str | None:
    """Return the opcode of the instruction that a rule is for."""
    words = (word for arg in rule.left.args for word in names_in(arg))
    return next((word for word in words if word in OPCODES), None)


# --- Rust ---


def _functions(sources: Path, file: ChangedFile) -> set[str]:
    if file.new is None or not _CALLED_BY_RULES.fullmatch(file.new):
        return set()
    return changed_functions(_read(sources / file.new), file.lines)


def _terms_of(unit: Unit, sources: Path, functions: set[str]) -> dict[str, str]:
    """Return the terms of a unit that are Rust functions of these names, with the functions."""
    if not functions:
        return {}
    found = {}
    for file in sorted((sources / "src").rglob("*.isle")):
        if not _belongs(file.relative_to(sources).as_posix(), unit.name):
            continue
        for form in _forms(_read(file)):
            if form.kind == "extern" and form.words[1:2] != ("const",):
                function = form.words[-1].rpartition("::")[2]
                if function in functions:
                    found[form.name] = function
    return found


def _has(sources: Path, file: ChangedFile, functions: set[str]) -> bool:
    is_rust = file.new is not None and file.new.endswith(".rs")
    return is_rust and bool(_functions(sources, file) & functions)


def _undirected(
    sources: Path, files: Iterable[ChangedFile], directed: set[str]
) -> Iterator[ChangedCode]:
    """Yield the files of the change with code at which nothing is directed.

    Those of ISAs without an emulator, and tests, are left out.
    """
    for file in files:
        name = file.new or file.old or ""
        if name in directed or _ELSEWHERE.match(name) or name.endswith("_tests.rs"):
            continue
        if file.new is None or not name.startswith("src/"):
            yield ChangedCode(name)
        elif name.endswith(".rs"):
            lines = code_lines(_read(sources / name), file.lines)
            if lines:
                yield ChangedCode(name, tuple(lines))


def _belongs(file: str, unit: str) -> bool:
    """Return whether a file of cranelift-codegen may be part of a unit of rules."""
    if file.startswith(("src/isa/", "src/opts")):
        return file.startswith("src/opts" if unit == MID_END else f"src/isa/{unit}")
    if file.startswith(("src/prelude_opt", "src/egraph")):
        return unit == MID_END
    if file.startswith(("src/prelude_lower", "src/machinst/isle")):
        return unit != MID_END
    return file.startswith("src/")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ChangeError(f"{path}: {error.strerror}") from error
