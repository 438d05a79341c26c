"""Which engines are there, for tests that need one."""

from __future__ import annotations

import pytest

from backend.engines.registry import ENGINES
from backend.isa.registry import ISAS


def missing(engine: str) -> str:
    """Why an engine cannot run all its ISAs here; empty if it can."""
    known = (isa for isa in ISAS.values() if ENGINES[engine].knows(isa))
    reasons = (ENGINES[engine].missing(isa) for isa in known)
    return next(filter(None, reasons), "")


def runs(engine: str, isa: str) -> bool:
    """Whether an engine can run an ISA here."""
    return not ENGINES[engine].missing(ISAS[isa])


def _needs(engine: str, reason: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(bool(reason), reason=reason or f"{engine} is there")


needs_qemu = _needs("qemu-user", missing("qemu-user"))
needs_bochs = _needs("bochs", ENGINES["bochs"].missing(ISAS["x86_64"]))
