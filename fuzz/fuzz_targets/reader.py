"""The reader of CLIF: no text makes it panic, and what it prints it reads again as the same."""

from __future__ import annotations

import difflib
from dataclasses import replace

from backend.cranelift.compiler import CompilerPanic, Functions, ReadError, version
from backend.cranelift.compiler import Target as CompilerTarget
from backend.cranelift.known_faults import VERSION
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.fuzz_targets import TargetOptions, refuse_fault
from fuzz.fuzz_targets.target import Failure, Target
from fuzz.fuzz_targets.units import Units, is_among
from fuzz.generate import Generator, Options

#: Share of the mutations that are those of CLIF itself; the others are libFuzzer's, of bytes.
_OF_CLIF = 0.25
#: Place and words of known panics (docs/findings.md): of the reader for a ``vconst`` of more bytes
#: than its type has, of the verifier for an operand whose type has no half, double or such lanes.
_KNOWN = (
    ("cranelift-codegen/src/ir/constant.rs:110:", ""),
    ("cranelift-codegen/src/ir/instructions.rs:", "invalid type for "),
)
_VERIFIER = CompilerTarget.of("x86_64", {"enable_llvm_abi_extensions": "true"})


class Reader(Target):
    """Units are any bytes; what is not UTF-8 is read with replacement characters."""

    def __init__(self, isas: tuple[str, ...]) -> None:
        super().__init__(isas)
        self.units = Units(Generator(Options(inputs=1, isas=isas)))

    def test(self, unit: bytes) -> Failure | None:
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
            finding = replace(diagnosis.compiler_failure("", panic), known=_is_known(panic))
            return None if self.judge([finding]) is None else Failure(finding, text)
        if not valid:
            # What has no meaning may be printed in any way.
            self.statistics.facts["refused by the verifier"] += 1
            return None
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


def _refuses(functions: Functions) -> bool:
    """Whether the verifier refuses one of them. Raises CompilerPanic where it panics."""
    errors = functions.verify(_VERIFIER.handle)
    for error in errors:
        if isinstance(error, CompilerPanic):
            raise error
    return any(errors)


def _is_known(panic: CompilerPanic) -> bool:
    return version() == VERSION and any(
        panic.location.startswith(place) and panic.message.startswith(words)
        for place, words in _KNOWN
    )


def _reread(text: str, printed: str) -> Failure | None:
    try:
        again = Functions(printed).display()
    except ReadError as error:
        what = f"does not read what it printed: {error.message.partition(',')[0]}"
        return Failure(_fault(what, error.message, printed), text)
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
