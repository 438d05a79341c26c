"""The second oracle: ``cranelift-interpreter``, which shares no code with the project's own.

It was written for Cranelift's tests. It supports scalars of up to 64 bits well, vectors in part,
and f16 and f128 hardly. Its known faults are in ``backend.cranelift.interpreter_faults``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from backend.cranelift import _cranelift
from backend.cranelift.compiler import Functions, Target, isas
from clif.byte_order import ByteOrder, with_explicit_order
from clif.function import Function
from clif.outcome import Inputs, Outcomes, Region, Status, Words, word_count, word_dtype
from clif.printer import print_functions
from clif.types import Type

NAME = "cranelift-interpreter"

#: NaNs are made canonical by a pass over the CLIF, which only asks its ISA whether it has vectors.
#: The verifier that runs after it would demand the case's own settings.
_ANY_ISA = Target.of(isas()[0], {"enable_verifier": "false"})


#: Where the extension places a region.
_REGION_ADDRESS = 64


class Ending(IntEnum):
    """How an input ended, by the extension's numbers."""

    RETURNED = 0
    TRAPPED = 1
    OUT_OF_FUEL = 2
    UNSUPPORTED = 3
    FAILED = 4


_STATUS = np.array(
    [Status.RETURNED, Status.TRAPPED, Status.HUNG, Status.VIOLATED, Status.VIOLATED], np.uint8
)


@dataclass(frozen=True, slots=True, eq=False)
class Interpretation:
    """The outcomes of a case.

    Attributes:
        outcomes: of all inputs. An input on which the interpreter failed, by a panic or with a
            value of the wrong type, counts as violated; its detail says why. Rows of unsupported
            inputs are undefined.
        unsupported: by input, the instruction that is not supported, with the interpreter's reason.
    """

    outcomes: Outcomes
    unsupported: dict[int, str]


def interpret_functions(
    functions: Sequence[Function],
    inputs: Inputs,
    *,
    fuel: int,
    canonical_nans: bool = False,
    byte_order: ByteOrder = "little",
) -> Interpretation:
    """Run the first of some functions; see ``interpret``.

    Cranelift's interpreter has this machine's byte order. In another one it runs functions whose
    accesses say so.
    """
    if byte_order != sys.byteorder:
        functions = with_explicit_order(functions, byte_order)
    read = Functions(print_functions(list(functions)))
    return interpret(
        read,
        functions[0],
        inputs,
        fuel=fuel,
        canonical_nans=canonical_nans,
        byte_order=byte_order,
    )


def interpret(
    functions: Functions,
    main: Function,
    inputs: Inputs,
    *,
    fuel: int,
    canonical_nans: bool = False,
    byte_order: ByteOrder = "little",
) -> Interpretation:
    """Run a function for all inputs, each with memory of its own.

    Args:
        functions: all functions of the case.
        main: the one to run.
        fuel: how many instructions one input may execute.
        canonical_nans: make NaNs canonical first, by Cranelift's pass for that.
        byte_order: of the addresses in the region.

    Raises:
        CompilerPanic, CompileError: the pass that makes NaNs canonical fails.
    """
    region = inputs.region
    results, kinds, details, memory = _cranelift.interpret(
        functions,
        main.name,
        inputs.count,
        [np.ascontiguousarray(words).tobytes() for words in inputs.args],
        fuel=fuel,
        region=None if region is None else region.param,
        contents=b"" if region is None else _contents(region, byte_order),
        canonical_nans=_ANY_ISA.handle if canonical_nans else None,
    )
    types = main.signature.return_types
    endings = np.frombuffer(kinds, np.uint8)
    outcomes = Outcomes(
        types,
        [_words(type_, raw) for type_, raw in zip(types, results, strict=True)],
        _STATUS[endings],
    )
    if region is not None:
        outcomes.memory = np.frombuffer(memory, np.uint8).reshape(inputs.count, region.size).copy()
        addresses = np.full(inputs.count, _REGION_ADDRESS, np.uint64)
        region.hide_pointers(outcomes.memory, addresses, byte_order)
    unsupported = {}
    for row, detail in sorted(details.items()):
        if endings[row] == Ending.TRAPPED:
            outcomes.traps[row] = detail
            continue
        outcomes.details[row] = detail
        if endings[row] == Ending.UNSUPPORTED:
            unsupported[row] = detail
    return Interpretation(outcomes, unsupported)


def _contents(region: Region, byte_order: ByteOrder) -> bytes:
    """Return what is in the region before a run, with the addresses of this interpreter."""
    memory = np.frombuffer(region.contents, np.uint8)[np.newaxis].copy()
    region.place_pointers(memory, np.array([_REGION_ADDRESS], np.uint64), byte_order)
    return memory.tobytes()


def _words(type_: Type, raw: bytes) -> Words:
    return np.frombuffer(raw, word_dtype(type_)).reshape(-1, word_count(type_))
