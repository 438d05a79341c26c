"""Evaluating what a proof says that a function does, on known inputs."""

from __future__ import annotations

from dataclasses import dataclass

import z3

from clif.outcome import ints_from_words
from fuzz.cases.case import Case
from fuzz.prove.clif_paths import summarize
from fuzz.prove.memory import ADDRESS_BITS, Memory, Segment
from fuzz.prove.terms import Term, const, truth_of, value_of

#: Where the region lies that a case accesses, and its stack slots.
REGION, SLOTS = 0x10_0000, 0x20_0000


@dataclass(frozen=True)
class Ending:
    """How one input ends: trap code or results, and the region afterwards."""

    trap: str
    results: tuple[int, ...]
    memory: bytes


def ending(case: Case, row: int) -> Ending:
    """Return how an input of a case ends, as the meanings of opcodes say."""
    region = case.inputs.region
    values = [ints_from_words(words[row : row + 1])[0] for words in case.inputs.args]
    memory = z3.K(z3.BitVecSort(ADDRESS_BITS), const(0, 8))
    if region is not None:
        values[region.param] = REGION
        for at, byte in enumerate(region.contents):
            memory = z3.Store(memory, const(REGION + at, ADDRESS_BITS), const(byte, 8))
    types = case.main.signature.param_types
    arguments = [const(value, type_.bits) for value, type_ in zip(values, types, strict=True)]
    before = Memory({Memory.MAIN: Segment(memory)}, {})
    summary = summarize(case.main, case.byte_order, arguments=arguments, memory=before)
    slots = [
        (z3.BitVec(f"slot{n}", ADDRESS_BITS), const(SLOTS + 0x1000 * n, ADDRESS_BITS))
        for n in range(len(case.main.stack_slots))
    ]

    def known(term: Term) -> int:
        value = value_of(z3.substitute(term, *slots))
        assert value is not None, f"{term} is not known"
        return value

    (end,) = (end for end in summary.ends if truth_of(z3.substitute(end.condition, *slots)))
    whole = end.memory.whole()
    places = range(region.size) if region is not None else ()
    found = [known(z3.Select(whole, const(REGION + at, ADDRESS_BITS))) for at in places]
    return Ending(end.trap, tuple(map(known, end.results)), bytes(found))
