"""Runs one instruction in the interpreter, for many rows of operands."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import AbiParam, Function, Signature
from clif.outcome import Inputs, Outcomes, Status, ints_from_words, words_from_ints
from clif.types import ALL, Type
from interp import RunOptions, run

#: What one input did: its results as whole bit patterns, or its trap code.
Answer = tuple[int, ...] | str

#: Scalars and vectors; no register of any ISA is wider.
TYPES = [type_ for type_ in ALL if type_.bits <= 128]

DEFAULT = RunOptions()


def one_instruction(name: str, types: Sequence[Type], **rest: Any) -> Function:
    """Make a function that applies an instruction to its parameters and returns all results."""
    function = Function("main", Signature())
    builder = FunctionBuilder(function, OPCODES)
    builder.block = block = builder.create_block(types)
    inst = builder.ins(name, *block.params, **rest)
    results = [value.type for value in inst.results]
    function.signature = Signature(tuple(map(AbiParam, types)), tuple(map(AbiParam, results)))
    builder.ins("return", *inst.results)
    return function


def ask(
    name: str,
    types: Sequence[Type],
    rows: Sequence[Sequence[int]],
    *,
    options: RunOptions = DEFAULT,
    **rest: Any,
) -> list[Answer]:
    """Return the answers for rows of operands: bit patterns with lane 0 in the lowest bits."""
    function = one_instruction(name, types, **rest)
    columns = [[row[n] for row in rows] for n in range(len(types))]
    words = [words_from_ints(t, column) for t, column in zip(types, columns, strict=True)]
    return answers(run([function], Inputs(len(rows), words), options))


def answers(outcomes: Outcomes) -> list[Answer]:
    """Return outcomes as results or trap codes. Fails if an input did anything else."""
    columns = [ints_from_words(words) for words in outcomes.results]
    found: list[Answer] = []
    for row, status in enumerate(outcomes.status.tolist()):
        assert status in (Status.RETURNED, Status.TRAPPED), outcomes.details.get(row)
        if status == Status.RETURNED:
            found.append(tuple(column[row] for column in columns))
        else:
            found.append(outcomes.traps[row])
    return found


@cache
def special_ints(bits: int) -> Sequence[int]:
    """Return 0, ±1, extremes, powers of two and their neighbours."""
    top = 1 << bits
    values = {0, 1, 2, 3, top - 1, top - 2, top // 2, top // 2 - 1, top // 2 + 1, top // 3}
    values |= {1 << (bits // 2), (1 << (bits // 2)) - 1, top - (1 << (bits // 2)), bits, bits - 1}
    return tuple(sorted(value % top for value in values))


def int_rows(types: Sequence[Type], count: int, seed: str) -> list[tuple[int, ...]]:
    """Return rows of operands: special values and random bits, lane by lane."""
    chance = random.Random(seed)
    return [tuple(random_int(type_, chance) for type_ in types) for _ in range(count)]


def random_int(type_: Type, chance: random.Random) -> int:
    """Return the bit pattern of a value, whose lanes are small, special or random."""
    lanes = []
    for _ in range(type_.lanes):
        pick = chance.random()
        if pick < 0.6:
            lanes.append(chance.choice(special_ints(type_.lane_bits)))
        else:
            lanes.append(chance.getrandbits(type_.lane_bits) >> chance.choice([0, 0, 3, 5]))
    return join(type_, lanes)


def split(type_: Type, bits: int) -> list[int]:
    """Return the lanes of a bit pattern."""
    return [bits >> n * type_.lane_bits & type_.mask for n in range(type_.lanes)]


def join(type_: Type, lanes: Sequence[int]) -> int:
    """Return the bit pattern of lanes: the inverse of ``split``."""
    return sum(lane << n * type_.lane_bits for n, lane in enumerate(lanes))


def signed(value: int, bits: int) -> int:
    """Return an unsigned value as the signed one of the same bits."""
    return value - (1 << bits) if value >> (bits - 1) else value
