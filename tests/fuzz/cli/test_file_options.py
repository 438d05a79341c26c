"""Options of the commands that read files: drawn inputs, memory, a time limit for the compiler.

Every command gives one answer: what ``check`` fails, ``replay`` fails too, and ``minimize``,
``triage`` and ``bisect`` find.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.cranelift.compiler import Compiled, Functions, Target, VerifierError, version
from backend.cranelift.releases import Release
from backend.cranelift.time_limit import CompileTimeoutError, compile_within
from fuzz.cases.casefile import read_case
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.triage.bisect.search import BisectResult
from tests.fuzz.cases.outside_memory import BOUNDED, EVERY, GUARDED
from tests.fuzz.command import Command

WRONG = """\
test compile
set opt_level=speed
target x86_64

function %wrong() -> f16 {
block0:
    v0 = f16const 0.0
    v1 = f16const -0x1.0
    v2 = fmin v0, v1
    return v2
}
"""


def write(folder: Path, text: str, name: str = "case.clif") -> Path:
    path = folder / name
    path.write_text(text)
    return path


needs_fault = pytest.mark.skipif(version() != "0.135.8", reason="a fault of this release")

# --- drawn inputs ---


def test_without_inputs_nothing_is_run(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, WRONG)
    assert command("check", path).code == command("replay", path).code == 0
    assert "does not fail" in command.complaint("minimize", path, code=3)


@needs_fault
def test_inputs_are_drawn_in_every_command(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, WRONG)
    checked = command("check", path, "--inputs", 4)
    assert checked.code == 1
    assert "drawn: %wrong()" in checked.out
    assert "miscompile x86_64 result" in checked.out
    facts = json.loads(command("check", path, "--inputs", 4, "--json", "-").out)
    # The interpreter passes; the file is not for AArch64.
    assert (facts["drawn_inputs"], facts["compiled_only"]) == (1, 0)
    assert (facts["passed"], facts["failed"], facts["skipped"]) == (1, 1, 1)
    assert command("replay", path, "--inputs", 4).code == 1
    small = command("minimize", path, "--inputs", 4, "-o", "-")
    assert small.code == 0
    assert "; finding: miscompile" in small.out
    triaged = command("triage", path, "--inputs", 4, "--no-attribution")
    assert triaged.code == 1
    assert "1 findings in 1 buckets" in triaged.out


def test_bisect_takes_each_case(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = WRONG[WRONG.index("function") :].replace("%wrong", "u0:5")
    path = write(tmp_path, WRONG + other)
    asked = []

    def bisect(title: str, *more: Any, quiet: bool) -> BisectResult[Release]:
        asked.append(title)
        return BisectResult([])

    monkeypatch.setattr("fuzz.cli.bisect_releases._bisect", bisect)
    output = command("bisect", path, "--inputs", 1, "--from", "0.134", "--json", "-")
    assert [case["function"] for case in json.loads(output.out)["cases"]] == ["%wrong", "u0:5"]
    assert asked == [f"{path} %wrong", f"{path} u0:5"]
    assert output.code == 2  # no release was found for any


@pytest.mark.parametrize("text", EVERY.values(), ids=EVERY)
def test_functions_with_memory_are_run(command: Command, tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    checked = command("check", path, "--inputs", 16)
    assert checked.code == 0
    assert "48 passed, 0 failed, 0 skipped" in checked.out
    replayed = command("replay", path, "--inputs", 16)
    assert replayed.code == 0
    assert replayed.out.count("agrees with interp") == 2
    out = tmp_path / "out"
    assert "1 cases of 1 files" in command("corpus", "import", tmp_path, out, "--inputs", 16).out
    (imported,) = out.iterdir()
    assert command("replay", imported).code == 0


# --- memory ---

MEMORY = "region: argument 0, 64 bytes; pointer: 40 -> 48; contents: " + "00" * 56 + "0708"
COMMAND = "; run: u0:0(0, 0, 0, 1) == 0x0807\n"


def test_memory_is_given_by_an_option(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, GUARDED + COMMAND)
    for name in ("check", "replay"):
        output = command(name, path, "--memory", MEMORY)
        assert output.code == 0
        assert "memory is drawn" not in output.out
        wrong = command(name, path, "--memory", MEMORY.replace("0708", "0709"))
        assert wrong.code == 1
        drawn = command(name, path)
        assert drawn.code == 0
        assert "memory is drawn" in drawn.out


def test_memory_that_is_malformed(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, GUARDED)
    for name in ("check", "replay", "minimize", "triage"):
        assert "argument N, N bytes" in command.complaint(name, path, "--memory", "region: 0")
    too_far = "region: argument 0, 8 bytes; pointer: 40 -> 0"
    assert "outside of the region" in command.complaint("check", path, "--memory", too_far)


def test_memory_in_a_file_is_for_check_too(command: Command, tmp_path: Path) -> None:
    lines = "".join(f"; {line.strip()}\n" for line in MEMORY.split(";"))
    path = write(tmp_path, GUARDED + lines + COMMAND)
    assert "3 passed" in command("check", path).out
    assert command("replay", path).code == 0
    broken = write(tmp_path, GUARDED + lines.replace("40 ->", "60 ->") + COMMAND)
    assert "60 -> 48 is outside" in command("check", broken).out
    assert "60 -> 48 is outside" in command.complaint("replay", broken)


def test_a_command_that_expects_what_the_memory_does_not_have(
    command: Command, tmp_path: Path
) -> None:
    path = write(tmp_path, GUARDED + COMMAND.replace("0x0807", "1"))
    output = command("check", path, "--memory", MEMORY)
    assert output.code == 1
    assert output.out.count("wrong result") == 3
    replayed = command("replay", path, "--memory", MEMORY)
    assert replayed.code == 1
    assert "interp   differs from the file" in replayed.out


# --- the time limit of the compiler ---


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The compiler does not end for functions named ``%slow`` before the test does."""
    ended = threading.Event()
    compile_, compile_each = Target.compile, Target.compile_each

    def slow(self: Target, functions: Functions, **options: bytes) -> list[Compiled]:
        if "slow" in functions.names:
            ended.wait()
        return compile_(self, functions, **options)  # type: ignore[arg-type]

    def slow_each(self: Target, functions: Functions) -> list[Compiled | VerifierError]:
        if "slow" in functions.names:
            ended.wait()
        return compile_each(self, functions)  # type: ignore[return-value]

    monkeypatch.setattr(Target, "compile", slow)
    monkeypatch.setattr(Target, "compile_each", slow_each)
    yield
    ended.set()


IDENTITY = """\
function %slow(i8) -> i8 {
block0(v0: i8):
    return v0
}
; run: %slow(1) == 1
"""


@pytest.mark.usefixtures("endless")
def test_a_compiler_that_does_not_end_is_a_result(command: Command, tmp_path: Path) -> None:
    text = "test run\ntarget x86_64\n" + IDENTITY + IDENTITY.replace("slow", "quick")
    path = write(tmp_path, text)
    checked = command("check", path, "--timeout", 0.2)
    assert checked.code == 1
    assert checked.out.count("the compiler did not end within 0.2 s") == 1
    assert "3 passed, 1 failed, 2 skipped" in checked.out
    replayed = command("replay", path, "--timeout", 0.2)
    assert replayed.code == 1
    assert "compile-timeout x86_64 took too long in compile" in replayed.out
    assert "%quick, 1 inputs" in replayed.out
    assert replayed.out.count("x86_64  agrees with interp") == 1


def test_what_the_compiler_raises_within_the_limit() -> None:
    def fail() -> None:
        raise KeyError("it")

    with pytest.raises(KeyError, match="it"):
        compile_within(60, fail)
    assert compile_within(60, lambda: 3) == compile_within(None, lambda: 3) == 3
    ended = threading.Event()
    with pytest.raises(CompileTimeoutError, match=r"within 0\.01 s"):
        compile_within(0.01, ended.wait)
    ended.set()


def test_a_recorded_timeout_shows(tmp_path: Path, command: Command) -> None:
    """A file that records another failure than the one that shows does not fail as it records."""
    head = "; finding: compile-timeout\n; bucket: compile-timeout took too long in compile\n"
    path = write(tmp_path, f"{head}test run\ntarget x86_64\n{IDENTITY}")
    assert command("replay", path).code == 3


@pytest.mark.usefixtures("endless")
def test_a_timeout_is_what_a_file_recorded(tmp_path: Path, command: Command) -> None:
    head = "; finding: compile-timeout\n; bucket: compile-timeout took too long in compile\n"
    path = write(tmp_path, f"{head}test run\ntarget x86_64\n{IDENTITY}")
    assert command("replay", path, "--timeout", 0.2).code == 1


@pytest.mark.usefixtures("endless")
def test_the_pipeline_names_the_isa() -> None:
    verdict = Pipeline(["x86_64", "aarch64"], compile_seconds=0.2).check(read_case(IDENTITY).case)
    assert [(f.kind, f.isa) for f in verdict.findings] == [
        (FindingKind.COMPILE_TIMEOUT, "x86_64"),
        (FindingKind.COMPILE_TIMEOUT, "aarch64"),
    ]


# --- functions that cannot be represented, and names ---

DYNAMIC = """\
test compile
target aarch64
function %dynamic(i32) -> i32 {
    gv0 = dyn_scale_target_const.i32x4
    dt0 = i32x4*gv0
block0(v0: i32):
    v1 = splat.dt0 v0
    v2 = extract_vector v1, 0
    v3 = extractlane v2, 0
    return v3
}
"""


def test_dynamic_vectors_are_refused_in_words(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, DYNAMIC)
    reason = "%dynamic is left out: line 7: dynamic vectors are not supported"
    assert command("check", path).code == 0  # it compiles
    replayed = command("replay", path)
    assert replayed.code == 0
    assert replayed.out == f"{path}: not run: {reason}\n"
    assert reason in command.complaint("minimize", path, code=3)
    refused = json.loads(command("corpus", "import", tmp_path, tmp_path / "x", "--json", "-").out)
    assert refused["refused"] == {reason.replace("line 7: ", ""): 1}


def test_the_rest_of_a_file_is_run(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, f"test run\n{DYNAMIC[DYNAMIC.index('function') :]}{IDENTITY}")
    replayed = command("replay", path)
    assert replayed.code == 0
    assert replayed.out.count("agrees with interp") == 2
    assert "dynamic vectors are not supported" in replayed.err
    checked = command("check", path, "--json", "-")
    assert json.loads(checked.out)["passed"] == 3 + 1
    facts = json.loads(command("replay", path, "--json", "-").out)["files"]
    assert "dynamic vectors" in facts[0]["left_out"][0]
    refused = json.loads(command("corpus", "import", tmp_path, tmp_path / "x", "--json", "-").out)
    assert refused["written"] == 1
    assert refused["refused"] == {"cannot be read: dynamic vectors are not supported": 1}


@pytest.mark.parametrize(
    "arguments", [("replay", "--code"), ("check",), ("report", "--markdown", "-")]
)
def test_functions_are_named_as_clif_does(
    command: Command, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    text = BOUNDED.replace("return v10", "v11 = call fn1(v0, v10)\n    return v11")
    text = text.replace("fn0 =", "fn1 = u7:9 sig0\n    fn0 =")
    text = text.replace("function u0:2", "; run: u0:1(0, 0, 0) == 0\n\nfunction u0:2")
    path = write(tmp_path, f"test run\ntarget x86_64\n{text}")
    name, *more = arguments
    output = command(name, path, *more)
    assert "%u0:" not in output.out
    assert "%u7:" not in output.out
    shown = "u7:9 is not defined in this case" if name == "check" else "u0:1"
    assert shown in output.out
