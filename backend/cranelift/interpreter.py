"""The second oracle: ``cranelift-interpreter``, which shares nothing with ours but the case.

It was written for Cranelift's own tests. It knows scalars up to 64 bits well, vectors in part, f16
and f128 hardly; what it is known to get wrong is the table of
``backend.cranelift.interpreter_faults``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from backend.cranelift import _cranelift
from backend.cranelift.compiler import Functions, Target, isas
from clif.function import Function
from clif.outcome import Inputs, Outcomes, Status, Words, word_count, word_dtype
from clif.printer import print_functions
from clif.types import Type

NAME = "cranelift-interpreter"

#: NaNs are made canonical by a pass over the CLIF that asks an ISA only whether it has vectors. The
#: verifier, which follows it, would ask for the case's own settings.
_ANY_ISA = Target.of(isas()[0], {"enable_verifier": "false"})


class Ending(IntEnum):
    """How the extension says that an input ended."""

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
    """What it made of a case.

    Attributes:
        outcomes: of all inputs. One on which it failed, by a panic or with a value of the wrong
            type, counts as violated; its detail says why. Rows of unsupported inputs are undefined.
        unsupported: by input, the instruction that it does not know, and what it says of it.
    """

    outcomes: Outcomes
    unsupported: dict[int, str]


def interpret_functions(
    functions: Sequence[Function], inputs: Inputs, *, fuel: int, canonical_nans: bool = False
) -> Interpretation:
    """Prints and reads the functions, and runs the first of them."""
    read = Functions(print_functions(list(functions)))
    return interpret(read, functions[0], inputs, fuel=fuel, canonical_nans=canonical_nans)


def interpret(
    functions: Functions,
    main: Function,
    inputs: Inputs,
    *,
    fuel: int,
    canonical_nans: bool = False,
) -> Interpretation:
    """Runs ``main`` of the functions for all inputs, each with memory of its own.

    ``fuel`` is how many instructions one input may execute.

    Raises:
        CompilerPanic, CompileError: of Cranelift's pass that makes NaNs canonical.
    """
    region = inputs.region
    results, kinds, details, memory = _cranelift.interpret(
        functions,
        main.name,
        inputs.count,
        [np.ascontiguousarray(words).tobytes() for words in inputs.args],
        fuel=fuel,
        region=None if region is None else region.param,
        contents=b"" if region is None else region.contents,
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
        outcomes.memory = np.frombuffer(memory, np.uint8).reshape(inputs.count, region.size)
    unsupported = {}
    for row, detail in sorted(details.items()):
        if endings[row] == Ending.TRAPPED:
            outcomes.traps[row] = detail
            continue
        outcomes.details[row] = detail
        if endings[row] == Ending.UNSUPPORTED:
            unsupported[row] = detail
    return Interpretation(outcomes, unsupported)


def _words(type_: Type, raw: bytes) -> Words:
    return np.frombuffer(raw, word_dtype(type_)).reshape(-1, word_count(type_))
