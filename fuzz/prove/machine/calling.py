"""Where a calling convention has arguments and results, for values that are in registers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from backend.emulator.convention import Convention
from backend.emulator.register_signature import in_integers
from clif.function import AbiParam, Signature
from fuzz.prove.machine.description import Machine
from fuzz.prove.semantics import UndecidedError

#: Bytes of a stack slot of an argument.
_WORD: Final = 8


@dataclass(frozen=True, slots=True)
class ValuePlace:
    """Where one value is.

    Attributes:
        registers: one register, or two for the halves of a wide integer.
        stack: else the offset from the stack pointer at the call.
    """

    registers: tuple[str, ...] = ()
    stack: int | None = None


def convention_of(machine: Machine, signature: Signature) -> Convention:
    """Return the calling convention of a signature.

    Raises:
        UndecidedError: it is not described in terms of registers.
    """
    if signature.call_conv not in machine.conventions:
        raise UndecidedError(f"the calling convention {signature.call_conv}")
    return machine.described.conventions[signature.call_conv]


def argument_places(machine: Machine, signature: Signature) -> list[ValuePlace]:
    """Return where the arguments of a function are.

    Raises:
        UndecidedError: one of them has a place of its own.
    """
    convention = convention_of(machine, signature)
    registers = machine.conventions[signature.call_conv]
    return list(
        _places(
            signature.params,
            convention,
            registers.integer_arguments,
            registers.vector_arguments,
            system_v=signature.call_conv == "system_v",
        )
    )


def result_places(machine: Machine, signature: Signature) -> list[ValuePlace]:
    """Return where the results of a function are.

    Raises:
        UndecidedError: not all of them are in registers.
    """
    convention = convention_of(machine, signature)
    registers = machine.conventions[signature.call_conv]
    found = list(
        _places(
            signature.returns,
            convention,
            registers.integer_results,
            registers.vector_results,
            system_v=False,
        )
    )
    if any(place.stack is not None for place in found):
        raise UndecidedError("results in memory")
    return found


def _places(
    values: Sequence[AbiParam],
    convention: Convention,
    integers: Sequence[str],
    vectors: Sequence[str],
    *,
    system_v: bool,
) -> Iterator[ValuePlace]:
    passed = convention.passed
    assert passed is not None
    used, vector, stack = 0, 0, 0
    for value in values:
        if value.purpose != "normal":
            raise UndecidedError(f"a parameter with the purpose {value.purpose.split('(')[0]}")
        type_ = value.type
        if not in_integers(type_, passed):
            if vector < len(vectors):
                yield ValuePlace((vectors[vector],))
                vector += 1
                continue
        else:
            count = 2 if type_.bits > 64 else 1
            wide = count == 2
            used += used % 2 if wide and passed.even else 0
            if used + count <= len(integers):
                yield ValuePlace(tuple(integers[used : used + count]))
                used += count
                continue
            if wide and not system_v:
                raise UndecidedError("a wide integer that is not in registers")
            # What follows it is on the stack too where registers come in pairs.
            used = len(integers) if passed.even else used + count
        size = max(type_.bytes, _WORD)
        stack = -(-stack // size) * size
        yield ValuePlace(stack=stack)
        stack += size
