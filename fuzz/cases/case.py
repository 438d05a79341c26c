"""A case: functions, inputs, and what they are compiled with.

On disk a case is one ``.clif`` file (``fuzz.cases.casefile``), in memory a ``Case``. Everything
else is derived from it: outcomes by the interpreter, machine code by the compiler.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from backend.isa.registry import DEFAULT_ISAS, ISAS
from clif.byte_order import ByteOrder, depends_on_byte_order
from clif.function import External, Function
from clif.memory_access import ADDRESS_TYPES, address_types
from clif.outcome import Inputs, words_from_ints
from clif.types import I64, Type


class ExtraCheck(StrEnum):
    """What is checked of a case besides its outcomes, where the case asks for it."""

    ORDER = "order"  # the order of accesses to memory, in the optimised CLIF and in the code
    UNWIND = "unwind"  # the tables of frames, at each instruction of a run
    OBJECTS = "objects"  # the same outcomes, of files of objects that are linked
    JIT = "jit"  # the same outcomes, of what a JIT puts into memory
    LABELS = "labels"  # debug information: where values are, and what code an instruction became
    STACK_MAPS = "stack-maps"  # a collector moves what they name


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a case is compiled with; the attributes are those of ``Case``."""

    settings: dict[str, str]
    isa_settings: dict[str, dict[str, str]]
    chaos: bytes = b""
    inlining: bytes = b""


@dataclass(slots=True, eq=False)
class Case:
    """One unit of fuzzing.

    Attributes:
        functions: the first is run with the inputs; the others are what it calls.
        inputs: the arguments, and the region of memory if the case uses one.
        settings: Cranelift's shared settings by name, the same on every ISA. Those that are not
            named have the values of ``DEFAULT_SETTINGS``, or else Cranelift's defaults.
        isa_settings: ISA flags, by the ISA's name (``--isa``), then by the flag's.
        trapping: the case was drawn as one whose inputs may trap. In any other case a trap is a
            bug of the generator.
        chaos: the bytes that control Cranelift's chaos mode; empty for none.
        inlining: which calls Cranelift's inliner replaces before compiling, a byte for each
            (``backend/src/inline.rs``); empty for none.
        checks: what is checked besides outcomes, in every configuration.
        origin: where the case comes from, in a few words: a seed, or a file's name.
        isas: the ISAs that the case is for; empty for all. An instruction that only one ISA lowers
            is only in cases for that ISA.
        order: the byte order that the case is interpreted in; None for that of the ISAs that it is
            for. Only a case that is not run as code needs one.
        alternatives: further configurations to compile the case with, each on all of its ISAs. What
            the functions do, according to the oracle, is the same in all of them.
    """

    functions: list[Function]
    inputs: Inputs
    settings: dict[str, str] = field(default_factory=dict)
    isa_settings: dict[str, dict[str, str]] = field(default_factory=dict)
    trapping: bool = False
    chaos: bytes = b""
    inlining: bytes = b""
    checks: frozenset[ExtraCheck] = frozenset()
    origin: str = ""
    isas: tuple[str, ...] = ()
    order: ByteOrder | None = None
    alternatives: tuple[Configuration, ...] = ()

    @property
    def main(self) -> Function:
        """The function that is run with the inputs."""
        return self.functions[0]

    def is_for(self, isa: str) -> bool:
        """Return whether the case is to be compiled for an ISA."""
        return not self.isas or isa in self.isas

    @property
    def byte_order(self) -> ByteOrder:
        """The byte order of the machines that it is for: little, unless all of them are big."""
        if self.order is not None:
            return self.order
        orders = {ISAS[isa].byte_order for isa in self.isas if isa in ISAS}
        return "big" if orders == {"big"} else "little"

    @property
    def address_types(self) -> frozenset[Type]:
        """The types of addresses on the ISAs that it is for."""
        sizes = {ISAS[isa].pointer_bytes for isa in self.isas if isa in ISAS} or {I64.bytes}
        return frozenset(t for t in ADDRESS_TYPES if t.bytes in sizes)

    def in_byte_order(self, order: ByteOrder, isas: Sequence[str]) -> Case:
        """Return the case for those machines alone that have a byte order.

        Args:
            isas: the ISAs to choose from. If none of them has it, the case stays for its own ISAs,
                and is interpreted so.
        """
        named = tuple(i for i in isas if self.is_for(i) and ISAS[i].byte_order == order)
        return replace(self, order=order if order == "big" else None, isas=named or self.isas)

    def configured(self, number: int) -> Case:
        """Return the case with one of its configurations only; 0 is that of its own attributes."""
        if not self.alternatives:
            return self
        count = 1 + len(self.alternatives)
        origin = f"{self.origin}, configuration {number + 1} of {count}".removeprefix(", ")
        single = replace(self, alternatives=(), origin=origin)
        if number:
            chosen = self.alternatives[number - 1]
            single.settings, single.isa_settings = chosen.settings, chosen.isa_settings
            single.chaos, single.inlining = chosen.chaos, chosen.inlining
        return single

    def configurations(self) -> Iterator[Case]:
        """Yield the case with each of its configurations."""
        return (self.configured(number) for number in range(1 + len(self.alternatives)))

    @property
    def emulated_isas(self) -> tuple[str, ...]:
        """The emulated ISAs that the case is for; the default ones if it is for all."""
        if not self.isas:
            return DEFAULT_ISAS
        return tuple(isa for isa in ISAS if isa in self.isas)


def _needed(isas: Iterable[str]) -> dict[str, str]:
    """Return the settings without which Cranelift refuses functions on one of the ISAs."""
    found = (ISAS[isa].settings for isa in isas if isa in ISAS)
    return {name: value for settings in found for name, value in settings.items()}


#: What a case is compiled with unless it says otherwise.
DEFAULT_SETTINGS = {"opt_level": "speed", "enable_verifier": "true"} | _needed(DEFAULT_ISAS)


def default_settings(isa: str) -> dict[str, str]:
    """Return the shared settings that code for an ISA has unless a case says otherwise."""
    return DEFAULT_SETTINGS | _needed([isa])


def effective_settings(case: Case, *isas: str) -> dict[str, str]:
    """Return the shared settings that a case is compiled with, for its own ISAs and others."""
    return DEFAULT_SETTINGS | _needed((*case.isas, *isas)) | case.settings


def with_check(case: Case, check: ExtraCheck) -> Case:
    """Return a case that asks for one more check."""
    return replace(case, checks=case.checks | {check})


def with_flags(case: Case, isa: str, flags: Mapping[str, str]) -> Case:
    """Return a case with other flags of an ISA."""
    return replace(case, isa_settings={**case.isa_settings, isa: dict(flags)})


def settings_on(case: Case, isa: str) -> dict[str, str]:
    """Return the shared settings and the ISA's own flags that a case is compiled with on an ISA."""
    return effective_settings(case, isa) | case.isa_settings.get(isa, {})


def has_canonical_nans(case: Case) -> bool:
    """Whether every NaN that an instruction makes has the same determined bits."""
    name = "enable_nan_canonicalization"
    return case.settings.get(name, DEFAULT_SETTINGS.get(name)) == "true"


def same_byte_order(case: Case, isa: str) -> bool:
    """Return whether a case must do the same on an ISA as in its own byte order."""
    return case.byte_order == ISAS[isa].byte_order or not depends_on_byte_order(case.functions)


def width_problem(case: Case, isa: str) -> str:
    """Return why an ISA cannot run a case, if its addresses have another width; empty if they have
    not."""
    bits = 8 * ISAS[isa].pointer_bytes
    others = {t.bits for t in address_types(case.functions) if t is not None} - {bits}
    return f"addresses of {min(others)} bits, and the ISA has {bits}" if others else ""


def copy_case(case: Case) -> Case:
    """Return a copy that can be changed while the other case stays as it is.

    The inputs are shared: they are never changed in place.
    """
    return replace(
        case,
        functions=[function.clone() for function in case.functions],
        settings=dict(case.settings),
        isa_settings={isa: dict(flags) for isa, flags in case.isa_settings.items()},
    )


def reachable_functions(main: Function, others: Sequence[Function]) -> list[Function]:
    """Return those of ``others`` that ``main`` needs.

    These are the functions that it, or one that it needs, calls or takes the address of.
    """
    # A function that refers to its own name means itself, whatever other function has that name.
    by_name = {function.name: function for function in others if function.name != main.name}
    reached: dict[str, Function] = {}
    todo = [main]
    while todo:
        for callee in _named(todo.pop()):
            if callee in by_name and callee not in reached:
                reached[callee] = by_name[callee]
                todo.append(by_name[callee])
    return [function for function in others if function.name in reached]


def roots_of(functions: Sequence[Function]) -> set[str]:
    """Return the names of the functions that no other one refers to."""
    named = {name for f in functions for name in _named(f) if name != f.name}
    return {function.name for function in functions} - named


def unreached_mains(functions: Sequence[Function], done: Collection[Function]) -> list[Function]:
    """Return the functions that stand for those of a file which are in no case so far.

    These are the functions that no other one refers to; of functions that only refer to each other,
    each stands for itself.

    Args:
        done: the functions that are in a case.
    """
    rest = [function for function in functions if function not in done]
    roots = roots_of(functions)
    mains = [function for function in rest if function.name in roots]
    taken = {f.name for main in mains for f in (main, *reachable_functions(main, functions))}
    return mains + [function for function in rest if function.name not in taken]


def no_inputs(main: Function) -> Inputs:
    """Return no inputs, for a case that is only compiled."""
    return Inputs(0, [words_from_ints(type_, []) for type_ in main.signature.param_types])


def _named(function: Function) -> Iterator[str]:
    """Yield the names of the functions and symbols that a function refers to."""
    refs = (inst.ref for inst in function.instructions())
    yield from (ref.name for ref in refs if isinstance(ref, External))
    for value in function.global_values:
        if value.symbol is not None:
            yield value.symbol.lstrip("%")
