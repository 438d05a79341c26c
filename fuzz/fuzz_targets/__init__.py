"""Fuzz targets: programs for libFuzzer, one property each, guided by the coverage of Cranelift."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fuzz.fuzz_targets.target import Target

#: Every target and the property that it checks; its module has the same name.
TARGETS: Final = {
    "differential": "the interpreter and every ISA agree",
    "rules": "the same, of short cases aimed at Cranelift's ISLE rules",
    "optimize": "the mid-end keeps what a function does",
    "settings": "the same function under two draws of settings does the same",
    "simd": "one vector instruction agrees on many inputs",
    "abi": "calls across conventions, many arguments and results, preserved registers",
    "incremental_cache": "a hit is as good as compiling anew, and only what may differ still hits",
    "regalloc": "both register allocators, checked, agree under high pressure",
    "cfi": "signed return addresses, landing pads and frame pointers change nothing else",
    "reader": "the reader of CLIF neither panics nor changes what it prints",
    "limits": "long, wide and deep functions compile in linearithmic time and memory",
}


class FaultError(ValueError):
    """A target has no place for a fault."""


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """What a target may be asked for.

    Attributes:
        fault: name of a fault of ``selfcheck`` to inject, to prove that it is seen; empty for none.
        guided: make new units of old ones; else every unit is a new case, to compare with.
    """

    fault: str = ""
    guided: bool = True


def refuse_fault(name: str, options: TargetOptions) -> None:
    """For targets without a place for faults. Raises FaultError if one is asked for."""
    if options.fault:
        raise FaultError(f"target {name} compiles no case that a fault could be put into")


def load(name: str, isas: tuple[str, ...], options: TargetOptions | None = None) -> Target:
    """The target of that name. Raises KeyError for any other, FaultError where it has no place for
    the fault of the options."""
    if name not in TARGETS:
        raise KeyError(name)
    module = import_module(f"fuzz.fuzz_targets.{name}")
    target: Target = module.target(isas)
    if options is not None:
        target.configure(options)
    return target
