"""Generation of cases that are valid by construction.

They terminate, results depend on what was computed, and only trapping cases trap.
"""

from __future__ import annotations

from fuzz.generate.generator import Generator
from fuzz.generate.options import Options

__all__ = ["Generator", "Options"]
