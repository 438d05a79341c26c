"""The table of Cranelift's Rust functions that the matcher knows."""

from __future__ import annotations

from typing import Final

from fuzz.isle import constant_externals, type_externals, value_externals
from fuzz.isle.matcher import Externals

EXTERNALS: Final = Externals(
    extractors={
        **type_externals.EXTRACTORS,
        **constant_externals.EXTRACTORS,
        **value_externals.EXTRACTORS,
    },
    numeric=constant_externals.numeric,
    constructors={**constant_externals.CONSTRUCTORS, **value_externals.CONSTRUCTORS},
)
