"""The base of a campaign as a compiler: a program of its own, which compiles one case at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from backend.cranelift.compiler import Functions
from backend.cranelift.releases import ReleaseCode, ReleaseCompiler
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.verdict import Verdict
from fuzz.triage.bisect.tester import compile_with


class Base(Protocol):
    """What can be asked of a base.

    Beside what each method names, both may raise ReadError and SettingsError, where the base does
    not know what the case is made of, and ReleaseTimeoutError.
    """

    def check(self, case: Case, isas: Sequence[str]) -> Verdict:
        """Take a case through the pipeline, compiled by the base."""
        ...

    def compile(self, case: Case, isa: str) -> None:
        """Compile a case without reading it with the linked Cranelift, which may end this process.

        Raises:
            CompileError, VerifierError, UnsupportedError, CompilerPanic: compiling fails.
            ReleaseCrashError: the base's program died.
        """
        ...


@dataclass(slots=True)
class BaseProgram:
    """The program of a base, as ``backend.cranelift.release_build`` makes it.

    Attributes:
        seconds: how long compiling a case for an ISA may take by the clock.
        memory_mb: how large the program's address space may be.
    """

    path: Path
    version: str
    seconds: float
    memory_mb: int
    _pipelines: dict[tuple[str, ...], Pipeline] = field(default_factory=dict)

    def check(self, case: Case, isas: Sequence[str]) -> Verdict:
        """Take a case through the pipeline, compiled by the base."""
        key = tuple(isas)
        if key not in self._pipelines:
            self._pipelines[key] = Pipeline(key, compiler=self._compile)
        return self._pipelines[key].check(case)

    def compile(self, case: Case, isa: str) -> None:
        """Compile a case for an ISA."""
        self._compile(case, isa, None)

    def _compile(self, case: Case, isa: str, _: Functions | None) -> list[ReleaseCode]:
        compiler = ReleaseCompiler(
            self.path, self.version, seconds=self.seconds, memory_mb=self.memory_mb
        )
        return compile_with(compiler, case, isa)
