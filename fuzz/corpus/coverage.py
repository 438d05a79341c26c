"""What the cases of a folder cover: reduction to the files that add coverage, and statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.cranelift.compiler import Functions, ReadError, SettingsError
from backend.cranelift.edge_counters import counters, uncounted
from clif.function import Function
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.cases.target import compile_case
from fuzz.corpus.files import Rejections, cases_of, files_in
from fuzz.differential import diagnosis
from fuzz.survey.coverage import RuleCounts, rule_counts


@dataclass(slots=True)
class ReducedCorpus:
    """The result of reducing a folder.

    Attributes:
        files: how many there are.
        kept: the files that add coverage, small ones first.
        edges: that the kept files, and so all files, cover.
    """

    files: int = 0
    kept: list[Path] = field(default_factory=list)
    edges: int = 0
    rejections: Rejections = field(default_factory=Rejections)


def reduce(folder: Path, isas: Sequence[str]) -> ReducedCorpus:
    """Choose files that together cover all edges that the folder covers, preferring small ones.

    If several cases have the same text, only the first counts. A few edges depend on memory
    addresses rather than on the case, so its copies might seem to add coverage.
    """
    found = ReducedCorpus()
    texts: set[str] = set()
    seen = np.zeros(len(counters()), np.bool_)
    for path in files_in(folder):
        found.files += 1
        covered = np.zeros_like(seen)
        for case in cases_of(path, found.rejections):
            text = print_case(replace(case, origin=""))
            if text not in texts:
                texts.add(text)
                covered |= _covered_by(case, isas, found.rejections, str(path))
        if (covered & ~seen).any():
            found.kept.append(path)
            seen |= covered
    found.edges = int(np.count_nonzero(seen))
    return found


def _covered_by(
    case: Case, isas: Sequence[str], rejections: Rejections, where: str
) -> NDArray[np.bool_]:
    """Return the edges that reading and compiling a case covers."""
    with uncounted():
        live = counters()
        live.fill(0)
        try:
            functions = Functions(print_functions(case.functions))
            for isa in filter(case.is_for, isas):
                compile_case(case, isa, functions)
        except SettingsError as error:
            rejections.note(f"settings: {error}", where)
        except (ReadError, *diagnosis.COMPILER_FAILURES) as error:
            rejections.note(f"does not compile: {type(error).__name__}", where)
        return live.astype(np.bool_)


@dataclass(slots=True)
class CorpusStatistics:
    """The contents of a folder of cases.

    Attributes:
        size: in bytes.
        trapping: cases that may trap.
        opcodes, types: the number of cases that each is in.
        rules: ISLE rules that fired, None if this build cannot tell.
    """

    files: int = 0
    size: int = 0
    cases: int = 0
    functions: int = 0
    instructions: int = 0
    inputs: int = 0
    trapping: int = 0
    with_memory: int = 0
    opcodes: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    edges: int = 0
    rules: RuleCounts | None = None
    rejections: Rejections = field(default_factory=Rejections)

    def to_json(self) -> dict[str, Any]:
        """Return the statistics, most frequent opcodes, types and reasons first."""
        names = ("files", "size", "cases", "functions", "instructions", "inputs", "trapping")
        return {name: getattr(self, name) for name in (*names, "with_memory", "edges")} | {
            "opcodes": dict(self.opcodes.most_common()),
            "types": dict(self.types.most_common()),
            "rules": None if self.rules is None else {g: list(p) for g, p in self.rules.items()},
            "refused": dict(self.rejections.counts.most_common()),
        }


def statistics_of(folder: Path, isas: Sequence[str]) -> CorpusStatistics:
    """Read and compile every case of a folder, and count what is in it."""
    found = CorpusStatistics()
    seen = np.zeros(len(counters()), np.bool_)
    for path in files_in(folder):
        found.files += 1
        found.size += path.stat().st_size
        for case in cases_of(path, found.rejections):
            _note(found, case)
            seen |= _covered_by(case, isas, found.rejections, str(path))
    found.edges = int(np.count_nonzero(seen))
    found.rules, _ = rule_counts(seen)
    return found


def _note(found: CorpusStatistics, case: Case) -> None:
    found.cases += 1
    found.functions += len(case.functions)
    found.inputs += case.inputs.count
    found.trapping += case.trapping
    found.with_memory += case.inputs.region is not None
    instructions = list(_instructions(case.functions))
    found.instructions += len(instructions)
    found.opcodes.update({opcode for opcode, _ in instructions})
    found.types.update({type_ for _, type_ in instructions if type_})


def _instructions(functions: Iterable[Function]) -> Iterator[tuple[str, str]]:
    for function in functions:
        for inst in function.instructions():
            yield inst.opcode.name, inst.type.name if inst.type is not None else ""
