"""Making cases: valid by construction, live, terminating, without traps that nobody wanted."""

from __future__ import annotations

from fuzz.generate.generator import Generator
from fuzz.generate.options import Options

__all__ = ["Generator", "Options"]
