"""Which build of everything this is."""

from __future__ import annotations

from importlib.metadata import version

from backend import cranelift
from backend.coverage import counters
from fuzz.store import Build


def present_build() -> Build:
    """What the cases of this environment are a function of, beside their seed and options."""
    return Build(cranelift.version(), version("clif-fuzz"), len(counters()))
