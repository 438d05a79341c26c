"""An interestingness test of the user's own: a command that answers by its exit code."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.differential.failure_signature import FailureSignature

_INTERESTING: Final = FailureSignature(None, what="what the predicate looks for")
_PLACE: Final = "{}"


class PredicateError(Exception):
    """The command cannot be run; the message says why."""


@dataclass(frozen=True, slots=True)
class PredicateTest:
    """An interestingness test that runs a command on each case's file.

    Attributes:
        command: words as for a shell; ``{}`` stands for the file's name, which comes last
        otherwise.
        isas: the ISAs that the file names.
        seconds: how long the command may take; a case for which it takes longer is refused.
    """

    command: str
    isas: tuple[str, ...]
    seconds: float

    def __call__(self, case: Case) -> FailureSignature | None:
        with tempfile.TemporaryDirectory(prefix="clif-fuzz-") as folder:
            file = Path(folder) / "case.clif"
            file.write_text(print_case(case, isas=self.isas), encoding="utf-8")
            try:
                done = subprocess.run(
                    self._words(file),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=self.seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return None
            except OSError as error:
                raise PredicateError(f"cannot run '{self.command}': {error.strerror}") from error
        return _INTERESTING if done.returncode == 0 else None

    def restricted_to(self, failure: FailureSignature) -> PredicateTest:
        """Return this test: the command looks for one failure only."""
        return self

    def on_all_isas(self, failure: FailureSignature) -> PredicateTest:
        """Return this test: the command decides about ISAs."""
        return self

    def close(self) -> None:
        """Do nothing: this test holds nothing."""

    def _words(self, file: Path) -> list[str]:
        words = shlex.split(self.command)
        if not words:
            raise PredicateError("the command is empty")
        if _PLACE in words:
            return [str(file) if word == _PLACE else word for word in words]
        return [*words, str(file)]
