"""What all commands have in common: help, options, exit codes, files, the reader of the output."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fuzz.cli import cli
from tests.fuzz.command import Command
from tests.paths import ROOT

SMALL = ROOT / "corpus" / "cranelift" / "fpromote-f16-f64.clif"


def every_command() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield the words that name each command, and the command."""
    groups: list[tuple[tuple[str, ...], click.Group]] = [((), cli)]
    for words, group in groups:
        context = click.Context(group)
        for word in group.list_commands(context):
            found = group.get_command(context, word)
            assert found is not None
            yield (*words, word), found
            if isinstance(found, click.Group):
                groups.append(((*words, word), found))


COMMANDS = dict(every_command())
each_command = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)


# --- help ---


@pytest.mark.parametrize("words", [(), ("corpus",)])
def test_a_group_alone_prints_its_help(command: Command, words: tuple[str, ...]) -> None:
    alone, asked = command(*words), command(*words, "--help")
    assert (alone.code, alone.out, alone.err) == (0, asked.out, "")
    assert alone.out.startswith("Usage: clif-fuzz")


@each_command
def test_help_has_a_short_form_and_examples(command: Command, words: tuple[str, ...]) -> None:
    output = command(*words, "-h")
    assert (output.code, output.err) == (0, "")
    assert output.out == command(*words, "--help").out
    assert f"clif-fuzz {' '.join(words)} " in output.out.partition("Options:")[2]


def test_the_h_of_a_flag_of_libfuzzer_is_no_help(command: Command) -> None:
    assert "no target 'nothing'" in command.complaint("target", "nothing", "-minimize_crash=1")


def examples() -> list[object]:
    """Return the command lines that helps show, as words without comments and shell syntax."""
    found: list[object] = []
    for words, shown in {(): cli, **COMMANDS}.items():
        for line in re.findall(r"^ *(clif-fuzz .*)", shown.epilog or "", re.MULTILINE):
            text = re.split(r" {2,}| > ", line)[0]
            found.append(pytest.param(shlex.split(text)[1:], id=f"{' '.join(words)}: {text}"))
    return found


@pytest.mark.parametrize("words", examples())
def test_examples_of_help_are_command_lines(words: list[str], tmp_path: Path) -> None:
    """Each is parsed, with a file or folder in place of those that it names."""
    number = max(n for n in (1, 2) if n == 1 or tuple(words[:n]) in COMMANDS)
    found, rest = COMMANDS[tuple(words[:number])], words[number:]
    given = []
    for word in rest:
        name = word.rstrip("/")
        is_folder = (
            word.endswith("/") or name in ("cases", "findings", "smaller") or "runtests" in word
        )
        is_file = "." in Path(name).name and not is_folder
        given.append(str(tmp_path if is_folder else SMALL if is_file else word))
    # As when it is run: a context without these settings would be remembered by the command.
    found.make_context(words[0], given, parent=click.Context(cli, **cli.context_settings))


# --- options ---


def test_an_option_is_spelled_alike_in_all_commands() -> None:
    for words, shown in COMMANDS.items():
        for parameter in shown.params:
            assert "--output" not in parameter.opts, words
            if "--out" in parameter.opts:
                assert "-o" in parameter.opts, words


@pytest.mark.parametrize("number", ["nan", "inf"])
@pytest.mark.parametrize("option", ["--seconds", "--case-seconds", "--mutants", "--rules-share"])
def test_what_is_no_number_is_refused(command: Command, option: str, number: str) -> None:
    assert command.complaint("run", "--cases", "1", f"{option}={number}")


def test_other_names_of_isas(command: Command, tmp_path: Path) -> None:
    out = ("--cases", "1", "--seed", "1", "-o", tmp_path)
    assert "aarch64: " in command("run", *out, "--isa", "arm64").out
    checked = command("check", "--executor", "interp,x86-64,amd64", SMALL)
    assert checked.code == 0


# --- folders and files ---


@pytest.mark.parametrize(
    "words",
    [
        *("replay", "triage", "check", "coverage", "report"),
        *("corpus stats", "corpus import", "corpus minimize"),
    ],
)
def test_a_folder_without_cases_is_an_error(command: Command, tmp_path: Path, words: str) -> None:
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    more = [out] if words in ("corpus import", "corpus minimize") else []
    assert str(empty) in command.complaint(*words.split(), empty, *more)


def test_a_folder_that_cannot_be_a_cache_is_said_once(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    output = command("run", "--resume", tmp_path / "nothing")
    assert output.err.count("nothing can be kept in") == 1
    assert "Not a directory" in output.err


# --- as a process ---


def run(*words: object, **variables: str) -> subprocess.Popen[str]:
    """Start ``clif-fuzz`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "fuzz", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("words", [("fmt", "7"), ("support",), ("--help",)])
def test_a_closed_pipe_is_no_finding(words: tuple[str, ...]) -> None:
    process = run(*words)
    assert process.stdout is not None
    process.stdout.close()  # before anything can have been written
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


def test_completion() -> None:
    variables = {"COMP_WORDS": "clif-fuzz mini", "COMP_CWORD": "1"}
    process = run(_CLIF_FUZZ_COMPLETE="bash_complete", **variables)
    output, _ = process.communicate()
    assert output.split() == ["plain,minimize"]
