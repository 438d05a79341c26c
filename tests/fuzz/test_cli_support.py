"""``clif-fuzz support``, and what all commands have in common."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import interp
from backend.opcodes import OPCODES
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


def test_missing(command: Command) -> None:
    output = command("support", "--missing").out
    for name, reason in interp.REASONS.items():
        assert f"{name:24} {reason}" in output
    assert "refused by x86_64:" in output


def test_flags_change_what_is_supported(command: Command) -> None:
    def avg(*flags: str) -> str:
        args = [word for flag in flags for word in ("--flag", flag)]
        facts = json.loads(command("support", "--isa", "x86_64", *args, "--json", "-").out)
        return json.dumps(facts["isa"]["x86_64"]["counts"])

    assert avg("has_ssse3", "has_sse41") != avg()
    assert "no setting named 'wings'" in command.complaint("support", "--flag", "wings")


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
    assert done.returncode == 2
    assert "Usage: clif-fuzz" in done.stdout + done.stderr
