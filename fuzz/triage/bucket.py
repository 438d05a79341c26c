"""What tells one fault from another: findings in the same bucket are taken for one fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fuzz.cases.case import DEFAULT_SETTINGS, Case
from fuzz.differential.failure_signature import Symptom
from fuzz.differential.finding import FindingKind, opcodes_in_bucket

#: Their symptoms say where it happened, or in which words: better than what the case consists of.
_TOLD: Final = (
    FindingKind.COMPILER_PANIC,
    FindingKind.COMPILE_ERROR,
    FindingKind.VERIFIER_ERROR,
    FindingKind.EMULATOR_FAULT,
    FindingKind.ORACLE_FAULT,
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A fault, as far as it can be told from its minimal case.

    Attributes:
        shape: opcodes and types of the minimal case; empty where the symptom says more.
        settings: what the failure needs beside the defaults, ``name=value``, flags with their ISA.
    """

    symptom: Symptom
    shape: str = ""
    settings: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.symptom}: {self.shape}" if self.shape else str(self.symptom)
        return f"{text} [{' '.join(self.settings)}]" if self.settings else text

    def to_json(self) -> dict[str, Any]:
        return {
            "bucket": str(self),
            "kind": None if self.symptom.kind is None else self.symptom.kind.value,
            "isas": list(self.symptom.isas),
            "what": self.symptom.what,
            "shape": self.shape or None,
            "settings": list(self.settings),
        }


def bucket_of(case: Case, symptom: Symptom) -> Bucket:
    """The bucket of a minimised case."""
    shape = "" if symptom.kind in _TOLD else _shape(case)
    return Bucket(symptom, shape, tuple(sorted(_needed(case))))


def _shape(case: Case) -> str:
    """Where the memory lies that is accessed does not matter."""
    words = opcodes_in_bucket(case.functions).split(" ")
    return " ".join(word for word in words if not word.startswith("stack_addr"))


def _needed(case: Case) -> Iterator[str]:
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
