"""Which engines are there, for tests that need one."""

from __future__ import annotations

import pytest

from backend.engines.registry import ENGINES
from backend.isa.registry import ISAS


def missing(engine: str) -> str:
    """Why an engine cannot run all ISAs here; empty if it can."""
    reasons = (ENGINES[engine].missing(isa) for isa in ISAS.values())
    return next(filter(None, reasons), "")


needs_qemu = pytest.mark.skipif(bool(missing("qemu-user")), reason=missing("qemu-user") or "there")
