"""A judge of the user's own: a command that says by its exit code whether a case is interesting."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.differential.failure_signature import Symptom

_INTERESTING: Final = Symptom(None, what="what the predicate looks for")
_PLACE: Final = "{}"


class PredicateError(Exception):
    """The command cannot be run: why."""


@dataclass(frozen=True, slots=True)
class PredicateJudge:
    """Runs a command on each case (``fuzz.minimize.interestingness.Judge``).

    Attributes:
        command: words as for a shell; the file's name stands for ``{}``, or comes last.
        seconds: how long the command may take; one that takes longer is not interested.
    """

    command: str
    isas: tuple[str, ...]
    seconds: float

    def __call__(self, case: Case) -> Symptom | None:
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

    def fixed_on(self, symptom: Symptom) -> PredicateJudge:
        """There is one symptom only."""
        return self

    def everywhere(self, symptom: Symptom) -> PredicateJudge:
        """ISAs are the command's affair."""
        return self

    def close(self) -> None:
        """Nothing to do."""

    def _words(self, file: Path) -> list[str]:
        words = shlex.split(self.command)
        if not words:
            raise PredicateError("the command is empty")
        if _PLACE in words:
            return [str(file) if word == _PLACE else word for word in words]
        return [*words, str(file)]
