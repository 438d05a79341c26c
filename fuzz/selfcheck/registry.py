"""What a fault is, and the table of all of them.

A fault looks at a case and says how to spoil what is compiled or executed; or None, where the case
has nothing that it could spoil.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from types import MappingProxyType
from typing import Final

from clif.function import Function
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Injection

Inject = Callable[[Case, Random], Injection | None]
#: Changes functions in place; false where there is no place for the fault.
Mutate = Callable[[list[Function], Random], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        summary: what is wrong in the code that is executed, in a few words.
        isas: the ISAs on which it can be injected; empty for all.
        trapping: looks for its place in cases drawn as trapping.
    """

    name: str
    summary: str
    inject: Inject
    isas: tuple[str, ...] = ()
    trapping: bool = False


_FAULTS: Final[dict[str, Fault]] = {}


def fault(
    name: str, summary: str, *, isas: tuple[str, ...] = (), trapping: bool = False
) -> Callable[[Inject], Inject]:
    """Registers a fault that makes an Injection itself."""

    def register(inject: Inject) -> Inject:
        _FAULTS[name] = Fault(name, summary, inject, isas, trapping)
        return inject

    return register


def clif_fault(name: str, summary: str, *, trapping: bool = False) -> Callable[[Mutate], Mutate]:
    """Registers a fault that changes the functions that are compiled."""

    def register(mutate: Mutate) -> Mutate:
        def inject(case: Case, dice: Random) -> Injection | None:
            functions = [function.clone() for function in case.functions]
            if not mutate(functions, dice):
                return None
            return Injection(functions=lambda _: functions)

        _FAULTS[name] = Fault(name, summary, inject, trapping=trapping)
        return mutate

    return register


def all_faults() -> Mapping[str, Fault]:
    """Every fault by name, in the order of their files."""
    package = import_module("fuzz.selfcheck")
    for module in sorted(module.name for module in iter_modules(package.__path__)):
        if module.startswith("faults_"):
            import_module(f"fuzz.selfcheck.{module}")
    return MappingProxyType(_FAULTS)
