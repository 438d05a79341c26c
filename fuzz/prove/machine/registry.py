"""The machines whose code can be proved, by the ISA's name: each has a module of that name here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from backend.isa.registry import DESCRIBED
from fuzz.prove.machine.description import Machine


def _machines() -> dict[str, Machine]:
    modules = {isa: f"{__package__}.{isa}" for isa in DESCRIBED}
    return {isa: import_module(m).MACHINE for isa, m in modules.items() if find_spec(m)}


MACHINES: Final[Mapping[str, Machine]] = _machines()
