"""Fuzz targets: programs for libFuzzer, one property each, guided by the coverage of Cranelift."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fuzz.targets.target import Target

#: Every target and the property that it checks; its module has the same name.
TARGETS: Final = {
    "differential": "the interpreter and every ISA agree",
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


def load(name: str, isas: tuple[str, ...]) -> Target:
    """The target of that name. Raises KeyError for any other."""
    if name not in TARGETS:
        raise KeyError(name)
    module = import_module(f"fuzz.targets.{name}")
    target: Target = module.target(isas)
    return target
