"""``run --since``: the rules that a change touches, in messages, options and summaries."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backend.cranelift import isle
from backend.cranelift.isle import unit
from fuzz.cases.touched_rules import ChangedCode, TouchedRules
from tests.fuzz.command import Command

SMALL = ("--jobs", 1, "--inputs", 2, "--instructions", 20, "--seed", 3)


def rule_at(of_unit: str, left: str) -> str:
    (rule,) = (rule for rule in unit(of_unit).rules if str(rule.left) == left)
    return rule.place


def code_lines() -> tuple[int, ...]:
    """Return all lines of a file of Cranelift's."""
    text = (isle.sources() / "src" / "alias_analysis.rs").read_text()
    return tuple(range(1, 1 + len(text.splitlines())))


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> TouchedRules:
    """A change of a rule, with one rule that uses it and one that no fragment can be made for."""
    changed = rule_at("opt", "(simplify (isub ty (bnot ty x) (bnot ty y)))")
    user = rule_at("x64", "(lower (sshr $I64X2 src (u32_from_iconst amt)))")
    call = rule_at("aarch64", "(lower (func_addr _ (func_ref_data _ extname dist _)))")
    found = TouchedRules(
        (f"mid_end {changed}",),
        (f"x86_64 {user}", f"aarch64 {call}"),
        "trunk",
        (ChangedCode("src/alias_analysis.rs", code_lines()), ChangedCode("meta/src/lib.rs")),
    )
    monkeypatch.setattr("fuzz.changes.touched.touched_rules", lambda since, isas: found)
    return found


def test_the_summary_shows_touched_rules(
    command: Command, tmp_path: Path, change: TouchedRules
) -> None:
    file = tmp_path / "facts.json"
    output = command(
        "run", "--since", "trunk", *SMALL, "--cases", 30, "--out", tmp_path / "out", "--json", file
    )
    assert output.code == 0
    assert "since trunk: 1 rules changed, and 2 that use what was changed" in output.err
    assert "nothing can be directed at it: src/alias_analysis.rs, meta/src/lib.rs" in output.err
    facts = json.loads(file.read_text())
    assert facts["touched"]["changed"] == list(change.changed)
    lines = output.out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("since trunk:"))
    first, *users = lines[start + 1 : start + 4]
    place = change.changed[0].partition("src/")[2]
    cases = sum(table.get(change.changed[0], 0) for table in facts["rule_cases"].values())
    assert cases > 15
    assert f"mid_end  {place}" in first
    assert "changed  fired " in first
    for isa, table in facts["rule_cases"].items():
        inputs = facts["rule_inputs"][isa][change.changed[0]]
        assert f"{isa} {table[change.changed[0]]} cases {inputs} inputs" in first
    assert any("uses it  fired " in line for line in users)
    code = lines[start + 4 : start + 7]
    assert code[0] == "other code changed since trunk, at which nothing is directed:"
    reached = re.match(r"  src/alias_analysis.rs: (\d+) of (\d+) changed lines", code[1])
    assert reached is not None
    assert 0 < int(reached[1]) <= int(reached[2]) <= len(code_lines())
    assert code[2] == "  meta/src/lib.rs: whether it was reached cannot be told"
    table = command("rules", "--against", file).out.splitlines()
    assert f"mid_end  {place}" in table[0]
    assert " changed  " in table[0]
    assert all(" uses it  " in line for line in table[1:3])
    assert not any(" uses it  " in line or " changed  " in line for line in table[3:])


def test_half_of_the_parts_are_directed_unless_the_user_says_otherwise(
    command: Command, tmp_path: Path, change: TouchedRules
) -> None:
    def instructions(*more: object) -> int:
        arguments = ("run", "--since", "x", *SMALL, "--cases", 10, "--out", tmp_path, *more)
        return int(json.loads(command(*arguments, "--json", "-").out)["instructions"])

    assert instructions() == instructions("--rules-share", 0.5) != instructions("--rules-share", 1)


def test_a_campaign_goes_on_with_the_same_change_alone(
    command: Command, tmp_path: Path, change: TouchedRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("run", "--since", "x", *SMALL, "--cases", 2, "--out", tmp_path)
    for more in ((), ("--since", "y")):
        assert command("run", "--resume", tmp_path, "--cases", 4, "--jobs", 1, *more).code == 0
    monkeypatch.setattr("fuzz.changes.touched.touched_rules", lambda since, isas: TouchedRules())
    refused = command("run", "--resume", tmp_path, "--cases", 6, "--jobs", 1, "--since", "z")
    assert refused.code == 2
    assert "the campaign has --since trunk (3 rules touched, " in refused.err


def test_nothing_touched_is_said(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = TouchedRules(since="trunk")
    monkeypatch.setattr("fuzz.changes.touched.touched_rules", lambda since, isas: found)
    arguments = ("run", *SMALL, "--cases", 3, "--out", tmp_path)
    output = command(*arguments, "--since", "trunk")
    assert output.code == 0
    assert "clif-fuzz: no rule is touched since trunk: cases are directed as usual" in output.err
    assert "since trunk" not in output.out


@pytest.mark.parametrize("more", [("--without", "rules"), ("--rules-share", 0)])
def test_it_is_no_use_without_directed_parts(
    command: Command, tmp_path: Path, more: tuple[object, ...]
) -> None:
    said = command.complaint("run", "--since", "trunk", "--out", tmp_path, *more)
    assert said == "--since directs parts of cases at rules: without such parts it is no use"


def test_errors_take_one_line(command: Command, tmp_path: Path) -> None:
    said = command.complaint("run", "--since", "nowhere", "--out", tmp_path)
    assert said.startswith("--since: ")
    assert "nowhere" in said
