"""Runs the command line as its console script does."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from fuzz.cli import main
from fuzz.cli.errors import EXIT_USAGE


@dataclass(frozen=True)
class Output:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class Command:
    """``command("run", "--cases", "3")``: in this process, so that it is quick."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __call__(self, *args: object) -> Output:
        self.monkeypatch.setattr(sys, "argv", ["clif-fuzz", *map(str, args)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = self.capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return Output(exit_.value.code, captured.out, captured.err)

    def complaint(self, *args: object, code: int = EXIT_USAGE) -> str:
        """The one line on stderr of a command that is refused."""
        output = self(*args)
        assert output.code == code
        assert output.out == ""
        (line,) = output.err.splitlines()
        assert line.startswith("clif-fuzz: ")
        return line.removeprefix("clif-fuzz: ")
