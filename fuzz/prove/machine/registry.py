"""The machines whose code can be proved, by the ISA's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fuzz.prove.machine import aarch64, x86_64
from fuzz.prove.machine.description import Machine

MACHINES: Final[Mapping[str, Machine]] = {
    machine.isa: machine for machine in (x86_64.MACHINE, aarch64.MACHINE)
}
