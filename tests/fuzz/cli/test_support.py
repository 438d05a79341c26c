"""``clif-fuzz support``, and what all commands have in common."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import interp
from backend.cranelift.opcodes import OPCODES
from backend.cranelift.support_matrix import Support, probe
from backend.emulator.executor import Executor
from backend.engines.guest_process import EngineError
from backend.engines.registry import ENGINES
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from fuzz.cases.case import DEFAULT_SETTINGS
from fuzz.survey import engines
from tests.backend.engines.installed import missing, needs_qemu
from tests.fuzz.command import Command


def test_matrix_as_json(command: Command) -> None:
    facts = json.loads(command("support", "--json", "-").out)
    assert facts["isa"].keys() == {"x86_64", "aarch64"}
    iadd = facts["isa"]["x86_64"]["opcodes"]["iadd"]
    assert [iadd[name] for name in ("i8", "i128", "i32x4")] == ["supported"] * 3
    assert facts["isa"]["x86_64"]["opcodes"]["smax"]["i128"] != "supported"
    assert facts["interp"]["opcodes"] == len(interp.MEANINGS)
    missing = facts["interp"]["missing"]
    assert missing.keys() == OPCODES.keys() - interp.MEANINGS.keys()
    assert all(missing.values())


def test_matrix_for_people(command: Command) -> None:
    output = command("support", "--isa", "x86_64").out
    lines = output.splitlines()
    iadd = lines[lines.index("iadd") + 1].split()
    assert iadd[:6] == ["x86_64", "i8", "i16", "i32", "i64", "i128"]
    assert "aarch64" not in output


def test_an_isa_has_other_names(command: Command) -> None:
    facts = json.loads(command("support", "--isa", "x64,AMD64,x86_64,arm64", "--json", "-").out)
    assert list(facts["isa"]) == ["x86_64", "aarch64"]


def test_missing(command: Command) -> None:
    output = command("support", "--missing").out
    for name, reason in interp.REASONS.items():
        assert f"{name:24} {reason}" in output
    assert "refused by x86_64:" in output


def test_the_table_of_missing_lowerings(command: Command) -> None:
    """Each row against the matrices: the worst of all operand types and conditions."""
    lines = command("support", "--missing-lowerings").out.splitlines()
    assert lines[2:4] == ["| opcode | types | x86_64 | aarch64 |", "|---|---|---|---|"]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines[4:]]
    words = {"yes": Support.SUPPORTED, "refused": Support.UNSUPPORTED, "panics": Support.PANICS}
    seen = set()
    matrices = {isa: probe(isa, DEFAULT_SETTINGS, {}) for isa in ("x86_64", "aarch64")}
    for opcode, types, *cells in rows:
        for type_ in types.split("` `"):
            seen.add((opcode, type_))
            for (isa, matrix), cell in zip(matrices.items(), cells, strict=True):
                found = {
                    status
                    for (name, typed, _, _), status in matrix.entries.items()
                    if (name, typed or "-") == (opcode, type_)
                }
                assert words[cell] in found if cell else not found, (opcode, type_, isa)
                if cell == "yes":
                    assert found == {Support.SUPPORTED}
    assert len(seen) == sum(len(types.split()) for _, types, *_ in rows)
    assert ("smin", "i128") in seen
    assert ("iadd", "i32") not in seen


def test_flags_change_what_is_supported(command: Command) -> None:
    def avg(*flags: str) -> str:
        args = [word for flag in flags for word in ("--flag", flag)]
        facts = json.loads(command("support", "--isa", "x86_64", *args, "--json", "-").out)
        return json.dumps(facts["isa"]["x86_64"]["counts"])

    assert avg("has_ssse3", "has_sse41") != avg()
    assert "no setting named 'wings'" in command.complaint("support", "--flag", "wings")


def test_what_a_run_has_reached(command: Command, tmp_path: Path) -> None:
    matrix = json.loads(command("support", "--isa", "x86_64", "--json", "-").out)
    assert "smin.i128" not in matrix["isa"]["x86_64"]["opcodes"]["smin"]
    facts = tmp_path / "facts.json"
    opcode_types = {"iadd.i32": 20, "iadd.i8": 19, "fence": 99}
    facts.write_text(json.dumps({"opcode_types": {"x86_64": opcode_types}}))
    args = ("support", "--isa", "x86_64", "--against", str(facts))
    lines = command(*args).out.splitlines()
    total = int(lines[0].split()[3])
    assert lines[0].startswith(f"x86_64: 2 of {total} pairs")
    assert total == len(lines) + 1
    assert lines[1:].count("    19 iadd.i8") == 1
    assert "     0 vany_true.i8x8  (known fault: vany-true-i8x4)" in lines
    assert "     0 fcvt_from_sint.f32x2  (no settled meaning)" in lines
    assert not any(line.endswith((" iadd.i32", " fence")) for line in lines[1:])
    reached = json.loads(command(*args, "--json", "-").out)["x86_64"]
    assert reached["opcode_types"] == total
    assert reached["rest"]["x86_pmaddubsw"] == {"cases": 0, "reason": ""}


def test_what_is_no_run(command: Command, tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    for text in ("{", "[]", '{"opcode_types": 3}', '{"cases": 3}'):
        facts.write_text(text)
        assert "not written by clif-fuzz run --json" in command.complaint(
            "support", "--against", str(facts)
        )
    missing = str(tmp_path / "none.json")
    assert "No such file" in command.complaint("support", "--against", missing)


def test_what_is_left_out_for_a_known_fault(command: Command) -> None:
    output = command("support", "--missing", "--isa", "aarch64").out
    assert "left out on aarch64 for a known fault (corpus/cranelift):" in output
    assert "fpromote-f16-f64         fpromote f64 f16: converts from single precision" in output


@pytest.mark.parametrize("name", ["run", "replay", "fmt", "support", "selfcheck"])
def test_help(command: Command, name: str) -> None:
    output = command(name, "--help")
    assert output.code == 0
    assert f"Usage: clif-fuzz {name}" in output.out
    assert name in command("--help").out


def test_unknown_command(command: Command) -> None:
    assert "No such command 'walk'" in command.complaint("walk")


def test_as_a_module_and_without_arguments() -> None:
    done = subprocess.run([sys.executable, "-m", "fuzz"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Usage: clif-fuzz" in done.stdout + done.stderr


# --- engines ---


def test_engines_are_asked_what_they_run(command: Command) -> None:
    facts = json.loads(command("support", "--engines", "--isa", "all", "--json", "-").out)[
        "engines"
    ]
    by_name = {(row["engine"], row["isa"]): row for row in facts}
    for isa in ISAS:
        if not ENGINES["unicorn"].knows(ISAS[isa]):
            assert by_name["unicorn", isa]["missing"]
            continue
        row = by_name["unicorn", isa]
        assert not row["missing"]
        assert set(row["lacks"]) >= ISAS[isa].flags.lacks
    assert "has_avx" in by_name["unicorn", "x86_64"]["lacks"]
    if not missing("qemu-user"):
        assert "has_avx" in by_name["qemu-user", "x86_64"]["flags"]
        assert "has_i8mm" in by_name["qemu-user", "aarch64"]["flags"]


def test_an_engine_that_is_missing_says_how_it_is_had(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    output = command("support", "--engines", "--isa", "x86_64").out.splitlines()
    (line,) = (line for line in output if line.startswith("qemu-user"))
    assert line == (
        "qemu-user x86_64: left out: qemu-x86_64 is not installed: apt install qemu-user-static"
    )


@needs_qemu
def test_an_engine_that_cannot_be_started_is_left_out(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(isa: str, engine: str = "") -> Executor:
        if engine == "qemu-user":
            raise EngineError(f"{isa}: cannot filter system calls")
        return executor_for(isa, engine)

    monkeypatch.setattr(engines, "executor_for", failing)
    output = command("support", "--engines", "--isa", "aarch64").out.splitlines()
    assert "qemu-user aarch64: left out: cannot filter system calls" in output
