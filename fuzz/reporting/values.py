"""Values and outcomes in several notations, for pages."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from clif.outcome import Inputs, Status, ints_from_words
from clif.printer import signed
from clif.types import F16, F32, F64, Type
from fuzz.cases.compare import Difference, Observed, differing_results
from fuzz.cases.literals import format_value
from fuzz.cases.run_lines import changes
from fuzz.differential.explain import describe
from reports.model import Fact, FailingInput, ShownOutcome, ShownValue

_STRUCT = {F16: ("<H", "<e"), F32: ("<I", "<f"), F64: ("<Q", "<d")}
_MOST_CHANGES = 8


def show_value(name: str, type_: Type, bits: int) -> ShownValue:
    """Return a value in hexadecimal, as CLIF writes it, and in other notations."""
    digits = f"0x{bits:0{2 * type_.bytes}x}"
    if type_.is_vector:
        lanes = [bits >> n * type_.lane_bits & type_.mask for n in range(type_.lanes)]
        text = " ".join(format_value(type_.lane, lane) for lane in lanes)
        return ShownValue(name, type_.name, digits, f"[{text}]", _lanes(type_.lane, lanes))
    return ShownValue(name, type_.name, digits, format_value(type_, bits), _readings(type_, bits))


def _lanes(lane: Type, lanes: Sequence[int]) -> tuple[Fact, ...]:
    texts = [fact.value for value in lanes for fact in _readings(lane, value)[:1]]
    if len(texts) < len(lanes):
        return ()
    return (Fact(_readings(lane, lanes[0])[0].name, f"[{' '.join(texts)}]"),)


def _readings(type_: Type, bits: int) -> tuple[Fact, ...]:
    if type_ in _STRUCT:
        whole, real = _STRUCT[type_]
        (number,) = struct.unpack(real, struct.pack(whole, bits))
        return (Fact("≈", f"{number:.9g}"),)
    if type_.is_int and signed(bits, type_.bits) < 0:
        return (Fact("unsigned", str(bits)),)
    return ()


def show_outcome(observed: Observed, before: bytes | None, other: Observed) -> ShownOutcome:
    """Return what an executor did; of its memory only what differs from ``other``."""
    if observed.status is not Status.RETURNED:
        return ShownOutcome(what=describe(observed), memory=_memory(observed, before, other))
    results = (
        show_value(f"result {number}", type_, bits)
        for number, (type_, bits) in enumerate(zip(observed.types, observed.results, strict=True))
    )
    return ShownOutcome(
        tuple(results), "" if observed.types else "returns", _memory(observed, before, other)
    )


def _memory(observed: Observed, before: bytes | None, other: Observed) -> tuple[str, ...]:
    if observed.memory is None or other.memory is None:
        return ()
    lines = []
    for offset, own, _ in changes(observed.memory, other.memory)[:_MOST_CHANGES]:
        line = f"memory at {offset}: {own.hex()}"
        if before is not None:
            line += f" (before {before[offset : offset + len(own)].hex()})"
        lines.append(line)
    return tuple(lines)


def failing_input(
    isa: str, difference: Difference, types: Sequence[Type], inputs: Inputs, *, canonical_nans: bool
) -> FailingInput:
    """Return an input on which an ISA differs from the oracle."""
    expected, actual = difference.expected, difference.actual
    before = inputs.region.contents if inputs.region else None
    return FailingInput(
        isa,
        difference.input,
        difference.kind.value,
        tuple(_arguments(difference.input, types, inputs)),
        show_outcome(expected, before, actual),
        show_outcome(actual, before, expected),
        tuple(differing_results(expected, actual, canonical_nans=canonical_nans)),
    )


def _arguments(row: int, types: Sequence[Type], inputs: Inputs) -> list[ShownValue]:
    found = []
    for number, (type_, words) in enumerate(zip(types, inputs.args, strict=True)):
        if inputs.region is not None and number == inputs.region.param:
            size = f"the region of {inputs.region.size} bytes"
            found.append(ShownValue(f"argument {number}", type_.name, size, size))
            continue
        (bits,) = ints_from_words(words[row : row + 1])
        found.append(show_value(f"argument {number}", type_, bits))
    return found
