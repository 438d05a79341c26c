"""``clif-fuzz prove``, and proofs in ``run`` and ``rules``."""

from __future__ import annotations

import builtins
import json

import pytest

from tests.paths import CORPUS

RIGHT = """test compile
target x86_64
function %f(i32) -> i32 system_v {
block0(v0: i32):
    v1 = iconst.i32 8
    v2 = udiv v0, v1
    return v2
}

function %g(i32) -> i32 system_v {
    fn0 = colocated %f(i32) -> i32 system_v
block0(v0: i32):
    v1 = call fn0(v0)
    return v1
}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_each_function_of_a_file_is_proved(command, tmp_path):
    file, facts = tmp_path / "right.clif", tmp_path / "facts.json"
    file.write_text(RIGHT)
    found = command("prove", file, "--json", facts)
    assert found.code == 0
    lines = found.out.splitlines()
    assert sorted(lines[:-1]) == [
        f"{file}: %f mid-end: proved",
        f"{file}: %f x86_64: proved",
        f"{file}: %g mid-end: proved",
        f"{file}: %g x86_64: proved",
    ]
    assert lines[-1] == "4 proved, 0 refuted, 0 undecided"
    read = json.loads(facts.read_text())
    assert read["counts"] == {"proved": 4}
    assert {f["solvers"][0] for f in read["functions"]} == {"z3"}
    again = json.loads(command("prove", file, "--json", "-").out)
    assert all(f["stored"] for f in again["functions"])


def test_what_is_wrong_is_refuted_with_an_input(command):
    found = command("prove", "--subject", "arm64", CORPUS / "cranelift" / "fpromote-f16-f64.clif")
    assert found.code == 1
    first, *rest = found.out.splitlines()
    assert first.endswith("fpromote-f16-f64.clif: %main aarch64: refuted: result 0")
    assert rest[0].startswith("  input 0, result")
    assert rest[-1] == "0 proved, 1 refuted, 0 undecided"


def test_rules_are_proved_and_shown(command, tmp_path, monkeypatch):
    from fuzz.prove import rule_proofs

    every = rule_proofs.questions

    def few(subjects, variants, touched):
        return [q for q in every(subjects, variants, touched) if "cprop.isle:2" in q.rule][:6]

    monkeypatch.setattr(rule_proofs, "questions", few)
    json_file, html = tmp_path / "rules.json", tmp_path / "rules.html"
    found = command(
        *("prove", "--rules", "--subject", "mid-end", "--variants", 2, "--jobs", 1),
        *("--json", json_file, "--html", html, "--out", tmp_path / "findings"),
    )
    assert found.code == 0
    assert found.out.startswith("mid-end: of ")
    assert "(100.0%) at" not in found.out
    rules = json.loads(json_file.read_text())["rules"]
    assert len(rules) == 3
    assert "Proofs of ISLE rules" in html.read_text()
    place = rules[0]["rule"].split()[1].removeprefix("src/")
    shown = command("rules", place, "--proofs", json_file)
    assert ": proved" in shown.out
    listed = command("rules", "--proofs", json_file)
    assert "proved at " in listed.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "prove takes either files, or --rules or --since"),
        (["--rules", "x.clif"], "prove takes either files, or --rules or --since"),
        (["x.clif", "--html", "p.html"], "--html is for --rules and --since, and --against for"),
        (["--rules", "--against", "f.json"], "--html is for --rules and --since, and --against"),
        (["nowhere.clif"], "nowhere.clif: No such file or directory"),
        (["--subject", "vax", "x.clif"], "no subject 'vax'"),
        (["--solver", "oracle", "x.clif"], "no solver 'oracle'"),
    ],
)
def test_bad_usage_is_one_line(command, arguments, complaint):
    assert complaint in command.complaint("prove", *arguments)


def test_a_missing_extra_is_one_line(command, monkeypatch):
    load = builtins.__import__

    def refuse(name, *rest):
        if name == "z3":
            raise ImportError("No module named 'z3'")
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    said = command.complaint("prove", "x.clif")
    assert said == "proofs need the extra 'prove': No module named 'z3'"


def test_a_file_of_other_facts_is_refused(command, tmp_path):
    file = tmp_path / "facts.json"
    file.write_text("{}")
    said = command.complaint("rules", "--proofs", file)
    assert said.endswith("facts.json: not written by clif-fuzz prove --rules --json")


def test_a_share_of_a_campaign_is_proved(command, tmp_path):
    arguments = ("--cases", 12, "--seed", 5, "--isa", "x86_64", "--jobs", 1, "--prove", 1)
    facts = tmp_path / "facts.json"
    found = command("run", *arguments, "--out", tmp_path / "out", "--json", facts)
    assert found.code == 0
    proofs = json.loads(facts.read_text())["proofs"]
    assert 12 <= sum(proofs.values()) <= 24
    assert any(name.startswith("mid-end proved") or "large" in name for name in proofs)
    assert f"proofs: {sum(proofs.values())}" in found.out
