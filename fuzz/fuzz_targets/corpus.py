"""Folders of cases: made of other CLIF, reduced to what adds coverage, looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.cranelift.compiler import CompilerPanic, Functions, ReadError, SettingsError
from backend.cranelift.edge_counters import counters, uncounted
from backend.cranelift.reader import read_file
from clif.function import Function
from clif.outcome import Status
from clif.printer import print_functions
from clif.testfile import TestFile
from fuzz.cases.case import Case
from fuzz.cases.casefile import CaseFileError, print_case, reachable, read_cases
from fuzz.differential import diagnosis
from fuzz.differential.pipeline import Pipeline, target_of
from fuzz.entropy import PrngEntropy
from fuzz.generate.inputs import draw_inputs
from fuzz.survey.coverage import RuleCounts, rule_counts

#: Larger files are no cases that anybody made.
LARGEST = 1 << 20
_INPUTS = 8


@dataclass(slots=True)
class Refused:
    """What was not taken, by reason, with an example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, where: str) -> None:
        self.counts[reason] += 1
        self.examples.setdefault(reason, where)


def files_in(folder: Path) -> list[Path]:
    """Every file in a folder and those in it, small ones first; equal sizes by name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: (path.stat().st_size, str(path)))


def read_text(path: Path, refused: Refused) -> str | None:
    """A file's text, None and a note where it is none."""
    try:
        if path.stat().st_size > LARGEST:
            refused.note(f"more than {LARGEST} bytes", str(path))
            return None
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        refused.note("cannot be read as text", str(path))
        return None
    if not text.strip():
        refused.note("empty", str(path))
        return None
    return text


def cases_of(path: Path, refused: Refused) -> list[Case]:
    """The cases of a corpus file, none and a note where it is none."""
    text = read_text(path, refused)
    if text is None:
        return []
    try:
        return [found.case for found in read_cases(text, path.name)]
    except CaseFileError as error:
        reason = str(error).partition(":")[0]
        refused.note("no case" if reason.startswith("line ") else f"no case: {reason}", str(path))
        return []


# --- importing ---


@dataclass(slots=True)
class Imported:
    """What came of importing a folder."""

    files: int = 0
    written: int = 0
    refused: Refused = field(default_factory=Refused)


def import_folder(folder: Path, out: Path, isas: Sequence[str]) -> Imported:
    """Makes a case of every function that has run commands, and of those without with drawn inputs.

    Taken is what everybody can run and agrees on; what shows a fault is refused, with its bucket
    for the reason. Raises OSError where ``out`` cannot be written.
    """
    found = Imported()
    pipelines = {isa: Pipeline([isa]) for isa in isas}
    for path in sorted(folder.rglob("*.clif")):
        found.files += 1
        text = read_text(path, found.refused)
        for case in _cases_to_import(text, path, found.refused) if text else ():
            taken = _accepted(case, pipelines, found.refused, f"{path} %{case.main.name}")
            if taken is not None:
                name = "-".join([*path.relative_to(folder).with_suffix("").parts, case.main.name])
                (out / f"{name}.clif").write_text(print_case(taken, isas=taken.isas))
                found.written += 1
    return found


def _cases_to_import(text: str, path: Path, refused: Refused) -> Iterator[Case]:
    try:
        file = read_file(text)
    except (ReadError, CompilerPanic):
        refused.note("Cranelift cannot read it", str(path))
        return
    named: set[str] = set()
    try:
        for found in read_cases(text, path.name):
            named.add(found.case.main.name)
            yield found.case
    except CaseFileError:
        pass  # without run commands, or with some that are not understood
    yield from _cases_without_inputs(file, path, named)


def _cases_without_inputs(file: TestFile, path: Path, named: set[str]) -> Iterator[Case]:
    functions = [function for function, _ in file.functions]
    callees = {f.name for main in functions for f in reachable(main, functions) if f is not main}
    for main in functions:
        if main.name in named or main.name in callees:
            continue
        others = reachable(main, [f for f in functions if f is not main])
        entropy = PrngEntropy((len(main.name), *main.name.encode()))
        inputs = draw_inputs(entropy, main.signature.param_types, _INPUTS, None)
        yield Case([main, *others], inputs, {"opt_level": "speed"}, origin=path.name)


def _accepted(
    case: Case, pipelines: dict[str, Pipeline], refused: Refused, where: str
) -> Case | None:
    """The case for those ISAs that can run it; None and a note where none can."""
    able, flags = [], case.isa_settings
    for isa, pipeline in pipelines.items():
        if not case.is_for(isa):
            continue
        try:
            verdict = pipeline.check(case)
        except SettingsError as error:
            refused.note(f"{isa}: settings: {error}", where)
            continue
        if verdict.findings:
            refused.note(f"fault: {verdict.findings[0].bucket}", where)
        elif verdict.rejected or verdict.hangs or verdict.expected is None:
            refused.note(verdict.rejected[0] if verdict.rejected else "does not end", where)
        elif any(code == "heap_oob" for code in verdict.expected.traps.values()):
            refused.note("uses memory that it is not given", where)
        else:
            able.append(isa)
            traps = bool((verdict.expected.status == Status.TRAPPED).any())
            case = replace(case, trapping=case.trapping or traps)
    if not able:
        return None
    return replace(
        case, isas=tuple(able), isa_settings={isa: flags[isa] for isa in able if isa in flags}
    )


# --- coverage ---


@dataclass(slots=True)
class Minimized:
    """What came of minimising: the files that are kept, in the order of looking at them."""

    files: int = 0
    kept: list[Path] = field(default_factory=list)
    edges: int = 0
    refused: Refused = field(default_factory=Refused)


def minimize(folder: Path, isas: Sequence[str]) -> Minimized:
    """Which files it takes to cover what all cover: small ones are looked at first.

    Of cases with the same text only the first counts: a few edges depend on where things lie in
    memory, and not on the case.
    """
    found = Minimized()
    texts: set[str] = set()
    seen = np.zeros(len(counters()), np.bool_)
    for path in files_in(folder):
        found.files += 1
        covered = np.zeros_like(seen)
        for case in cases_of(path, found.refused):
            text = print_case(replace(case, origin=""))
            if text not in texts:
                texts.add(text)
                covered |= _covered_by(case, isas, found.refused, str(path))
        if (covered & ~seen).any():
            found.kept.append(path)
            seen |= covered
    found.edges = int(np.count_nonzero(seen))
    return found


def _covered_by(
    case: Case, isas: Sequence[str], refused: Refused, where: str
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The edges of reading and compiling a case."""
    with uncounted():
        live = counters()
        live.fill(0)
        try:
            functions = Functions(print_functions(case.functions))
            for isa in filter(case.is_for, isas):
                target_of(case, isa).compile(functions, chaos=case.chaos)
        except SettingsError as error:
            refused.note(f"settings: {error}", where)
        except (ReadError, *diagnosis.COMPILER_FAILURES) as error:
            refused.note(f"does not compile: {type(error).__name__}", where)
        return live.astype(np.bool_)


@dataclass(slots=True)
class CorpusStatistics:
    """What is in a folder of cases.

    Attributes:
        opcodes: of how many cases each is in.
        rules: ISLE rules that fired, None where that cannot be told.
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
    refused: Refused = field(default_factory=Refused)

    def to_json(self) -> dict[str, Any]:
        names = ("files", "size", "cases", "functions", "instructions", "inputs", "trapping")
        return {name: getattr(self, name) for name in (*names, "with_memory", "edges")} | {
            "opcodes": dict(self.opcodes.most_common()),
            "types": dict(self.types.most_common()),
            "rules": None if self.rules is None else {g: list(p) for g, p in self.rules.items()},
            "refused": dict(self.refused.counts.most_common()),
        }


def statistics_of(folder: Path, isas: Sequence[str]) -> CorpusStatistics:
    """Reads and compiles every case."""
    found = CorpusStatistics()
    seen = np.zeros(len(counters()), np.bool_)
    for path in files_in(folder):
        found.files += 1
        found.size += path.stat().st_size
        for case in cases_of(path, found.refused):
            _note(found, case)
            seen |= _covered_by(case, isas, found.refused, str(path))
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
