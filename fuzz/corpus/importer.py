"""Making cases of the functions in CLIF files, such as Cranelift's filetests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from backend.cranelift.compiler import CompilerPanic, ReadError, SettingsError
from backend.cranelift.reader import read_file
from clif.outcome import Status
from clif.testfile import TestFile
from fuzz.cases.case import Case, reachable_functions
from fuzz.cases.casefile import CaseFileError, print_case, read_cases
from fuzz.corpus.files import Rejections, read_text
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate.inputs import draw_inputs

#: Inputs drawn for a function without run commands.
_INPUTS: Final = 8


@dataclass(slots=True)
class Imported:
    """The result of importing a folder: files read, cases written, and what was rejected."""

    files: int = 0
    written: int = 0
    rejections: Rejections = field(default_factory=Rejections)


def import_folder(folder: Path, out: Path, isas: Sequence[str]) -> Imported:
    """Write a case for every function with run commands, and every other one that none calls.

    Run commands become the case's inputs; for a function without them, inputs are drawn. A case is
    accepted if the interpreter and the ISAs run it and agree. If it shows a fault, it is
    rejected, with the finding's bucket as the reason.

    Args:
        folder: with ``.clif`` files, also in folders below it.
        out: a folder for the cases, one file for each.

    Raises:
        OSError: ``out`` cannot be written.
    """
    found = Imported()
    pipelines = {isa: Pipeline([isa]) for isa in isas}
    for path in sorted(folder.rglob("*.clif")):
        found.files += 1
        text = read_text(path, found.rejections)
        for case in _cases_to_import(text, path, found.rejections) if text else ():
            taken = _accepted(case, pipelines, found.rejections, f"{path} %{case.main.name}")
            if taken is not None:
                name = "-".join([*path.relative_to(folder).with_suffix("").parts, case.main.name])
                (out / f"{name}.clif").write_text(print_case(taken, isas=taken.isas))
                found.written += 1
    return found


def _cases_to_import(text: str, path: Path, rejections: Rejections) -> Iterator[Case]:
    try:
        file = read_file(text)
    except (ReadError, CompilerPanic):
        rejections.note("Cranelift cannot read it", str(path))
        return
    named: set[str] = set()
    try:
        for found in read_cases(text, path.name):
            named.add(found.case.main.name)
            yield found.case
    except CaseFileError:
        pass  # it has no run commands, or some that cannot be parsed
    yield from _cases_without_inputs(file, path, named)


def _cases_without_inputs(file: TestFile, path: Path, named: set[str]) -> Iterator[Case]:
    functions = [function for function, _ in file.functions]
    callees = {
        f.name for main in functions for f in reachable_functions(main, functions) if f is not main
    }
    for main in functions:
        if main.name in named or main.name in callees:
            continue
        others = reachable_functions(main, [f for f in functions if f is not main])
        entropy = PrngEntropy((len(main.name), *main.name.encode()))
        inputs = draw_inputs(entropy, main.signature.param_types, _INPUTS, None)
        yield Case([main, *others], inputs, {"opt_level": "speed"}, origin=path.name)


def _accepted(
    case: Case, pipelines: dict[str, Pipeline], rejections: Rejections, where: str
) -> Case | None:
    """Return the case for those ISAs that can run it; None, and a rejection, if none can."""
    able, flags = [], case.isa_settings
    for isa, pipeline in pipelines.items():
        if not case.is_for(isa):
            continue
        try:
            verdict = pipeline.check(case)
        except SettingsError as error:
            rejections.note(f"{isa}: settings: {error}", where)
            continue
        if verdict.findings:
            rejections.note(f"fault: {verdict.findings[0].bucket}", where)
        elif verdict.rejected or verdict.hangs or verdict.expected is None:
            rejections.note(verdict.rejected[0] if verdict.rejected else "does not end", where)
        elif any(code == "heap_oob" for code in verdict.expected.traps.values()):
            rejections.note("uses memory that it is not given", where)
        else:
            able.append(isa)
            traps = bool((verdict.expected.status == Status.TRAPPED).any())
            case = replace(case, trapping=case.trapping or traps)
    if not able:
        return None
    return replace(
        case, isas=tuple(able), isa_settings={isa: flags[isa] for isa in able if isa in flags}
    )
