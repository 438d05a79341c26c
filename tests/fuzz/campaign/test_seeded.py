"""Campaigns that begin with the cases of a folder."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from clif.function import Function
from fuzz.campaign.case_source import CaseSource, SeedUse
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.supervisor import Supervisor
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import print_case
from fuzz.cases.seed_cases import SeedCase, SeedCases
from fuzz.differential.pipeline import Injection, Pipeline
from tests.fuzz.command import Command

#: No drawn case has this constant.
RARE = 0x9E37_79B9_7F4A_7C15
HASH = f"""
function %hash(i64) -> i64 {{
block0(v0: i64):
    v1 = iconst.i64 {RARE:#x}
    v2 = imul v0, v1
    v3 = iconst.i64 40
    v4 = ushr v2, v3
    v5 = bxor v2, v4
    return v5
}}
; run: %hash(0) == 0
; run: %hash(1) == 0x9e3779b9e17d05ac
"""
DIVIDE = """
function %divide(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = udiv v0, v1
    return v2
}
; run: %divide(7, 2) == 3
"""
SWAP = """
function %swap(i16, i16) -> i16, i16 {
block0(v0: i16, v1: i16):
    v2 = rotl v1, v0
    return v2, v0
}
; run: %swap(4, 0x1234) == [0x2341, 4]
"""


def seeds(*texts: str) -> SeedCases:
    return SeedCases(tuple(SeedCase(f"{n}.clif", text) for n, text in enumerate(texts)))


OPTIONS = CaseOptions(inputs=4, instructions=10, seeds=seeds(HASH, DIVIDE, SWAP))
CASES = 60


@cache
def source_of(options: CaseOptions) -> CaseSource:
    """Return the cases of seed 7, which are made once."""
    return CaseSource(options, 7)


def printed(source: CaseSource, index: int) -> str:
    return print_case(source.case(index))


def test_the_cases_of_the_folder_come_first_as_they_are() -> None:
    source = source_of(OPTIONS)
    made = [source.make(index) for index in range(4)]
    assert [each.seed_use is SeedUse.UNCHANGED for each in made] == [True, True, True, False]
    assert [each.case.main.name for each in made[:3]] == ["hash", "divide", "swap"]
    assert made[0].case.origin == "seed 7 case 0, from 0.clif"


def test_inputs_are_drawn_where_nothing_can_go_wrong() -> None:
    source = source_of(OPTIONS)
    # %divide may be called with its own arguments only: any other divisor may be 0.
    assert [source.case(index).inputs.count for index in range(3)] == [4, 1, 4]
    assert source.case(0).inputs.args[0][:2].tolist() == [[0], [1]]


def test_later_cases_are_made_of_them_in_every_way() -> None:
    source = source_of(OPTIONS)
    made = [source.make(index) for index in range(3, 3 + 2 * CASES)]
    uses = Counter(each.seed_use for each in made)
    assert uses.keys() >= set(SeedUse) - {SeedUse.UNCHANGED, SeedUse.NOTHING}
    assert CASES / 2 < uses.total() - uses[None] < 1.5 * CASES
    for each in made:
        if each.seed_use not in (None, SeedUse.NOTHING):
            assert each.mutant is not None
            assert each.mutant.steps
            assert each.case is each.mutant.case
            assert ".clif" in each.case.origin


def test_a_case_is_a_function_of_seed_options_and_cases() -> None:
    one, two = source_of(OPTIONS), CaseSource(OPTIONS, 7)
    there = [printed(two, index) for index in reversed(range(CASES))]
    assert [printed(one, index) for index in range(CASES)] == there[::-1]
    other = source_of(replace(OPTIONS, seeds=seeds(HASH, SWAP, DIVIDE)))
    assert any(printed(other, index) != printed(one, index) for index in range(3, CASES))


def test_without_seeds_cases_are_what_they_were() -> None:
    drawn = source_of(replace(OPTIONS, seeds=seeds()))
    source = source_of(OPTIONS)
    for index in range(3, 40):
        made = source.make(index)
        if made.seed_use in (None, SeedUse.NOTHING):
            assert print_case(made.case) == printed(drawn, index)


def test_mutants_of_drawn_cases_are_mixed_in() -> None:
    source = source_of(replace(OPTIONS, mutant_share=1.0))
    made = [source.make(index) for index in range(3, CASES)]
    assert all(each.mutant is not None for each in made)
    assert any(each.seed_use is None for each in made)


def wrong_multiplication(functions: list[Function]) -> list[Function]:
    """Return functions in which the rare constant is another one."""
    copies = [function.clone() for function in functions]
    for function in copies:
        for inst in function.instructions():
            if inst.opcode.name == "iconst" and inst.imm & (2**64 - 1) == RARE:
                inst.imm ^= 1 << 20
    return copies


def findings(options: CaseOptions, cases: int) -> list[int]:
    """Return the cases that show the fault."""
    source, pipeline = source_of(options), Pipeline(options.isas)
    injection = Injection(functions=wrong_multiplication)
    found = []
    for index in range(cases):
        verdict = pipeline.check(source.case(index), injection)
        assert verdict.rejected == []
        found += [index] * bool(verdict.findings)
    return found


def test_a_fault_that_only_a_seed_case_shows_is_found() -> None:
    assert findings(replace(OPTIONS, seeds=seeds()), CASES) == []
    found = findings(OPTIONS, CASES)
    assert found[0] == 0
    assert len(found) > 3  # in mutants, and in drawn cases that have taken the function


def test_innocent_seed_cases_and_their_mutants_show_nothing() -> None:
    source, pipeline = source_of(OPTIONS), Pipeline(OPTIONS.isas)
    for index in range(CASES):
        verdict = pipeline.check(source.case(index))
        assert (verdict.findings, verdict.rejected) == ([], [])


def test_the_same_campaign_for_any_number_of_workers(tmp_path: Path) -> None:
    plan = CampaignPlan(OPTIONS, seed=3, cases=60, out=str(tmp_path))
    one, two = (Supervisor(replace(plan, jobs=jobs)).run() for jobs in (1, 2))
    assert one.statistics.seeded.total() > 20
    assert one.statistics.seeded == two.statistics.seeded
    assert one.statistics.opcodes == two.statistics.opcodes
    assert one.edges > 1000


# --- the command ---

RUN = ("run", "--inputs", 2, "--instructions", 8, "--seed", 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "cases"
    folder.mkdir()
    (folder / "hash.clif").write_text(HASH)
    (folder / "other.clif").write_text(f"target riscv64\n{SWAP}")
    return folder


def test_run_says_what_it_used_and_what_it_refused(
    command: Command, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    output = command(*RUN, "--cases", 20, "--seeds", folder, "--out", out)
    assert output.code == 0
    (line,) = (line for line in output.out.splitlines() if line.startswith("seeds: "))
    assert line.startswith("seeds: 1 case (digest ")
    assert "1 as they are" in line
    assert "  refused 1: only for riscv64 (other.clif %swap)" in output.out.splitlines()

    facts = json.loads(command(*RUN, "--cases", 9, "--seeds", folder, "-o", out, "--json", "-").out)
    assert facts["seeds"]["refused"] == {"only for riscv64": 1}
    assert facts["seeds"]["digest"] in line
    assert facts["seeded"]["as they are"] == 1


def test_resume_goes_on_with_the_same_cases_and_refuses_others(
    command: Command, folder: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    command(*RUN, "--cases", 10, "--seeds", folder, "--out", out)
    resume = ("run", "--resume", out, "--json", "-")
    again = command(*resume, "--cases", 20, "--seeds", folder)
    assert again.code == 0

    (folder / "hash.clif").write_text(HASH.replace("i64 40", "i64 41"))
    message = command.complaint(*resume, "--cases", 30, "--seeds", folder)
    assert message.startswith("the campaign has --seeds 1 case (digest ")

    (folder / "hash.clif").unlink()  # the campaign has its own copy
    last = command(*resume, "--cases", 30)
    assert last.code == 0, last.err
    facts = json.loads(last.out)
    (folder / "hash.clif").write_text(HASH)
    once = command(*RUN, "--cases", 30, "--seeds", folder, "--out", whole, "--json", "-")
    names = ("cases", "executions", "seeded", "mutations", "opcodes", "seeds")
    expected = json.loads(once.out)
    assert {name: facts[name] for name in names} == {name: expected[name] for name in names}


def test_resume_of_a_campaign_without_seeds_takes_none(
    command: Command, folder: Path, tmp_path: Path
) -> None:
    command(*RUN, "--cases", 3, "--out", tmp_path / "out")
    message = command.complaint("run", "--resume", tmp_path / "out", "--seeds", folder)
    assert message.startswith("the campaign has --seeds none, not 1 case (digest ")


def test_a_case_of_such_a_campaign_can_be_printed(command: Command, folder: Path) -> None:
    words = ("fmt", "5:0", "--inputs", 2, "--instructions", 8)
    assert str(RARE - 2**64) in command(*words, "--seeds", folder).out
    assert str(RARE - 2**64) not in command(*words).out


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no .clif files in this folder"),
        ({"a.txt": HASH}, "no .clif files in this folder"),
        ({"a.clif": ""}, "no case that can be used: 1 empty"),
        ({"a.clif": f"target s390x\n{HASH}"}, "no case that can be used: 1 only for s390x"),
    ],
)
def test_a_folder_that_gives_nothing_is_bad_input(
    command: Command, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    said = command.complaint(*RUN, "--cases", 3, "--seeds", folder, "--out", tmp_path / "out")
    assert said.startswith(f"{folder}: {message}")
