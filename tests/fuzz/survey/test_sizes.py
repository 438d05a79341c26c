"""Shapes: what they must do, what becomes of them, and that wrong code is noticed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from backend.emulator.linker import PlainCode
from fuzz.cases.casefile import read_case
from fuzz.differential.oracle import interpreter
from fuzz.survey.compile_cost import ChildDeath, in_child, on_small_stack
from fuzz.survey.sizes import chains, trial
from fuzz.survey.sizes.chains import STEPS, chain_text, runs_of_chain
from fuzz.survey.sizes.registry import SHAPES
from fuzz.survey.sizes.shape import INPUTS
from fuzz.survey.sizes.table import table
from fuzz.survey.sizes.trial import Result, Trial, try_shape
from tests.fuzz.command import Command

ISAS = ("x86_64", "aarch64")
#: A size at which the interpreter can take a shape.
SMALL = {"frame": 4096, "frame_of_slots": 4096, "frame_with_probes": 4096}
SMALL |= {"argument_behind_frame": 4096, "structure_argument": 64}


@pytest.mark.parametrize("name", [name for name in SHAPES if not name.startswith("chain_")])
def test_the_interpreter_agrees_with_what_a_shape_says_of_itself(name: str) -> None:
    shape = SHAPES[name]
    for size in (SMALL.get(name, 200), SMALL.get(name, 100) * 2):
        found = read_case(shape.file(size, "speed", ISAS))
        outcomes = interpreter(found.case)
        for row, expected in enumerate(found.expectations):
            assert expected is not None
            if expected.observed.trap:
                assert outcomes.traps[row] == expected.observed.trap
            else:
                assert outcomes.results[0][row, 0] == expected.observed.results[0]


@pytest.mark.parametrize("name", STEPS)
def test_what_a_chain_computes_comes_again_and_again(name: str) -> None:
    calls = "\n".join(f"; print: %main({x:#x}, {y:#x})" for x, y in INPUTS)
    for steps in (500, 511):
        case = read_case(f"{chain_text(name, steps)}{calls}\n").case
        results = interpreter(case).results[0][:, 0].tolist()
        assert list(zip(INPUTS, results, strict=True)) == list(runs_of_chain(name, steps))


def test_a_chain_by_hand() -> None:
    text = chain_text("icmp_ult", 1)
    assert "v4 = ireduce" not in text
    assert "v6 = icmp ult v2, v3" in text
    assert runs_of_chain("clz", 2)[1] == ((7, 3), 58)  # 61 leading zeros in 7, 58 in 61
    assert chains.runs_of_chain("bnot", 1001)[1] == ((7, 3), (1 << 64) - 8)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "name", ["far_branch", "far_exits", "far_traps", "far_vectors", "far_table", "frame", "results"]
)
def test_programs_run_rightly(name: str, isa: str) -> None:
    shape = SHAPES[name]
    found = try_shape(shape, shape.sizes[0], isa, "speed")
    assert found.result is Result.RIGHT, found
    assert found.seconds > 0
    assert found.code > 50


@pytest.mark.parametrize("isa", ISAS)
def test_what_is_above_a_limit_is_refused(isa: str) -> None:
    found = try_shape(SHAPES["frame"], 1 << 30, isa, "speed")
    assert (found.result, found.detail) == (Result.REFUSED, "Implementation limit exceeded")
    assert not found.is_finding


def test_wrong_code_is_noticed() -> None:
    wrong = PlainCode("main", b"\x31\xc0\xc3")  # xor eax, eax; ret
    found = try_shape(SHAPES["values"], 100, "x86_64", "speed", change=lambda _: [wrong])
    assert found.result is Result.WRONG
    assert found.is_finding
    assert found.detail.startswith("%main(0x123456789abcdef, 0xfedcba9876543211): 0x")
    assert found.detail.endswith(", not 0x0")


def test_a_program_that_the_engine_cannot_run_is_only_compiled() -> None:
    far = PlainCode("main", b"\xc3", relocations=[(0, "NoSuchKind", "%f", 0)])
    found = try_shape(SHAPES["values"], 100, "x86_64", "speed", change=lambda _: [far])
    assert found.result is Result.COMPILED
    assert "unknown kind" in found.detail


def test_a_stack_overflow_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_compile", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    found = try_shape(SHAPES["values"], 100, "x86_64", "none")
    assert (found.result, found.detail) == (Result.FAILED, "stack overflow (SIGSEGV)")
    assert found.is_finding


def test_a_known_fault_is_no_finding() -> None:
    detail = "CompilerPanic: Stack slot region cannot be larger than 2GiB: TryFromIntError(())"
    known = Trial("frame_of_slots", 3 << 30, "x86_64", "speed", Result.FAILED, detail=detail)
    assert known.known == "stack-slots-beyond-2gib"
    assert not known.is_finding


def test_the_child_compiles_on_a_small_stack() -> None:
    def recurse(depth: int) -> int:
        """Use 1 KiB of the native stack for each call, by a sort that calls back."""
        return depth and sorted([depth], key=lambda k: recurse(k - 1))[0]

    def deep() -> int:
        import sys

        sys.setrecursionlimit(1 << 20)
        return on_small_stack(lambda: recurse(100_000))

    assert in_child(lambda: on_small_stack(lambda: recurse(50))) == 50
    assert str(in_child(deep)) == "stack overflow (SIGSEGV)"


def test_a_child_that_takes_too_long_is_killed() -> None:
    def forever() -> None:
        while time.thread_time() >= 0:
            pass

    died = in_child(forever, cpu_seconds=1)
    assert isinstance(died, ChildDeath)
    assert str(died) == "took too long"


def test_the_table() -> None:
    trials = [
        Trial("frame", 4096, "x86_64", "speed", Result.RIGHT, 0.5, 3 << 20),
        Trial("frame", 4096, "aarch64", "speed", Result.REFUSED, detail="limit"),
        Trial("chain_ineg", 10, "x86_64", "none", Result.RIGHT, 0.1, 1 << 20),
        Trial("chain_bnot", 10, "x86_64", "none", Result.WRONG, 0.2, 2 << 20, detail="x"),
    ]
    assert list(table(trials)) == [
        "| shape | size | opt_level | x86_64 | aarch64 |",
        "|---|---|---|---|---|",
        "| `frame` | 4,096 | speed | right 0.50 s, 3 MiB | refused |",
        "| `chain_*` | 10 | none | 1 right, 1 wrong 0.20 s, 2 MiB |  |",
        "",
        "- refused: limit (`frame` 4,096, aarch64)",
        "- wrong: x (`chain_bnot` 10, x86_64)",
    ]


def test_command(command: Command, tmp_path: Path) -> None:
    output = command("limits", "--shape", "frame,far_bit_branch", "--first", 1)
    assert output.code == 0
    assert output.out.count(" right ") == 4
    assert len(command("limits", "--list").out.splitlines()) == len(SHAPES)
    assert "no shape 'x'" in command.complaint("limits", "--shape", "x")
    folder = tmp_path / "programs"
    command("limits", "--shape", "far_traps", "--first", 1, "--write", folder)
    assert (
        "x86_64   agrees with interp" in command("replay", folder / "far_traps-1024-speed.clif").out
    )
