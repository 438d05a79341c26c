"""A case as a filetest that Cranelift's own tools can run in full.

They know neither the region's address nor its contents. So a function is put around main that
keeps the region in a stack slot, fills it, calls main, and folds the memory into one more result.
Inputs that trap have no place in a filetest and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import AbiParam, Function, Signature, StackSlot, Value
from clif.outcome import Inputs, Outcomes, Region, Status, words_from_ints
from clif.types import I8, I64
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case

_NAME = "filetest"
_ROTATION = 7
_MASK = (1 << 64) - 1


def filetest_text(case: Case, expected: Outcomes, isas: Sequence[str]) -> str:
    """The text; ``expected`` are the oracle's outcomes of the case."""
    rows = [row for row in range(expected.count) if expected.status[row] == Status.RETURNED]
    notes = []
    if len(rows) < expected.count:
        notes.append(f"{expected.count - len(rows)} inputs that do not return are left out")
    case = replace(case, inputs=case.inputs.select(rows), trapping=False)
    expected = Outcomes(
        expected.types,
        [words[rows] for words in expected.results],
        np.zeros(len(rows), np.uint8),
        memory=None if expected.memory is None else expected.memory[rows],
    )
    if case.inputs.region is not None:
        case, expected = _without_region(case, case.inputs.region, expected)
    return print_case(case, expected, isas=isas, notes=notes)


def _without_region(case: Case, region: Region, expected: Outcomes) -> tuple[Case, Outcomes]:
    """The case with its memory in a stack slot of a function around main."""
    assert expected.memory is not None
    wrapper = _wrapper(case.main, region, _free_name(case))
    args = [words for n, words in enumerate(case.inputs.args) if n != region.param]
    # One more result may be one too many for the registers.
    settings = case.settings | {"enable_multi_ret_implicit_sret": "true"}
    folded = words_from_ints(I64, [fold(row.tobytes()) for row in expected.memory])
    return (
        replace(
            case,
            functions=[wrapper, *case.functions],
            inputs=Inputs(case.inputs.count, args),
            settings=settings,
        ),
        Outcomes((*expected.types, I64), [*expected.results, folded], expected.status),
    )


def _free_name(case: Case) -> str:
    taken = {function.name for function in case.functions}
    return next(name for n in range(len(taken) + 1) if (name := _NAME + "_" * n) not in taken)


def fold(memory: bytes) -> int:
    """What the wrapper makes of the region: 64-bit words, then single bytes, little endian."""
    folded = 0
    for offset, width in _pieces(len(memory)):
        word = int.from_bytes(memory[offset : offset + width], "little")
        rotated = folded << _ROTATION & _MASK | folded >> (64 - _ROTATION)
        folded = rotated + word & _MASK
    return folded


def _pieces(size: int) -> list[tuple[int, int]]:
    """Offset and width of what is folded in one step."""
    words = size // 8 * 8
    return [(n, 8) for n in range(0, words, 8)] + [(n, 1) for n in range(words, size)]


def _wrapper(main: Function, region: Region, name: str) -> Function:
    params = [param for n, param in enumerate(main.signature.params) if n != region.param]
    returns = (*main.signature.returns, AbiParam(I64))
    function = Function(name, Signature(tuple(params), returns))
    builder = FunctionBuilder(function, OPCODES)
    builder.block = builder.create_block([param.type for param in params])
    slot = builder.stack_slot(max(1, region.size), 16)
    _fill(builder, slot, region.contents)
    args: list[Value] = list(builder.block.params)
    args.insert(region.param, builder.address(slot))
    callee = builder.external(main.name, main.signature)
    results = builder.ins("call", *args, ref=callee).results
    builder.ins("return", *results, _folded(builder, slot, region.size))
    return function


def _fill(builder: FunctionBuilder, slot: StackSlot, contents: bytes) -> None:
    address = builder.address(slot)
    for offset, width in _pieces(len(contents)):
        word = int.from_bytes(contents[offset : offset + width], "little")
        value = builder.iconst(I64 if width == 8 else I8, word)
        builder.ins("store", value, address, type=value.type, offset=offset)


def _folded(builder: FunctionBuilder, slot: StackSlot, size: int) -> Value:
    address = builder.address(slot)
    folded = builder.iconst(I64, 0)
    rotation = builder.iconst(I64, _ROTATION)
    for offset, width in _pieces(size):
        load = "load" if width == 8 else "uload8"
        word = builder.value(load, address, type=I64, offset=offset)
        rotated = builder.value("rotl", folded, rotation)
        folded = builder.value("iadd", rotated, word)
    return folded
