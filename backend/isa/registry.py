"""The ISAs that are emulated, one line each. ``docs/adding-an-isa.md`` says what each needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator.isa import Isa
from backend.isa.aarch64.description import AARCH64
from backend.isa.pulley.description import PULLEY32, PULLEY32BE, PULLEY64, PULLEY64BE
from backend.isa.riscv64.description import RISCV64
from backend.isa.s390x.description import S390X
from backend.isa.x86_64.description import X86_64

#: By name, in the order in which cases are run, with the flags of the engine in this process.
DESCRIBED: Final[Mapping[str, Isa]] = {
    isa.name: isa
    for isa in (
        X86_64,
        AARCH64,
        RISCV64,
        S390X,
        PULLEY64,
        PULLEY64BE,
        PULLEY32,
        PULLEY32BE,
    )
}

#: The same, with the flags of the engine that is chosen (``backend.isa.executors.choose_engines``).
ISAS: Final[dict[str, Isa]] = dict(DESCRIBED)

#: The ISAs that are run if none is named.
DEFAULT_ISAS: Final = tuple(isa.name for isa in ISAS.values() if isa.by_default)


def find_isa(name: str) -> Isa | None:
    """Return the ISA of a name or alias, in any case; None if it is not emulated."""
    wanted = name.lower()
    return next((i for i in ISAS.values() if wanted == i.name or wanted in i.aliases), None)
