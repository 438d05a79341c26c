"""Library calls of Pulley: none, as it has an instruction for everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator.libcalls import Stub

LIBRARY_CALLS: Final[Mapping[str, Stub]] = {}
