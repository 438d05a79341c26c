"""The reader of CLIF: no text makes it panic, and what it prints it reads again as the same."""

from __future__ import annotations

import difflib

from backend.cranelift import CompilerPanic, Functions, ReadError
from fuzz import diagnosis
from fuzz.finding import Finding, FindingKind
from fuzz.generate import Generator, Options
from fuzz.targets import TargetOptions, refuse_fault
from fuzz.targets.target import Failure, Target
from fuzz.targets.units import Units, is_among

#: Share of the mutations that are those of CLIF itself; the others are libFuzzer's, of bytes.
_OF_CLIF = 0.25


class Reader(Target):
    """Units are any bytes; what is not UTF-8 is read with replacement characters."""

    def __init__(self, isas: tuple[str, ...]) -> None:
        super().__init__(isas)
        self.units = Units(Generator(Options(inputs=1, isas=isas)))

    def test(self, unit: bytes) -> Failure | None:
        self.statistics.units += 1
        text = unit.decode(errors="replace")
        try:
            printed = Functions(text).display()
        except ReadError:
            self.statistics.facts["refused"] += 1
            return None
        except CompilerPanic as panic:
            return Failure(diagnosis.compiler_failure("", panic), text)
        self.statistics.facts["read"] += 1
        return _reread(text, printed)

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        if max_size < len(unit) or not is_among(seed, _OF_CLIF):
            return None
        return self.units.mutate(unit, max_size, seed)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        return None

    def configure(self, options: TargetOptions) -> None:
        refuse_fault("reader", options)


def _reread(text: str, printed: str) -> Failure | None:
    try:
        again = Functions(printed).display()
    except ReadError as error:
        finding = _fault(f"does not read what it printed: {error.message}", printed)
        return Failure(finding, text)
    except CompilerPanic as panic:
        return Failure(diagnosis.compiler_failure("", panic), text)
    if again == printed:
        return None
    lines = difflib.unified_diff(printed.splitlines(), again.splitlines(), lineterm="", n=0)
    return Failure(_fault("printing again differs", *list(lines)[2:8]), text)


def _fault(what: str, *lines: str) -> Finding:
    return Finding(FindingKind.READER_FAULT, "", what, (what, *lines))


def target(isas: tuple[str, ...]) -> Reader:
    return Reader(isas)
