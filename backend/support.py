"""The support matrix: which instructions an ISA compiles, found out by trying each.

Probing takes about a second; the result is kept in the user's cache folder, under a name that
stands for the extension's build, the probes and the settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Final

from backend import cache as cache_of_build
from backend import coverage, probes
from backend.cranelift import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    Target,
    VerifierError,
    version,
)
from backend.probes import Probe, all_probes, probe_text
from clif.types import Type


class Support(Enum):
    """What became of a probe."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"  # Cranelift reports an error
    PANICS = "panics"
    INVALID = "invalid"  # no such instruction: the verifier or the parser refuses it


#: Opcode, controlling type or "", types of open operands, variant ("" where there is none).
Key = tuple[str, str, tuple[str, ...], str]

# Change nothing about what is lowered: one matrix does for all of their values.
_IRRELEVANT: Final = (
    "opt_level",
    "regalloc_algorithm",
    "regalloc_checker",
    "regalloc_verbose_logs",
    "enable_verifier",
    "enable_alias_analysis",
    "enable_nan_canonicalization",
    "log2_min_function_alignment",
    "bb_padding_log2_minus_one",
    "machine_code_cfg_info",
    "unwind_info",
)


class SupportMatrix:
    """What one ISA compiles under given settings."""

    def __init__(self, isa: str, entries: Mapping[Key, Support]) -> None:
        self.isa = isa
        self.entries = entries

    def status(
        self, opcode: str, type_: Type | None = None, *operands: Type, variant: str = ""
    ) -> Support:
        """What became of an instruction.

        ``type_`` is the controlling type, ``operands`` are the types of the operands that it leaves
        open (a conversion's source, a shift's amount, a select's condition). Without ``variant``
        the answer for ``icmp``, ``fcmp`` and ``atomic_rmw`` is SUPPORTED only if all condition
        codes or operations are. INVALID is what no probe stands for.
        """
        name = type_.name if type_ is not None else ""
        key = opcode, name, tuple(operand.name for operand in operands), variant
        found = self.entries.get(key)
        if found is not None:
            return found
        return Support.INVALID if variant else self._of_variants(key[:3])

    def _of_variants(self, instruction: tuple[str, str, tuple[str, ...]]) -> Support:
        variants = probes.variants(instruction[0])
        found = [self.entries.get((*instruction, v), Support.INVALID) for v in variants]
        failing = (s for s in found if s is not Support.SUPPORTED)
        return next(failing, Support.SUPPORTED) if found else Support.INVALID

    def pairs(self) -> Iterator[Key]:
        """Every instruction that compiles."""
        return (key for key, status in self.entries.items() if status is Support.SUPPORTED)

    def count(self, status: Support) -> int:
        """How many probes ended so."""
        return sum(entry is status for entry in self.entries.values())


def probe(
    isa: str,
    settings: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    *,
    cache: Path | None = None,
) -> SupportMatrix:
    """The matrix of an ISA under shared settings and ISA flags, from the cache where possible.

    ``cache`` is the folder of the cached matrices, the user's cache folder by default. Raises
    SettingsError for an unknown ISA or setting.
    """
    target = _relevant(isa, settings or {}, flags or {})
    target.handle  # noqa: B018 - an unknown setting is an error even where the cache knows it
    file = (cache or cache_of_build.folder()) / f"support-{isa}-{_fingerprint(target)}.json"
    entries = _load(file)
    if entries is None:
        with coverage.uncounted():
            entries = {_key(p): _try(p, target) for p in all_probes()}
        _save(file, entries)
    return SupportMatrix(isa, {k: s for k, s in entries.items() if s is not Support.INVALID})


def _relevant(isa: str, settings: Mapping[str, str], flags: Mapping[str, str]) -> Target:
    relevant = {name: value for name, value in settings.items() if name not in _IRRELEVANT}
    # The verifier tells what is no instruction at all from what the ISA lacks.
    return Target.of(isa, {**relevant, "enable_verifier": "true", "opt_level": "none"}, flags)


def _key(probe_: Probe) -> Key:
    type_ = probe_.type.name if probe_.type is not None else ""
    return probe_.opcode.name, type_, tuple(t.name for t in probe_.operands), probe_.variant


def _try(probe_: Probe, target: Target) -> Support:
    try:
        target.compile(Functions(probe_text(probe_)))
    except CompileError:
        return Support.UNSUPPORTED
    except CompilerPanic:
        return Support.PANICS
    except (VerifierError, ReadError, KeyError):
        return Support.INVALID
    return Support.SUPPORTED


# --- the cache ---


@lru_cache(maxsize=1)
def _build() -> bytes:
    """Stands for the extension and for the probes."""
    return cache_of_build.fingerprint(probes.__file__, __file__)


def _fingerprint(target: Target) -> str:
    digest = hashlib.sha256(_build())
    digest.update(repr((target.settings, target.flags)).encode())
    return digest.hexdigest()[:20]


def _load(file: Path) -> dict[Key, Support] | None:
    """None for a file that is missing, unreadable or damaged."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return {
            (opcode, type_, tuple(operands), variant): Support(status)
            for opcode, type_, operands, variant, status in raw["entries"]
        }
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _save(file: Path, entries: Mapping[Key, Support]) -> None:
    rows = [[*key[:2], list(key[2]), key[3], status.value] for key, status in entries.items()]
    cache_of_build.save(file, json.dumps({"cranelift": version(), "entries": rows}))
