"""The rules as Python objects, compared with the sources that they were read from."""

import json
from pathlib import Path

import pytest

from backend.cranelift import _cranelift, isle
from backend.cranelift.isle import MID_END, UNITS, Int, IsleError, Term, Var, unit

SOURCES = Path(json.loads(_cranelift.isle())["sources"])
needs_sources = pytest.mark.skipif(not SOURCES.is_dir(), reason="Cranelift's sources are gone")


def test_a_rule_by_hand() -> None:
    (rule,) = (rule for rule in unit(MID_END).rules if rule.name == "iadd_x_plus_zero")
    zero = Term("iconst_u", (Var("ty"), Int(0)))
    assert rule.left == Term("simplify", (Term("iadd", (Var("ty"), Var("x"), zero)),))
    assert rule.right == Term("subsume", (Var("x"),))
    assert (rule.file, rule.priority, rule.conditions) == ("src/opts/arithmetic.isle", 0, ())
    assert str(rule) == "(rule (simplify (iadd ty x (iconst_u ty 0))) (subsume x))"


@needs_sources
@pytest.mark.parametrize("name", UNITS)
def test_places_are_those_of_the_sources(name: str) -> None:
    rules = unit(name).rules
    assert len(rules) > 800
    lines = {file: (SOURCES / file).read_text().splitlines() for file in {r.file for r in rules}}
    for rule in rules:
        before = " ".join(lines[rule.file][max(0, rule.line - 2) : rule.line])
        assert "(rule" in before, rule.place
    assert len({rule.place for rule in rules}) == len(rules)
    written = sum(line.lstrip().startswith("(rule") for text in lines.values() for line in text)
    assert written == len(rules)


def test_extractors_and_enums() -> None:
    rules = unit("x64")
    equal = rules.extractors["eq"]
    assert equal.params == ("ty", "x", "y")
    assert isinstance(equal.template, Term)
    assert equal.template.name == "icmp"
    assert rules.enums["InstructionData"]["IntCompare"] == ("Opcode", "ValueArray2", "IntCC")
    assert rules.terms["fits_in_64"].args == ("Type",)
    assert "fits_in_64" in rules.external


def test_a_build_without_sources_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cranelift, "isle", lambda: b'{"error": "cargo metadata: offline"}')
    isle._document.cache_clear()
    unit.cache_clear()
    with pytest.raises(IsleError) as raised:
        unit(MID_END)
    isle._document.cache_clear()
    message = "the extension was built without Cranelift's rules: cargo metadata: offline"
    assert str(raised.value) == message


def test_an_unknown_set() -> None:
    with pytest.raises(IsleError, match="no rules called vax; there are opt, x64, aarch64"):
        unit("vax")
