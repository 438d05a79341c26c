"""Buckets: what identifies a fault. Findings in one bucket are taken for one fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fuzz.cases.case import DEFAULT_SETTINGS, Case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.finding import FindingKind, opcodes_in_bucket

#: Kinds whose failure signature names a place or a message, which says more than opcodes.
_SELF_EXPLANATORY: Final = (
    FindingKind.COMPILER_PANIC,
    FindingKind.COMPILE_ERROR,
    FindingKind.VERIFIER_ERROR,
    FindingKind.FEATURE,
    FindingKind.EMULATOR_FAULT,
    FindingKind.ORACLE_FAULT,
    FindingKind.UNSUPPORTED,
)


@dataclass(frozen=True, slots=True, eq=False)
class MinimalCase:
    """A minimal case, and what is known of its failure.

    Attributes:
        rules: places of the suspected ISLE rules (``fuzz.triage.minimized.suspected_rules``).
    """

    case: Case
    failure: FailureSignature
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bucket:
    """What identifies a fault, as far as its minimal case tells.

    Attributes:
        opcodes: opcodes and types of the minimal case; empty if the failure says more.
        settings: what the failure needs beside the defaults: ``name=value``, flags with their ISA.
    """

    failure: FailureSignature
    opcodes: str = ""
    settings: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.failure}: {self.opcodes}" if self.opcodes else str(self.failure)
        return f"{text} [{' '.join(self.settings)}]" if self.settings else text

    def to_json(self) -> dict[str, Any]:
        return {
            "bucket": str(self),
            "kind": None if self.failure.kind is None else self.failure.kind.value,
            "isas": list(self.failure.isas),
            "what": self.failure.what,
            "shape": self.opcodes or None,
            "settings": list(self.settings),
        }


def bucket_of(case: Case, failure: FailureSignature) -> Bucket:
    """Return the bucket of a minimised case."""
    opcodes = "" if failure.kind in _SELF_EXPLANATORY else _opcodes(case)
    return Bucket(failure, opcodes, tuple(sorted(_needed_settings(case))))


def _opcodes(case: Case) -> str:
    """List the opcodes without ``stack_addr``: which memory is accessed does not matter."""
    words = opcodes_in_bucket(case.functions).split(" ")
    return " ".join(word for word in words if not word.startswith("stack_addr"))


def _needed_settings(case: Case) -> Iterator[str]:
    for name, value in case.settings.items():
        if name == "opt_level" or DEFAULT_SETTINGS.get(name) == value:
            continue
        yield f"{name}={value}"
    if case.settings.get("opt_level", "speed") != "none":
        yield "optimised"
    for isa, flags in case.isa_settings.items():
        yield from (f"{isa} {name}={value}" for name, value in flags.items())
    if case.chaos:
        yield "chaos"
    if case.inlining:
        yield "inlined"
