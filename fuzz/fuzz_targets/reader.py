"""Target ``reader``: the CLIF reader never panics, and reads its output as the same function."""

from __future__ import annotations

import difflib
from dataclasses import replace

from backend.cranelift.compiler import CompilerPanic, Functions, ReadError
from backend.cranelift.compiler import Target as CompilerTarget
from backend.isa.registry import ISAS
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.fuzz_targets.options import TargetOptions, refuse_fault
from fuzz.fuzz_targets.target import FuzzTarget, UnitFailure
from fuzz.fuzz_targets.units import Units, is_among
from fuzz.generate import Generator
from fuzz.known.failures import is_known_reader_panic

#: Share of the mutations that mutate CLIF; the others are libFuzzer's own, of bytes.
_CLIF_SHARE = 0.25
#: What functions are verified for. Any ISA will do.
_ISA = next(iter(ISAS.values()))
_VERIFIER = CompilerTarget.of(_ISA.name, _ISA.settings)


class Reader(FuzzTarget):
    """Reads any bytes; replacement characters stand for what is not UTF-8."""

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator.options.isas)
        self.units = Units(generator)

    def test(self, unit: bytes) -> UnitFailure | None:
        self.statistics.units += 1
        text = unit.decode(errors="replace")
        try:
            functions = Functions(text)
            printed = functions.display()
            valid = not _refuses(functions)
        except ReadError:
            self.statistics.facts["refused"] += 1
            return None
        except CompilerPanic as panic:
            finding = replace(
                diagnosis.compiler_failure("", panic), known=is_known_reader_panic(panic)
            )
            return None if self.first_unknown([finding]) is None else UnitFailure(finding, text)
        if not valid:
            # An invalid function may print as anything.
            self.statistics.facts["refused by the verifier"] += 1
            return None
        self.statistics.facts["read"] += 1
        return _reread(text, printed)

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        if max_size < len(unit) or not is_among(seed, _CLIF_SHARE):
            return None
        return self.units.mutate(unit, max_size, seed)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        return None

    def configure(self, options: TargetOptions) -> None:
        refuse_fault("reader", options)


def _refuses(functions: Functions) -> bool:
    """Return whether the verifier refuses one of the functions.

    Raises:
        CompilerPanic: the verifier panics.
    """
    errors = functions.verify(_VERIFIER.handle)
    for error in errors:
        if isinstance(error, CompilerPanic):
            raise error
    return any(errors)


def _reread(text: str, printed: str) -> UnitFailure | None:
    """Return a failure unless the printed text reads and prints as itself."""
    try:
        again = Functions(printed).display()
    except ReadError as error:
        what = f"does not read what it printed: {error.message.partition(',')[0]}"
        return UnitFailure(_fault(what, error.message, printed), text)
    except CompilerPanic as panic:
        return UnitFailure(diagnosis.compiler_failure("", panic), text)
    if again == printed:
        return None
    lines = difflib.unified_diff(printed.splitlines(), again.splitlines(), lineterm="", n=0)
    return UnitFailure(_fault("printing again differs", *list(lines)[2:8]), text)


def _fault(what: str, *lines: str) -> Finding:
    return Finding(FindingKind.READER_FAULT, "", what, (what, *lines))
