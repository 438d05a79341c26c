"""Whether code does what a function does, as queries for a solver.

Both sides have become ends of paths. Code is right if, whenever what the function takes for granted
holds, it ends in the same way: with the same trap code or by returning, after the same calls, with
the same results and the same memory. Each of these is a query of its own, lane by lane for vectors:
small queries are solved, and large ones are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import z3

from clif.types import Type
from fuzz.prove.floats import is_nan
from fuzz.prove.memory import ADDRESS_BITS
from fuzz.prove.paths import End, Summary, merged, reached
from fuzz.prove.terms import TRUE, Condition, Term, lanes, truth_of


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that must hold for all inputs.

    Attributes:
        what: in a few words.
        violated: the conditions that no input may fulfil together.
    """

    what: str
    violated: tuple[Condition, ...]


def obligations(function: Summary, code: Summary, types: Sequence[Type]) -> Iterator[Obligation]:
    """Yield what must hold so that code is right, what is cheap first.

    Args:
        function: what is to be done.
        code: what is done.
        types: of the results.
    """
    given = (*function.assumptions, *code.assumptions)
    kinds = list(dict.fromkeys([*function.kinds, *code.kinds]))
    for kind in kinds:
        differs = z3.Xor(reached(function.of_kind(kind)), reached(code.of_kind(kind)))
        if truth_of(differs) is not False:
            yield Obligation(_ending(kind), (*given, differs))
    for kind in kinds:
        ends, others = function.of_kind(kind), code.of_kind(kind)
        if not ends or not others:
            continue
        here = (*given, reached(ends), reached(others))
        for end in others:
            for kept in end.kept:
                if not z3.simplify(kept.found == kept.wanted).eq(TRUE):
                    differs = kept.found != kept.wanted
                    yield Obligation(kept.what, (*given, end.condition, differs))
        for what, differs in _differences(ends, others, types if not kind[0] else ()):
            yield Obligation(what, (*here, differs))


def _ending(kind: tuple[str, ...]) -> str:
    trap, *callees = kind
    after = f" after calling {', '.join(callees)}" if callees else ""
    return f"whether it {f'traps with {trap}' if trap else 'returns'}{after}"


def _differences(
    ends: Sequence[End], others: Sequence[End], types: Sequence[Type]
) -> Iterator[tuple[str, Condition]]:
    for number, type_ in enumerate(types):
        wanted = merged(ends, lambda end, n=number: end.results[n])  # type: ignore[misc]
        got = merged(others, lambda end, n=number: end.results[n])  # type: ignore[misc]
        pairs = zip(lanes(wanted, type_.lane_bits), lanes(got, type_.lane_bits), strict=True)
        for lane, (x, y) in enumerate(pairs):
            where = f"result {number}" + (f", lane {lane}" if type_.is_vector else "")
            yield where, _differ(x, y, is_float=type_.is_float)
    for number, call in enumerate(ends[0].calls):
        for at in range(len(call.args)):
            x, y = (
                merged(side, lambda end, n=number, a=at: end.calls[n].args[a])  # type: ignore[misc]
                for side in (ends, others)
            )
            yield f"argument {at} of call {number}", x != y
        yield from _memories(
            f"memory at call {number}",
            [[e.calls[number].memory.whole() for e in side] for side in (ends, others)],
            ends,
            others,
        )
    yield from _memories(
        "memory", [[e.memory.whole() for e in side] for side in (ends, others)], ends, others
    )


def _differ(x: Term, y: Term, *, is_float: bool) -> Condition:
    """Return whether results differ; any NaN is as good as any other."""
    if is_float:
        return z3.And(x != y, z3.Not(z3.And(is_nan(x), is_nan(y))))
    return x != y


def _memories(
    what: str, arrays: list[list[z3.ArrayRef]], ends: Sequence[End], others: Sequence[End]
) -> Iterator[tuple[str, Condition]]:
    wanted, got = arrays
    if len({array.get_id() for array in (*wanted, *got)}) == 1:
        return
    at = z3.BitVec("place", ADDRESS_BITS)
    x = merged(ends, lambda end: z3.Select(wanted[_index(ends, end)], at))
    y = merged(others, lambda end: z3.Select(got[_index(others, end)], at))
    yield what, x != y


def _index(ends: Sequence[End], wanted: End) -> int:
    return next(number for number, end in enumerate(ends) if end is wanted)
