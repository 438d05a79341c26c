"""What ``check`` and ``replay`` say of files as people write them: the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fuzz.command import Command, Output
from tests.fuzz.file_kinds import (
    BOTH,
    DEBUG_TAGS,
    DEEP_RECURSION,
    LIBRARY_CALLS,
    MISSING_INSTRUCTIONS,
    REFUSED_TAGS,
    ROUNDED_BEHIND_A_TABLE,
)


def replayed_and_checked(command: Command, folder: Path, text: str, code: int = 0) -> list[Output]:
    path = folder / "case.clif"
    path.write_text(text)
    outputs = [command("replay", path), command("check", path)]
    assert [output.code for output in outputs] == [code, code]
    return outputs


PASSING = {
    **{f"deep-{name}": text for name, text in DEEP_RECURSION.items()},
    **{f"library-{name}": BOTH + text for name, text in LIBRARY_CALLS.items()},
    **{f"tags-{name}": BOTH + text for name, text in DEBUG_TAGS.items()},
}


@pytest.mark.parametrize("text", PASSING.values(), ids=PASSING)
def test_what_passes_everywhere(command: Command, tmp_path: Path, text: str) -> None:
    replayed, checked = replayed_and_checked(command, tmp_path, text)
    assert replayed.out.count("agrees with") == 3
    commands = text.count("; run:")
    assert f"{3 * commands} passed, 0 failed, 0 skipped" in checked.out


@pytest.mark.parametrize("name", LIBRARY_CALLS)
def test_a_wrong_value_of_a_library_call_is_seen(
    command: Command, tmp_path: Path, name: str
) -> None:
    """The run commands of these files can fail."""
    text = LIBRARY_CALLS[name]
    last = text.rstrip().rpartition("; run: ")[2]
    wrong = BOTH + text.replace(last, re.sub(r"== .*", f"== {_other(last)}", last))
    replayed, checked = replayed_and_checked(command, tmp_path, wrong, code=1)
    assert "interp   differs from the file" in replayed.out
    assert checked.out.count("wrong result") == 3


def _other(command: str) -> str:
    return "[0x1.8p7 0x1.0]" if "[" in command else "0x1.8p7"


@pytest.mark.parametrize("text", DEBUG_TAGS.values(), ids=DEBUG_TAGS)
def test_tags_and_keys_are_kept(command: Command, tmp_path: Path, text: str) -> None:
    path = tmp_path / "case.clif"
    path.write_text(BOTH + text)
    printed = command("fmt", path).out
    for word in re.findall(r"<.*?>|key = \d+|stack_map=\[.*?\]", text):
        assert printed.count(word) == text.count(word)
    again = tmp_path / "again.clif"
    again.write_text(printed)
    assert command("fmt", again).out == printed
    assert command("replay", again).code == 0


@pytest.mark.parametrize("text", REFUSED_TAGS.values(), ids=REFUSED_TAGS)
def test_tags_that_the_verifier_refuses(command: Command, tmp_path: Path, text: str) -> None:
    replayed, checked = replayed_and_checked(command, tmp_path, BOTH + text, code=1)
    what = "debug tags present on non-call, non-sequence point instruction"
    assert f"verifier-error x86_64 instN: {what}" in replayed.out
    assert checked.out.count(f"the verifier refuses %f: inst{_number(text)}: {what}") == 3


def _number(text: str) -> int:
    """Return the number of the instruction that must not have a tag."""
    return 0 if "v9 = iconst" in text else 1


@pytest.mark.parametrize("text", ROUNDED_BEHIND_A_TABLE.values(), ids=ROUNDED_BEHIND_A_TABLE)
def test_the_emulators_fault_behind_a_jump_table(
    command: Command, tmp_path: Path, text: str
) -> None:
    replayed, _ = replayed_and_checked(command, tmp_path, text)
    assert "x86_64   differs from interp on 1 of 2 inputs, a known fault" in replayed.out
    assert "emulator-fault x86_64 round-from-memory" in replayed.out
    assert "aarch64  agrees with interp" in replayed.out


@pytest.mark.parametrize(
    ("target", "function", "call"), MISSING_INSTRUCTIONS.values(), ids=MISSING_INSTRUCTIONS
)
def test_an_instruction_that_an_isa_lacks(
    command: Command, tmp_path: Path, target: str, function: str, call: str
) -> None:
    text = f"test run\ntarget {target}\n{function}; run: {call}\n"
    replayed, checked = replayed_and_checked(command, tmp_path, text)
    assert "should be implemented in ISLE" in replayed.out
    assert "1 passed, 0 failed, 2 skipped" in checked.out
    path = tmp_path / "case.clif"
    assert "does not fail" in command.complaint("minimize", path, code=3)
    small = command("minimize", path, "--kind", "unsupported", "-o", "-")
    assert small.code == 0
    assert "; finding: unsupported" in small.out
