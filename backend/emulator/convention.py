"""Calling conventions of an ISA, as data: what a callee preserves, and what signatures may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


class ConventionError(ValueError):
    """A calling convention that an ISA has no description of."""

    def __init__(self, isa: str, name: str) -> None:
        super().__init__(
            f"{isa}: calling convention '{name}' is not described in the ISA's description.py"
        )


@dataclass(frozen=True, slots=True)
class ResultRegisters:
    """How many words of results come back in registers.

    Attributes:
        integers: in integer registers; an ``i128`` takes two.
        others: in float and vector registers.
        total: in registers of all kinds together.
        vectors: in vector registers, where floats have registers of their own; else None.
        wide: integers and floats of 128 bits come back in registers, too.
        integer_f128: an ``f128`` comes back in two integer registers.
    """

    integers: int
    others: int
    total: int
    vectors: int | None = None
    wide: bool = True
    integer_f128: bool = False


@dataclass(frozen=True, slots=True)
class ArgumentRegisters:
    """How many arguments are passed in registers, where integers and others are counted apart.

    Attributes:
        integers: in integer registers; an ``i128`` takes two.
        others: floats and vectors, in vector registers.
        even: the first register of an ``i128`` has an even number, among arguments and results.
        vectors: vectors in vector registers, where floats have registers of their own; else None.
        wide: integers and floats of 128 bits are passed in registers, too.
        integer_f128: an ``f128`` is passed in two integer registers.
        boxed: above a narrow float in its register are ones, since instructions take anything else
            for a NaN.
    """

    integers: int
    others: int
    even: bool = False
    vectors: int | None = None
    wide: bool = True
    integer_f128: bool = False
    boxed: bool = False


_USUAL_RESULTS: Final = ResultRegisters(2, 2, 4)


@dataclass(frozen=True, slots=True)
class Convention:
    """One calling convention on one ISA.

    The frame pointer is preserved under every convention and is not listed; neither is the stack
    pointer.

    Attributes:
        integers: callee-saved integer registers.
        floats: vector registers of which the low 64 bits are callee-saved (``d8``).
        vectors: vector registers that are callee-saved in full (``q8``, ``xmm6``).
        arguments: those of the registers above that also carry arguments.
        pops_arguments: the callee frees its stack arguments. Where its stack pointer ends then
            depends on the signature, so the driver compares its own stack pointer instead. Not to
            be described: ``Isa.convention`` finds it out.
        no_scratch: the registers that the thunk computes with carry results or are callee-saved,
            so the thunk restores them.
        passed: the registers of arguments. None where integers and others are not counted apart,
            or where it was never described: then each signature has a driver of its own.
        results: the registers that generated functions may return results in.
        returned: all registers of results, where generated functions do not use each.
        exceptions: Cranelift compiles ``try_call`` of such a function.
        exception_payload: an exception arrives with a payload.
        sret: Cranelift compiles an explicit ``sret`` argument, and the register that it is returned
            in is not used for anything else.
        stack_probes: probes leave preserved registers alone. False where Cranelift had a fault at
            some time: ``fuzz.known`` finds out whether the linked one has it.
        saves_vectors: vector registers that such a function saves come back whole. False as for
            ``stack_probes``.
        extends_results: ``uext`` and ``sext`` of a result have an effect: the caller gets all 64
            bits of the extended value. They are ignored where this is False.
        little_lanes: on a big-endian ISA, lane 0 of a vector is in the lowest bits of its register.
        extends_stack_arguments: ``uext`` and ``sext`` work on stack arguments. False as for
            ``stack_probes``.
    """

    integers: tuple[str, ...] = ()
    floats: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    arguments: frozenset[str] = frozenset()
    pops_arguments: bool = False
    no_scratch: bool = False
    passed: ArgumentRegisters | None = None
    results: ResultRegisters = _USUAL_RESULTS
    returned: ResultRegisters | None = None
    exceptions: bool = False
    exception_payload: bool = True
    sret: bool = False
    stack_probes: bool = True
    saves_vectors: bool = True
    extends_results: bool = False
    little_lanes: bool = False
    extends_stack_arguments: bool = True

    @property
    def boxed_floats(self) -> bool:
        """Whether narrow floats are passed with ones above them (``ArgumentRegisters``)."""
        return self.passed is not None and self.passed.boxed

    @property
    def preserved(self) -> tuple[str, ...]:
        """All registers that must be preserved, the frame and stack pointers left out."""
        return self.integers + self.floats + self.vectors
