"""Which build of everything this is."""

from __future__ import annotations

from importlib.metadata import version

from backend.cranelift import compiler
from backend.cranelift.edge_counters import counters
from fuzz.campaign.database import Build


def present_build() -> Build:
    """What the cases of this environment are a function of, beside their seed and options."""
    return Build(compiler.version(), version("clif-fuzz"), len(counters()))
