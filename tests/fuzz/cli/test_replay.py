"""``clif-fuzz replay``, and ``fmt``, which reads the same files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backend.cranelift.compiler import version
from fuzz.cases.casefile import read_case
from fuzz.differential.finding import UNPROVED
from tests.fuzz.command import Command

ADD = """\
test interpret
test run
target x86_64
target aarch64

function %add(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    return v2
}
; run: %add(1, -2) == -1
"""

#: Known to be wrong in the emulator: phaddd of a register with itself.
PAIRWISE = """\
set opt_level=speed
target x86_64 has_sse3 has_ssse3 has_sse41
target aarch64
function %f(i16x8) -> i32x4 {
block0(v0: i16x8):
    v1 = swiden_low v0
    v2 = iadd_pairwise v1, v1
    return v2
}
; run: %f([1 2 3 4 5 6 7 8]) == [3 7 3 7]
"""

MAX_OF_I128 = """\
set opt_level=speed
target aarch64
function %max(i128, i128) -> i128 {
block0(v0: i128, v1: i128):
    v2 = icmp sgt v0, v1
    v3 = select v2, v0, v1
    return v3
}
; run: %max(1, 2) == 2
"""


def write(folder: Path, text: str, name: str = "case.clif") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_all_agree(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, ADD)
    output = command("replay", path)
    assert output.code == 0
    assert output.out == (
        f"{path}: %add, 1 inputs, case.clif\n"
        "  interp   agrees with the file\n"
        "  x86_64   agrees with interp\n"
        "  aarch64  agrees with interp\n"
    )


def test_the_file_may_stand_alone(command: Command, tmp_path: Path) -> None:
    output = command("replay", write(tmp_path, ADD.replace("== -1", "== 7")))
    assert output.code == 1
    assert "interp   differs from the file on 1 of 1 inputs" in output.out
    assert "expected result 0: 0x00000007 (7)" in output.out
    assert "actual   result 0: 0xffffffff (-1)" in output.out
    assert "outlier: the file" in output.out


def test_a_fault_of_the_emulator_is_called_so(command: Command, tmp_path: Path) -> None:
    output = command("replay", write(tmp_path, PAIRWISE), "--json", "-")
    (facts,) = json.loads(output.out)["files"]
    assert output.code == 0
    assert facts["outlier"] == "x86_64"
    (finding,) = facts["findings"]
    assert finding["kind"] == "emulator-fault"
    bucket = finding["bucket"].removesuffix(UNPROVED)
    assert bucket == "emulator-fault x86_64 horizontal-same-register"
    (difference,) = facts["executors"]["x86_64"]["differences"]
    assert difference["kind"] == "result"
    assert facts["executors"]["aarch64"]["agrees"] is True


@pytest.mark.skipif(version() != "0.135.8", reason="a fault of this release of Cranelift")
def test_a_panic_is_told(command: Command, tmp_path: Path) -> None:
    output = command("replay", write(tmp_path, MAX_OF_I128))
    assert output.code == 1
    assert "aarch64  compiler-panic: panic: called `Option::unwrap()` on a `None`" in output.out
    assert "x86_64" not in output.out


def test_isas_of_the_file_and_of_the_user(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, ADD.replace("target x86_64\n", "target s390x\n"))
    assert "x86_64" not in command("replay", path).out
    assert "aarch64" not in command("replay", path, "--isa", "x86_64").out
    plain = write(tmp_path, ADD.replace("target x86_64\ntarget aarch64\n", ""))
    output = command("replay", plain).out
    assert "x86_64" in output
    assert "aarch64" in output


def test_each_function_is_a_case(command: Command, tmp_path: Path) -> None:
    other = ADD[ADD.index("function") :].replace("%add", "%also")
    output = command("replay", write(tmp_path, ADD + other))
    assert output.code == 0
    assert "%add, 1 inputs" in output.out
    assert "%also, 1 inputs" in output.out


def test_a_folder_and_a_bad_file_in_it(command: Command, tmp_path: Path) -> None:
    write(tmp_path, ADD, "good.clif")
    write(tmp_path, "junk", "bad.clif")
    output = command("replay", tmp_path)
    assert output.code == 2
    assert "good.clif: %add" in output.out
    assert "bad.clif: line 1: " in output.err


@pytest.mark.parametrize(("params", "inputs"), [("i32", 5), ("", 1)])
def test_inputs_are_drawn_for_a_function_without_run_commands(
    command: Command, tmp_path: Path, params: str, inputs: int
) -> None:
    block = f"block0(v0: {params})" if params else "block0"
    function = f"function %f({params}) -> i32 {{\n{block}:\n v1 = iconst.i32 7\n return v1\n}}\n"
    path = write(tmp_path, f"test compile\n{function}")
    output = command("replay", path, "--inputs", 5)
    assert output.code == 0
    assert output.out.startswith(f"{path}: %f, {inputs} inputs")
    assert output.out.count("agrees with interp") == 2


@pytest.mark.parametrize(
    ("body", "code", "shown"),
    [
        ("v1 = fcvt_to_uint.i128 v0", 1, "compiler-panic x86_64 lower"),
        ("v1 = fcvt_to_uint.i64 v0", 0, "compiles; not run"),
        ("v1 = fcvt_to_uint.i128 v0\n    <7> nop", 1, "verifier-error x86_64"),
        ("v1 = fcvt_to_sint.i128 v0", 1, "compiler-panic x86_64 lower"),
    ],
)
def test_a_file_without_run_commands_is_compiled(
    command: Command, tmp_path: Path, body: str, code: int, shown: str
) -> None:
    function = f"function u0:9(f32) {{\nblock0(v0: f32):\n    {body}\n    return\n}}\n"
    path = write(tmp_path, f"test compile\ntarget x86_64\n{function}")
    output = command("replay", path)
    assert output.code == code
    assert shown in output.out
    assert output.out.startswith(f"{path}: u0:9, compiled only")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("junk", "case.clif: line 1: expected 'function'"),
        (ADD.replace("iadd", "add"), "case.clif: line 8: Unknown opcode: 'add'"),
        (ADD.replace("(1, -2)", "(1, 0x1.0p0)"), "case.clif: line 11: expected an i32"),
        (ADD.replace("(1, -2)", "(1)"), "case.clif: line 11: expected a comma"),
        ("set colour=red\n" + ADD, "unknown setting 'colour=red'"),
        (ADD.replace("test run", "set opt_level=most"), "invalid setting value"),
        (ADD.replace("target x86_64", "target x86_64 has_wings"), "has_wings"),
    ],
)
def test_bad_files(command: Command, tmp_path: Path, text: str, message: str) -> None:
    assert message in command.complaint("replay", write(tmp_path, text))


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ("target i686", "only for i686, whose addresses have 32 bits"),
        (
            "target x86_64-pc-windows-msvc",
            "a platform whose calling conventions are not emulated: x86_64-pc-windows-msvc",
        ),
        ('feature "pulley"', "needs Cargo features of Cranelift: pulley"),
    ],
)
def test_files_that_are_not_for_this_machine(
    command: Command, tmp_path: Path, targets: str, reason: str
) -> None:
    path = write(tmp_path, ADD.replace("target x86_64\ntarget aarch64", targets))
    replayed, checked = command("replay", path), command("check", path)
    assert (replayed.code, checked.code) == (0, 0)
    assert replayed.out == f"{path}: not run: {reason}\n"
    assert f"skipped: {reason}" in checked.out
    facts = json.loads(command("replay", path, "--json", "-").out)
    assert facts == {"files": [{"file": str(path), "not_run": reason}]}
    assert reason in command.complaint("minimize", path, code=3)
    assert reason in command.complaint("bisect", path, "--from", "0.130", code=3)


def test_a_file_of_the_verifier_alone(command: Command, tmp_path: Path) -> None:
    function = "function %f() -> i8 {\nblock0:\n  return\n}\n"
    text = f"test verifier\n{function}; error: arguments of return\n"
    path = write(tmp_path, text)
    output = command("replay", path)
    assert output.code == command("check", path).code == 0
    assert "not run: expects errors of the verifier" in output.out


def test_files_that_are_no_text(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.write_bytes(bytes(range(256)) * 40)
    assert "binary: not a text file" in command.complaint("replay", path)
    path.write_bytes(b"\0\0\0")
    assert "binary: not a text file" in command.complaint("replay", path)
    assert "No such file" in command.complaint("replay", tmp_path / "nothing")
    assert "Missing argument" in command.complaint("replay")


def test_code_that_no_emulated_cpu_runs(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, ADD.replace("x86_64", "x86_64 has_avx"))
    output = command("replay", path)
    assert output.code == command("check", path).code == 0
    assert "x86_64   the emulated CPU cannot run what 'has_avx' allows" in output.out
    assert "aarch64  agrees" in output.out


# --- fmt ---


def test_the_case_of_a_seed(command: Command) -> None:
    output = command("fmt", "7:12", "--inputs", 3, "--configurations", 1)
    assert output.code == 0
    case = read_case(output.out).case
    assert case.origin == "seed 7 case 12"
    assert case.inputs.count == 3
    assert command("fmt", "7:12", "--inputs", 3, "--configurations", 1).out == output.out
    assert command("fmt", "7:0").out == command("fmt", "7").out != output.out


def test_what_fmt_prints_replays(command: Command, tmp_path: Path) -> None:
    for index in range(4):
        text = command("fmt", f"1:{index}", "--inputs", 4, "--configurations", 1).out
        output = command("replay", write(tmp_path, text))
        assert (output.code, output.err) == (0, "")
        assert re.search(r"interp +agrees with the file", output.out)


def test_configurations_are_replayed_one_after_the_other(command: Command, tmp_path: Path) -> None:
    text = command("fmt", "1:0", "--inputs", 2, "--configurations", 2).out
    output = command("replay", write(tmp_path, text))
    assert output.code == 0
    for number in (1, 2):
        assert f"2 inputs, seed 1 case 0, configuration {number} of 2" in output.out


def test_fmt_of_a_file_is_canonical(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, ADD.replace("== -1", "== 7"))
    once = command("fmt", path).out
    assert once.endswith("; run: %add(1, -2) == -1\n")
    assert command("fmt", write(tmp_path, once)).out == once


def test_fmt_as_a_filetest_replays_without_a_region(command: Command, tmp_path: Path) -> None:
    regions = 0
    for index in range(8):
        plain = read_case(command("fmt", f"2:{index}", "--inputs", 4, "--configurations", 1).out)
        text = command("fmt", f"2:{index}", "--inputs", 4, "--configurations", 1, "--filetest").out
        found = read_case(text)
        assert found.case.inputs.region is None
        assert "; run:" in text
        if plain.case.inputs.region is not None:
            regions += 1
            assert found.case.main.name == "filetest"
        output = command("replay", write(tmp_path, text))
        assert (output.code, output.err) == (0, "")
        assert re.search(r"interp +agrees with the file", output.out)
    assert regions > 0


@pytest.mark.parametrize("what", ["nothing.clif", "7:", "seven", "-1"])
def test_fmt_of_nothing(command: Command, what: str) -> None:
    assert command.complaint("fmt", what)


def test_both_oracles(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, ADD)
    output = command("replay", "--oracle", "both", path)
    assert output.code == 0
    assert output.out.endswith("  cranelift-interpreter  agrees with interp\n")


def test_an_oracle_may_have_no_say(command: Command, tmp_path: Path) -> None:
    average = PAIRWISE.replace("iadd_pairwise", "avg_round").replace("[3 7 3 7]", "[1 2 3 4]")
    path = write(tmp_path, average)
    arguments = ("replay", "--isa", "aarch64", "--oracle", "both", path)
    output = command(*arguments, "--json", "-")
    (facts,) = json.loads(output.out)["files"]
    assert output.code == 0
    second = facts["executors"]["cranelift-interpreter"]
    assert second["remark"] == "no result on 1 input: avg_round.i32x4: not implemented"
    assert (second["agrees"], second["problem"], second["differences"]) == (True, None, [])
    text = command(*arguments).out
    assert "cranelift-interpreter  no result on 1 input: avg_round" in text
    assert "cranelift-interpreter  agrees" not in text


def test_both_oracles_stand_against_the_emulator(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, PAIRWISE.replace("target aarch64\n", ""))
    output = command("replay", "--oracle", "both", path)
    assert output.code == 0
    assert "  outlier: x86_64" in output.out


def test_another_build_is_named_once(command: Command, tmp_path: Path) -> None:
    case = (
        "function %f() -> i8 {\nblock0:\n    v0 = iconst.i8 1\n    return v0\n}\n; run: %f() == 1\n"
    )
    for name in ("a", "b"):
        (tmp_path / f"{name}.clif").write_text(f"; build: an older one\n{case}")
    output = command("replay", tmp_path)
    assert output.code == 0
    assert f"{tmp_path}/a.clif: made by another build: an older one; this is clif" in output.err
    assert output.err.count("another build") == 1
