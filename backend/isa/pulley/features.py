"""An instruction of each of Cranelift's flags for Pulley: there are no flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.engines.features import Probe

FEATURES: Final[Mapping[str, Probe]] = {}
