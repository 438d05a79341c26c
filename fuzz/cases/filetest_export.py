"""Writes a case as a filetest that Cranelift's own tools can run completely.

These tools know neither a region's address nor its contents. So a wrapper function keeps the region
in a stack slot, fills it, calls main, and returns a checksum of the memory as one more result.
Inputs that trap are left out, since a filetest cannot expect a trap. The filetest asks Cranelift's
interpreter only where that one supports all of the case and gets it right: otherwise the filetest
would fail whatever the compiled code does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.cranelift.compiler import CompileError, CompilerPanic
from backend.cranelift.interpreter import interpret_functions
from backend.cranelift.opcodes import OPCODES
from backend.isa.registry import ISAS
from clif.builder import FunctionBuilder
from clif.function import (
    DEFAULT_FLAGS,
    AbiParam,
    Function,
    MemFlags,
    Signature,
    StackSlot,
    Value,
)
from clif.outcome import Inputs, Outcomes, Region, Status, words_from_ints
from clif.throwing import may_throw
from clif.types import I8, I64
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.casefile import print_case
from fuzz.cases.compare import compare

_NAME = "filetest"
#: Instructions that Cranelift's interpreter may execute for one input.
_FUEL = 1 << 20
_ROTATION = 7
_MASK = (1 << 64) - 1


def filetest_text(case: Case, expected: Outcomes, isas: Sequence[str]) -> str:
    """Return the text of a filetest that runs compiled code.

    Args:
        expected: the oracle's outcomes.
        isas: get a ``target`` line each if the case is for them.
    """
    case, expected, notes = _runnable(case, expected, isas)
    tests = ("interpret", "run") if interpretable(case, expected) else ("run",)
    return print_case(case, expected, isas=isas, notes=notes, tests=tests)


def interpreter_filetest_text(case: Case, expected: Outcomes) -> str:
    """Return the text of a filetest that asks Cranelift's interpreter alone."""
    case, expected, notes = _runnable(replace(case, isa_settings={}, isas=()), expected)
    return print_case(case, expected, notes=notes, tests=("interpret",))


def _runnable(
    case: Case, expected: Outcomes, isas: Sequence[str] = ()
) -> tuple[Case, Outcomes, list[str]]:
    """Return a case with what a filetest can express, its outcomes, and notes on what is left out.

    Where the case comes from is left out as well: it says nothing to a stranger.
    """
    rows = [row for row in range(expected.count) if expected.status[row] == Status.RETURNED]
    notes = []
    if len(rows) < expected.count:
        notes.append(f"{expected.count - len(rows)} inputs that do not return are left out")
    if may_throw(case.functions):
        notes.append("it throws exceptions by functions that only clif-fuzz provides")
    case = replace(case, inputs=case.inputs.select(rows), trapping=False, origin="")
    expected = Outcomes(
        expected.types,
        [words[rows] for words in expected.results],
        np.zeros(len(rows), np.uint8),
        memory=None if expected.memory is None else expected.memory[rows],
    )
    if case.inputs.region is not None:
        words = _words_of(case, isas)
        case, expected = _without_region(case, case.inputs.region, expected, words)
    return case, expected, notes


def compile_filetest_text(case: Case, isas: Sequence[str]) -> str:
    """Return a filetest that compiles the case's functions for some ISAs, and runs nothing."""
    flags = {isa: own for isa, own in case.isa_settings.items() if isa in isas}
    nothing = Inputs(0, [words[:0] for words in case.inputs.args])
    case = replace(case, inputs=nothing, isa_settings=flags, isas=tuple(isas), trapping=False)
    return print_case(replace(case, origin="", chaos=b""), isas=isas, tests=("compile",))


def interpretable(case: Case, expected: Outcomes) -> bool:
    """Return whether Cranelift's interpreter runs all inputs, with the expected outcomes."""
    canonical = has_canonical_nans(case)
    try:
        found = interpret_functions(
            case.functions, case.inputs, fuel=_FUEL, canonical_nans=canonical
        )
    except (CompilerPanic, CompileError):
        return False
    if found.unsupported:
        return False
    return not compare(expected, found.outcomes, canonical_nans=canonical)


def _words_of(case: Case, isas: Sequence[str]) -> MemFlags:
    """Return the flags of accesses to the contents as little-endian words on some ISAs.

    A byte order of their own would say nothing where all of them are little-endian.
    """
    named = {*case.isas, *isas} & ISAS.keys()
    orders = {case.byte_order, *(ISAS[isa].byte_order for isa in named)}
    return DEFAULT_FLAGS if orders == {"little"} else MemFlags(endianness="little")


def _without_region(
    case: Case, region: Region, expected: Outcomes, words: MemFlags
) -> tuple[Case, Outcomes]:
    """Return the case with its region in a stack slot of a wrapper function."""
    assert expected.memory is not None
    wrapper = _wrapper(case.main, region, _free_name(case), words)
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


def _wrapper(main: Function, region: Region, name: str, words: MemFlags) -> Function:
    params = [param for n, param in enumerate(main.signature.params) if n != region.param]
    returns = (*main.signature.returns, AbiParam(I64))
    function = Function(name, Signature(tuple(params), returns))
    builder = FunctionBuilder(function, OPCODES)
    builder.address_type = main.signature.params[region.param].type
    builder.block = builder.create_block([param.type for param in params])
    slot = builder.stack_slot(max(1, region.size), 16)
    _emit_contents(builder, slot, region, words)
    args: list[Value] = list(builder.block.params)
    args.insert(region.param, builder.address(slot))
    callee = builder.external(main.name, main.signature)
    results = builder.ins("call", *args, ref=callee).results
    _emit_without_pointers(builder, slot, region, words)
    builder.ins("return", *results, _emit_checksum(builder, slot, region.size, words))
    return function


def _emit_contents(
    builder: FunctionBuilder, slot: StackSlot, region: Region, words: MemFlags
) -> None:
    address, contents = builder.address(slot), region.contents
    for offset, width in _steps(len(contents)):
        word = int.from_bytes(contents[offset : offset + width], "little")
        value = builder.iconst(I64 if width == 8 else I8, word)
        builder.ins("store", value, address, type=value.type, flags=words, offset=offset)
    for at, number in region.numbers:
        builder.ins("store", builder.iconst(I64, number), address, type=I64, offset=at)
    for at, to in region.pointers:
        place = builder.value("iadd", address, builder.iconst(I64, to))
        builder.ins("store", place, address, type=I64, offset=at)


def _emit_without_pointers(
    builder: FunctionBuilder, slot: StackSlot, region: Region, words: MemFlags
) -> None:
    """Put offsets and numbers in the place of those that are left, as outcomes have them."""
    numbers = region.numbers if words.endianness else ()
    address = builder.address(slot) if region.pointers or numbers else None
    for at, to in (*region.pointers, *numbers):
        assert address is not None
        offset = builder.iconst(I64, to)
        found = builder.value("load", address, type=I64, offset=at)
        place = builder.value("iadd", address, offset) if (at, to) in region.pointers else offset
        kept = builder.value("icmp", found, place, cond="eq")
        if words.endianness:
            found = builder.value("load", address, type=I64, flags=words, offset=at)
        word = builder.value("select", kept, offset, found)
        builder.ins("store", word, address, type=I64, flags=words, offset=at)


def _emit_checksum(builder: FunctionBuilder, slot: StackSlot, size: int, words: MemFlags) -> Value:
    address = builder.address(slot)
    checksum = builder.iconst(I64, 0)
    rotation = builder.iconst(I64, _ROTATION)
    for offset, width in _steps(size):
        load = "load" if width == 8 else "uload8"
        word = builder.value(load, address, type=I64, flags=words, offset=offset)
        rotated = builder.value("rotl", checksum, rotation)
        checksum = builder.value("iadd", rotated, word)
    return checksum
