"""Reading the cases that a campaign begins with: what is used, and what is refused, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.campaign.json_codec import decode, encode
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import read_case
from fuzz.cases.seed_cases import SeedCases
from fuzz.corpus.seeds import SeedReader

ISAS = ("x86_64", "aarch64")
HEADER = "test run\ntarget x86_64\ntarget aarch64\n"


def unary(body: str, type_: str = "i32", more: str = "") -> str:
    return f"""
function %f({type_}) -> {type_} {{
    {more}
block0(v0: {type_}):
    {body}
}}
"""


ADD = unary("v1 = iadd v0, v0\n    return v1")


def read(folder: Path, isas: tuple[str, ...] = ISAS) -> SeedCases:
    return SeedReader(isas).read(folder)


def read_text(folder: Path, text: str) -> SeedCases:
    (folder / "a.clif").write_text(text)
    return read(folder)


def refusal(folder: Path, text: str) -> str:
    seeds = read_text(folder, text)
    assert not seeds
    (refused,) = seeds.refused
    assert refused.count == 1
    return refused.reason


def test_run_commands_become_inputs(tmp_path: Path) -> None:
    seeds = read_text(tmp_path, f"{HEADER}{ADD}; run: %f(3) == 6\n; run: %f(-1) == -2\n")
    (seed,) = seeds.cases
    case = read_case(seed.text).case
    assert seed.name == "a.clif %f"
    assert case.inputs.args[0].tolist() == [[3], [2**32 - 1]]
    assert case.isas == ISAS
    assert seeds.refused == ()


def test_a_function_without_run_commands_gets_drawn_inputs(tmp_path: Path) -> None:
    (seed,) = read_text(tmp_path, ADD).cases
    assert read_case(seed.text).case.inputs.count > 1


def test_a_case_that_traps_says_so(tmp_path: Path) -> None:
    text = unary("trapz v0, user7\n    return v0")
    (seed,) = read_text(tmp_path, f"{text}; run: %f(9) == 9\n; run: %f(0) == 0\n").cases
    assert read_case(seed.text).case.trapping


VERIFIER = "the verifier refuses it"
NAN_BITS = unary("""
    v1 = f32const 0.0
    v2 = fdiv v1, v1
    v3 = bitcast.i32 v2
    return v3""")
FRESH_MEMORY = unary(
    """
    v1 = stack_addr.i64 ss0
    v2 = load.i32 v1
    return v2""",
    more="ss0 = explicit_slot 4",
)
ENDLESS = unary("""
    jump block1
block1:
    brif v0, block1, block2
block2:
    return v0""")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"target riscv64\n{ADD}", "only for riscv64"),
        (f"target aarch64\n{ADD}", "only for aarch64"),
        ("test optimize\nfunction broken", "cannot be read: "),
        (unary("trap user1\n    return v0"), VERIFIER),
        (unary("v1 = iadd v0, v0\n    return v1", "i32").replace("-> i32", "-> i64"), VERIFIER),
        (NAN_BITS, "open: depends on the payload of a NaN"),
        (FRESH_MEMORY, "open: depends on addresses, or on uninitialised memory"),
        (unary("v1 = load.i64 v0\n    return v1", "i64"), "uses memory that it is not given"),
        (f"{ENDLESS}; run: %f(1) == 0\n", "runs for more than 100,000 instructions"),
        (
            unary("v1 = call fn0(v0)\n    return v1", more="fn0 = %g(i32) -> i32"),
            "the interpreter cannot run it: call: %g is not defined in this case",
        ),
    ],
)
def test_what_says_nothing_is_refused_with_its_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "a.clif").write_text(text)
    seeds = read(tmp_path, ("x86_64",))
    assert not seeds
    (refused,) = seeds.refused
    assert refused.reason.startswith(reason)
    assert (refused.count, refused.example.rpartition("/")[2][:6]) == (1, "a.clif")


def test_a_case_with_a_known_fault_is_kept_for_the_other_isa(tmp_path: Path) -> None:
    text = unary(
        "v1 = stack_addr.i64 ss0\n    store v0, v1\n"
        "    v2 = atomic_cas.i32 v1, v0, v0\n    return v2",
        more="ss0 = explicit_slot 4, align = 4",
    )
    (seed,) = read_text(tmp_path, text).cases
    assert read_case(seed.text).case.isas == ("x86_64",)
    seeds = read(tmp_path, ("aarch64",))
    assert [refused.reason for refused in seeds.refused] == [
        "aarch64: has the known fault atomic-cas-i32"
    ]


def test_extended_results_on_the_stack_are_a_known_fault(tmp_path: Path) -> None:
    text = """
set enable_multi_ret_implicit_sret
function %f(i8) -> i8, i8, i8, i8, i8, i8, i8, i8, i8 uext {
block0(v0: i8):
    return v0, v0, v0, v0, v0, v0, v0, v0, v0
}
"""
    assert refusal(tmp_path, text) == "x86_64, aarch64: has the known fault uext-stack-result"
    assert read_text(tmp_path, text.replace("uext", ""))


def test_reasons_that_isas_share_are_said_once(tmp_path: Path) -> None:
    text = unary("v1 = srem v0, v0\n    return v1", "i128")
    reason = refusal(tmp_path, f"{text}; run: %f(3) == 0\n")
    assert reason == "x86_64, aarch64: srem.i128 is not lowered, or not generated"


def test_the_same_case_counts_once(tmp_path: Path) -> None:
    (tmp_path / "b.clif").write_text(ADD)
    seeds = read_text(tmp_path, ADD)
    assert [seed.name for seed in seeds.cases] == ["a.clif %f"]
    assert [(refused.reason, refused.example) for refused in seeds.refused] == [
        ("the same as another one", "b.clif %f")
    ]


def test_the_digest_is_of_the_cases_alone(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep/a.clif").write_text(ADD)
    (there / "unread.clif").write_text("nothing")
    one, other = read(here), read(there)
    assert one.digest == other.digest
    assert one == other  # what was refused is no part of it
    (there / "deep/a.clif").write_text(ADD.replace("iadd", "isub"))
    changed = read(there)
    assert changed.digest != one.digest
    assert changed != one
    (here / "deep/a.clif").rename(here / "deep/b.clif")
    assert read(here).digest != one.digest


def test_seeds_are_saved_without_loss(tmp_path: Path) -> None:
    (tmp_path / "b.clif").write_text("nothing")
    options = CaseOptions(seeds=read_text(tmp_path, ADD))
    again = decode(CaseOptions, encode(options))
    assert again == options
    assert again.seeds.refused == options.seeds.refused != ()
