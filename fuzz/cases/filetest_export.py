"""Writes a case as a filetest that Cranelift's own tools can run completely.

These tools know neither a region's address nor its contents. So a wrapper function keeps the region
in a stack slot, fills it, calls main, and returns a checksum of the memory as one more result.
Inputs that trap are left out, since a filetest cannot expect a trap.
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
    """Return the filetest's text.

    Args:
        expected: the oracle's outcomes.
        isas: get a ``target`` line each if the case is for them.
    """
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
    """Return the case with its region in a stack slot of a wrapper function."""
    assert expected.memory is not None
    wrapper = _wrapper(case.main, region, _free_name(case))
    args = [words for n, words in enumerate(case.inputs.args) if n != region.param]
    # With one more result they may not fit into registers any longer.
    settings = case.settings | {"enable_multi_ret_implicit_sret": "true"}
    checksum = words_from_ints(I64, [memory_checksum(row.tobytes()) for row in expected.memory])
    return (
        replace(
            case,
            functions=[wrapper, *case.functions],
            inputs=Inputs(case.inputs.count, args),
            settings=settings,
        ),
        Outcomes((*expected.types, I64), [*expected.results, checksum], expected.status),
    )


def _free_name(case: Case) -> str:
    taken = {function.name for function in case.functions}
    return next(name for n in range(len(taken) + 1) if (name := _NAME + "_" * n) not in taken)


def memory_checksum(memory: bytes) -> int:
    """Return the checksum that the wrapper computes from the region's contents."""
    checksum = 0
    for offset, width in _steps(len(memory)):
        word = int.from_bytes(memory[offset : offset + width], "little")
        rotated = checksum << _ROTATION & _MASK | checksum >> (64 - _ROTATION)
        checksum = rotated + word & _MASK
    return checksum


def _steps(size: int) -> list[tuple[int, int]]:
    """Return offset and width of each step: little-endian 64-bit words, then single bytes."""
    words = size // 8 * 8
    return [(n, 8) for n in range(0, words, 8)] + [(n, 1) for n in range(words, size)]


def _wrapper(main: Function, region: Region, name: str) -> Function:
    params = [param for n, param in enumerate(main.signature.params) if n != region.param]
    returns = (*main.signature.returns, AbiParam(I64))
    function = Function(name, Signature(tuple(params), returns))
    builder = FunctionBuilder(function, OPCODES)
    builder.block = builder.create_block([param.type for param in params])
    slot = builder.stack_slot(max(1, region.size), 16)
    _emit_contents(builder, slot, region.contents)
    args: list[Value] = list(builder.block.params)
    args.insert(region.param, builder.address(slot))
    callee = builder.external(main.name, main.signature)
    results = builder.ins("call", *args, ref=callee).results
    builder.ins("return", *results, _emit_checksum(builder, slot, region.size))
    return function


def _emit_contents(builder: FunctionBuilder, slot: StackSlot, contents: bytes) -> None:
    address = builder.address(slot)
    for offset, width in _steps(len(contents)):
        word = int.from_bytes(contents[offset : offset + width], "little")
        value = builder.iconst(I64 if width == 8 else I8, word)
        builder.ins("store", value, address, type=value.type, offset=offset)


def _emit_checksum(builder: FunctionBuilder, slot: StackSlot, size: int) -> Value:
    address = builder.address(slot)
    checksum = builder.iconst(I64, 0)
    rotation = builder.iconst(I64, _ROTATION)
    for offset, width in _steps(size):
        load = "load" if width == 8 else "uload8"
        word = builder.value(load, address, type=I64, offset=offset)
        rotated = builder.value("rotl", checksum, rotation)
        checksum = builder.value("iadd", rotated, word)
    return checksum
