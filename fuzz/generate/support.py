"""What may be generated: compiled by every ISA of the case at every level of flags, and meant.

The matrices are probed by the backend and cached there.
"""

from __future__ import annotations

from backend.opcodes import OPCODES
from backend.support import Support, SupportMatrix, probe, probed_target
from clif.types import Type
from fuzz.case import DEFAULT_SETTINGS
from fuzz.generate.options import Options
from fuzz.generate.repertoire import Supported
from fuzz.generate.settings import flag_levels
from interp import MEANINGS


def probed(options: Options) -> Supported:
    """The predicate for these options. Raises SettingsError for an unknown ISA."""
    matrices = [matrix for isa in options.isas for matrix in _matrices(isa, options)]

    def supported(name: str, types: tuple[Type, ...], variant: str) -> bool:
        if name not in MEANINGS:
            return False
        ctrl, operands = (types[0], types[1:]) if OPCODES[name].polymorphic else (None, types)
        return all(
            matrix.status(name, ctrl, *operands, variant=variant) is Support.SUPPORTED
            for matrix in matrices
        )

    return supported


def _matrices(isa: str, options: Options) -> list[SupportMatrix]:
    """One for each set of flags that makes a difference."""
    sets = [dict.fromkeys(level, "true") for level in flag_levels(options).get(isa, ((),))]
    distinct = {probed_target(isa, DEFAULT_SETTINGS, flags): flags for flags in sets}
    return [probe(isa, DEFAULT_SETTINGS, flags) for flags in distinct.values()]
