"""Finds instructions that the flags of a case do not allow: they would fault on some CPUs.

No execution shows that, since the emulated CPU has all features that any case may use. A decoder
that is not Cranelift's says what each instruction needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Final

from backend.cranelift.compiler import Target
from backend.emulator.linker import CompiledCode
from backend.isa.parts import CPU_FEATURES, CpuFeatures
from backend.isa.registry import ISAS
from clif.function import format_name
from fuzz.differential.finding import Finding, FindingKind

_UNDECODABLE: Final = "none"


def forbidden_features(
    isa: str, target: Target, compiled: Sequence[CompiledCode]
) -> Iterator[Finding]:
    """Yield a finding for each feature that code needs and its target does not have."""
    features = _features(isa)
    if features is None:
        return
    allowed = _allowed(isa, target)
    seen: set[str] = set()
    for code in compiled:
        for feature, mnemonic, offset in features.needs(code, allowed):
            if feature in allowed or feature in seen:
                continue
            seen.add(feature)
            yield _finding(isa, target, feature, mnemonic, f"{format_name(code.name)}+{offset:#x}")


def _finding(isa: str, target: Target, feature: str, mnemonic: str, place: str) -> Finding:
    if feature == _UNDECODABLE:
        detail, what = "bytes that are no instruction", f"bytes that are no instruction at {place}"
    else:
        detail = f"{feature}: {mnemonic}"
        what = f"{mnemonic} at {place} needs {feature}, which no flag allows"
    flags = " ".join(sorted(target.handle.flags)) or "none"
    return Finding(FindingKind.FEATURE, isa, detail, (what, f"flags that are on: {flags}"))


@lru_cache(maxsize=256)  # like targets themselves: most occur once
def _allowed(isa: str, target: Target) -> frozenset[str]:
    features = _features(isa)
    return frozenset() if features is None else features.allowed(target.handle.flags)


@cache
def _features(isa: str) -> CpuFeatures | None:
    return CPU_FEATURES.of_any(ISAS[isa])
