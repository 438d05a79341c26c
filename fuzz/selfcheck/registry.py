"""The registry of faults that can be injected into a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from types import MappingProxyType
from typing import Any, Final, TypeVar

from clif.function import Function
from clif.uses import Place
from fuzz.cases.case import Case, ExtraCheck
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.editing import Wanted, all_of, each, named, rename

T = TypeVar("T")
#: Makes the injection for a case; None if the case has no place for the fault.
Inject = Callable[[Case, Random], Injection | None]


@dataclass(frozen=True, slots=True)
class ClifEdit:
    """A fault as a change of the functions that are compiled, at one of several places.

    Attributes:
        find: lists the places in functions where the fault is possible.
        apply: changes the functions in place, at one of these places.
    """

    find: Callable[[list[Function]], Sequence[Any]]
    apply: Callable[[Any], None]

    def inject(self, case: Case, rng: Random) -> Injection | None:
        """Apply the edit to a copy of the functions, at a place that is drawn."""
        functions = [function.clone() for function in case.functions]
        places = self.find(functions)
        if not places:
            return None
        self.apply(rng.choice(places))
        return Injection(functions=lambda _: functions)


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault.

    Attributes:
        summary: what is wrong about the code that is executed, in a few words.
        isas: the ISAs on which it can be injected; empty for all.
        trapping: whether it needs cases that are drawn as trapping.
        edit: what it does to CLIF; None if it injects something else.
        opcodes: the opcodes that it replaces by another one each, if it does that.
        checks: what cases are checked for besides their outcomes, so that it shows.
        throwing: whether it needs cases that are drawn to throw exceptions.
        cases: returns the case of an index, in place of those that are drawn; None for these.
    """

    name: str
    summary: str
    inject: Inject
    isas: tuple[str, ...] = ()
    trapping: bool = False
    edit: ClifEdit | None = None
    opcodes: Mapping[str, str] = field(default_factory=dict)
    checks: frozenset[ExtraCheck] = frozenset()
    throwing: bool = False
    cases: Callable[[int], Case] | None = None


_FAULTS: Final[dict[str, Fault]] = {}


def fault(
    name: str,
    summary: str,
    *,
    isas: tuple[str, ...] = (),
    checks: frozenset[ExtraCheck] = frozenset(),
    throwing: bool = False,
    cases: Callable[[int], Case] | None = None,
) -> Callable[[Inject], Inject]:
    """Register a function that makes the injection for a case.

    Args:
        cases: as in ``Fault``.
    """

    def register(inject: Inject) -> Inject:
        _FAULTS[name] = Fault(
            name, summary, inject, isas, checks=checks, throwing=throwing, cases=cases
        )
        return inject

    return register


def clif_fault(
    name: str,
    summary: str,
    find: Callable[[list[Function]], Sequence[T]],
    *,
    trapping: bool = False,
    throwing: bool = False,
    checks: frozenset[ExtraCheck] = frozenset(),
) -> Callable[[Callable[[T], None]], Callable[[T], None]]:
    """Register a function that changes functions at a place, which it is handed.

    Args:
        find: lists the places where the fault is possible.
    """

    def register(apply: Callable[[T], None]) -> Callable[[T], None]:
        edit = ClifEdit(find, apply)
        _FAULTS[name] = Fault(
            name,
            summary,
            edit.inject,
            trapping=trapping,
            edit=edit,
            throwing=throwing,
            checks=checks,
        )
        return apply

    return register


def opcode_fault(
    name: str,
    summary: str,
    opcodes: Mapping[str, str],
    *,
    wanted: Wanted = lambda inst: True,
    trapping: bool = False,
) -> None:
    """Register a fault that replaces an opcode by another one of the same format.

    Args:
        wanted: whether an instruction with one of the opcodes can have the other opcode.
    """

    def replace_opcode(place: Place) -> None:
        rename(place.inst, opcodes[place.inst.opcode.name])

    find = each(all_of(named(*opcodes), wanted))
    clif_fault(name, summary, find, trapping=trapping)(replace_opcode)
    _FAULTS[name] = replace(_FAULTS[name], opcodes=opcodes)


def condition_fault(name: str, summary: str, opcode: str, conditions: Mapping[str, str]) -> None:
    """Register a fault that replaces the condition of a comparison by another one."""

    def replace_condition(place: Place) -> None:
        place.inst.cond = conditions[place.inst.cond]

    wanted = all_of(named(opcode), lambda inst: inst.cond in conditions)
    clif_fault(name, summary, each(wanted))(replace_condition)


def all_faults() -> Mapping[str, Fault]:
    """Return every fault by name, in the order of the modules ``faults_*``."""
    package = import_module("fuzz.selfcheck")
    for module in sorted(module.name for module in iter_modules(package.__path__)):
        if module.startswith("faults_"):
            import_module(f"fuzz.selfcheck.{module}")
    return MappingProxyType(_FAULTS)
