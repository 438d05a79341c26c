"""Bases that are the linked Cranelift with a text changed before it is compiled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.cranelift.compiler import Functions
from backend.cranelift.releases import ReleaseCode
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.target import target_of
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.verdict import Verdict
from scripts.benchmarks.injected_faults import InjectedFault, InjectedFaultRunner
from tests.fuzz.triage.fake_release import compile_as_release
from tests.paths import ROOT


def same(text: str) -> str:
    return text


def raises(error: Exception) -> Callable[[str], str]:
    """Return a change that raises instead."""

    def change(text: str) -> str:
        raise error

    return change


@dataclass
class FakeBase:
    """A base in this process.

    Attributes:
        asked: how often it compiled something.
    """

    change: Callable[[str], str]
    asked: int = field(default=0)

    def check(self, case: Case, isas: Sequence[str]) -> Verdict:
        return Pipeline(isas, compiler=self._compile).check(case)

    def compile(self, case: Case, isa: str) -> None:
        self._compile(case, isa, None)

    def _compile(self, case: Case, isa: str, _: Functions | None) -> list[ReleaseCode]:
        self.asked += 1
        return compile_as_release(
            self.change(print_functions(case.functions)), target_of(case, isa)
        )


class InjectedBase:
    """A base that has an injected fault, and no other."""

    def __init__(self, fault: str) -> None:
        self._runner = InjectedFaultRunner(InjectedFault(fault))

    def check(self, case: Case, isas: Sequence[str]) -> Verdict:
        return self._runner(case, isas)

    def compile(self, case: Case, isa: str) -> None:
        raise NotImplementedError("injected faults end no process")


#: A program with the linked Cranelift behind it. What it raises becomes an error of its answer.
_PROGRAM = """#!{python}
import json, sys
sys.path.insert(0, {root!r})
from dataclasses import asdict
from backend.cranelift.compiler import CompileError, CompilerPanic, Target
from backend.isa.registry import ISAS
from tests.fuzz.triage.fake_release import compile_as_release

request = json.load(sys.stdin)
text = request["text"]
{change}
names = {{Target.of(isa).triple: isa for isa in ISAS}}
target = Target.of(names[request["triple"]], request["settings"], request["flags"])
try:
    answer = {{"functions": [
        asdict(c) | {{"code": c.code.hex()}} for c in compile_as_release(text, target)
    ]}}
except CompilerPanic as error:
    answer = {{"error": {{"kind": "panic", "message": error.message, "location": error.location}}}}
except CompileError as error:
    answer = {{"error": {{"kind": "compile", "message": error.message}}}}
print(json.dumps(answer))
"""


def write_program(path: Path, change: str = "") -> Path:
    """Write a program that does as that of ``backend/release``.

    Args:
        change: statements that change ``text``, or do worse.
    """
    path.write_text(_PROGRAM.format(python=sys.executable, root=str(ROOT), change=change))
    path.chmod(0o755)
    return path
