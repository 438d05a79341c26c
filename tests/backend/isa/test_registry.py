"""Every registered ISA has all its parts: docs/adding-an-isa.md is the list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from backend.cranelift.compiler import isas
from backend.cranelift.isa_names import CRANELIFT_NAMES
from backend.cranelift.isle import LOWERING, IsleError, unit
from backend.emulator.executor import Executor
from backend.emulator.isa import Isa, MissingPartError, Part
from backend.engines.registry import ENGINES
from backend.isa import registry
from backend.isa.parts import INJECTED_CODE, PARTS
from backend.isa.registry import ISAS
from fuzz.selfcheck.faults_machine import ENTRY_FAULTS
from tests.paths import ROOT

PAGE = ROOT / "docs" / "adding-an-isa.md"
#: An item: its file, and whether an ISA may lack it.
ITEM = re.compile(r"^- \[ \] `([^`]+)`( \(optional\))?: ", re.M)
ALL = pytest.mark.parametrize("isa", ISAS.values(), ids=list(ISAS))


def checklist() -> dict[str, bool]:
    """The files of the page's items, and whether each is optional."""
    return {file: bool(optional) for file, optional in ITEM.findall(PAGE.read_text())}


# --- what is looked at ---


def is_described(isa: Isa) -> bool:
    return isa in _values(f"{isa.package}.description")


def has_flags(isa: Isa) -> bool:
    return isa.flags in _values(f"{isa.package}.flags")


def has_rules(isa: Isa) -> bool:
    """Whether the extension was built with its rules."""
    try:
        return bool(unit(LOWERING.get(isa.name, isa.name)).rules)
    except IsleError:
        return False


def _values(module: str) -> list[object]:
    try:
        there = find_spec(module) is not None
    except ModuleNotFoundError:
        there = False
    return list(vars(import_module(module)).values()) if there else []


def _has(part: Part[Any]) -> Callable[[Isa], bool]:
    return lambda isa: part.of_any(isa) is not None


CHECKS: dict[str, Callable[[Isa], bool]] = {
    "backend/Cargo.toml": lambda isa: isa.name in isas(),
    "backend/build/isle.rs": has_rules,
    "backend/cranelift/isa_names.py": lambda isa: isa.name in CRANELIFT_NAMES,
    "backend/isa/registry.py": lambda isa: registry.ISAS.get(isa.name) is isa,
    "backend/isa/NAME/description.py": is_described,
    "backend/isa/NAME/flags.py": has_flags,
    **{f"backend/isa/NAME/{part.module}.py": _has(part) for part in PARTS},
}


def lacking(isa: Isa) -> Iterator[str]:
    """The files in which an ISA lacks something, optional ones left out."""
    for file, optional in checklist().items():
        if not optional and not CHECKS[file](isa):
            yield file.replace("backend/isa/NAME", isa.package.replace(".", "/"))


# --- the registry ---


@ALL
def test_every_isa_has_all_its_parts(isa: Isa) -> None:
    missing = list(lacking(isa))
    assert not missing, f"{isa.name} lacks its part of {', '.join(missing)}: see {PAGE.name}"


@ALL
def test_an_engine_knows_every_isa(isa: Isa) -> None:
    assert any(engine.knows(isa) for engine in ENGINES.values())


def test_the_checklist_is_what_is_looked_at() -> None:
    assert set(checklist()) == set(CHECKS)
    optional = {f"backend/isa/NAME/{part.module}.py" for part in PARTS if part.optional}
    assert {file for file, is_optional in checklist().items() if is_optional} == optional


def test_the_checklist_names_what_each_part_defines() -> None:
    items = dict(re.findall(r"^- \[ \] `([^`]+)`[^`]*`([^`]+)`", PAGE.read_text(), re.M))
    for part in PARTS:
        assert items[f"backend/isa/NAME/{part.module}.py"] == part.name


def test_the_page_says_what_to_look_at_for_each_attribute() -> None:
    (table,) = re.findall(r"^\| attribute \|.*?\n\n", PAGE.read_text(), re.M | re.S)
    rows = [row.split("|")[1] for row in table.splitlines()[2:] if row]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {field.name for field in fields(Isa)}


@ALL
def test_names_are_unambiguous(isa: Isa) -> None:
    for name in (isa.name, isa.name.upper(), *isa.aliases):
        assert registry.find_isa(name) is isa
    assert registry.find_isa("vax") is None


@ALL
def test_faults_are_injected_for_most_promises(isa: Isa) -> None:
    code = INJECTED_CODE.of(isa)
    assert code.faults.keys() <= ENTRY_FAULTS.keys()
    of_any_convention = {name for name, (_, convention) in ENTRY_FAULTS.items() if not convention}
    assert len(of_any_convention - code.faults.keys()) <= 1  # not every ISA has what is spoilt


# --- a dry run: a made-up ISA is registered, and its parts are added one by one ---


@cache
def made_up(package: str) -> Isa:
    return replace(next(iter(ISAS.values())), name="made_up", package=package)


def test_a_made_up_isa_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    isa = made_up("backend.isa.made_up")
    needed = [file for file, optional in checklist().items() if not optional]
    assert set(lacking(isa)) == {file.replace("NAME", "made_up") for file in needed}
    monkeypatch.setitem(registry.ISAS, isa.name, isa)
    assert "backend/isa/registry.py" not in lacking(isa)
    with pytest.raises(MissingPartError, match=r"^made_up has no CPU: .*/made_up/cpu\.py$"):
        Executor(isa)


def test_each_part_is_named_until_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    isa = made_up("made_up_parts")
    package = tmp_path / "made_up_parts"
    package.mkdir()
    (package / "__init__.py").touch()
    for part in (part for part in PARTS if not part.optional):
        file = f"made_up_parts/{part.module}.py"
        assert file in lacking(isa)
        with pytest.raises(MissingPartError, match=f"made_up has no {part.name}: add it in {file}"):
            part.of(isa)
        (package / f"{part.module}.py").write_text(f"{part.name} = 'there'\n")
        assert file not in lacking(isa)
    left = {file for file in lacking(isa) if file.startswith("made_up_parts/")}
    assert left == {"made_up_parts/description.py", "made_up_parts/flags.py"}


# --- who names an ISA ---


def test_only_the_listed_files_name_an_isa() -> None:
    names = {name for isa in ISAS.values() for name in (isa.name, *isa.aliases)}
    names |= {names.folder for names in CRANELIFT_NAMES.values()}
    named = re.compile("|".join(sorted(map(re.escape, names))))
    folders = ("clif", "interp", "backend", "fuzz", "reports", "scripts")
    files = {file for folder in folders for file in (ROOT / folder).rglob("*.py*")}
    sources = {file for file in files if file.suffix in (".py", ".pyi")}
    found = {f.relative_to(ROOT).as_posix() for f in sources if named.search(f.read_text())}
    naming = {file for file in found if not file.startswith("backend/isa/")}
    (table,) = re.findall(r"^\| file \| why \|.*", PAGE.read_text(), re.M | re.S)
    listed = set(re.findall(r"^\| `([^`]+)` \|", table, re.M))
    assert not naming - listed, f"names an ISA and is not in the list of {PAGE.name}"
    assert not listed - naming, f"is in the list of {PAGE.name} and names no ISA"
    assert len(naming) <= 12
