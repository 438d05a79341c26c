"""The failure that a finding's file records, so that nothing else is taken for it.

The comments at the head of the file say it: ``finding: miscompile``, ``isa: NAME`` and
``bucket:`` with what identifies the failure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fuzz.differential.failure_signature import (
    KNOWN_SUFFIX,
    VIOLATION,
    WRONG_VALUE,
    FailureSignature,
    is_fault_of_a_tool,
    may_be_caused,
)
from fuzz.differential.finding import UNPROVED, FindingKind

_KINDS: Final = {kind.value: kind for kind in FindingKind}
#: Kinds whose bucket says no more than which opcodes a case contains.
_WITHOUT_DETAIL: Final = frozenset(
    {FindingKind.HANG, FindingKind.COMPILE_TIMEOUT, FindingKind.COMPILE_MEMORY, FindingKind.GROWTH}
)
#: What ``Finding`` and ``FailureSignature`` call the same: a wrong result and wrong memory.
_WRONG_VALUES: Final = {"result": WRONG_VALUE, "memory": WRONG_VALUE}


@dataclass(frozen=True, slots=True)
class RecordedFailure:
    """A failure as a file records it.

    Attributes:
        isas: on which it shows; empty if it concerns none.
        detail: the bucket without kind and ISAs.
    """

    kind: FindingKind
    isas: tuple[str, ...] = ()
    detail: str = ""

    def __str__(self) -> str:
        return " ".join(word for word in (self.kind.value, *self.isas, self.detail) if word)

    def is_shown_by(self, failure: FailureSignature) -> bool:
        """Return whether a failure is this one: its kind and what went wrong, on one of its
        ISAs."""
        if failure.kind is not self.kind:
            return False
        if self.isas and failure.isas and set(self.isas).isdisjoint(failure.isas):
            return False
        return self.kind in _WITHOUT_DETAIL or self._same_detail(failure.what)

    def may_be_caused_by(self, failure: FailureSignature) -> bool:
        """Return whether a failure may be what shows as this one in a larger case: a wrong value,
        or another violation."""
        first = self.detail.partition(": ")[0]
        if set(self.isas).isdisjoint(failure.isas) or self.kind is not failure.kind:
            return False
        if failure.what == WRONG_VALUE:
            return may_be_caused(FailureSignature(self.kind, self.isas, first))
        return first == VIOLATION and failure.is_violation

    def _same_detail(self, what: str) -> bool:
        if not self.detail or not what:
            return True
        # Another machine may have an engine that proves it, or lack it.
        what = what.removesuffix(UNPROVED)
        if f"{KNOWN_SUFFIX}:" in f"{self.detail}:" and not what.endswith(KNOWN_SUFFIX):
            return False  # what a known fault explained is not another wrong value
        what = what.removesuffix(KNOWN_SUFFIX)
        first, _, _ = self.detail.partition(": ")
        if _WRONG_VALUES.get(first, first) == what:
            return True
        # Buckets of minimal cases end with the settings that the failure needs.
        return self.detail == what or self.detail.startswith((f"{what} [", f"{what}: "))


def read_recorded_failure(text: str) -> RecordedFailure | None:
    """Return the failure that a file's head records; None if it records none."""
    words: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith(";"):
            break
        name, _, value = line.lstrip("; ").partition(":")
        words.setdefault(name.strip(), value.strip())
    kind = _KINDS.get(words.get("finding", ""))
    if kind is None:
        return None
    isas = tuple(words.get("isa", "").split())
    prefix = " ".join((kind.value, *isas))
    bucket = words.get("bucket", "")
    detail = bucket.removeprefix(prefix).strip() if bucket.startswith(prefix) else ""
    return RecordedFailure(kind, isas, detail)


def shown(
    recorded: RecordedFailure | None, found: Iterable[FailureSignature]
) -> list[FailureSignature]:
    """Return those failures of a case that its file is about.

    Without a record these are all except for known faults of a tool, which say nothing about the
    code under test.
    """
    if recorded is None:
        return [failure for failure in found if not is_fault_of_a_tool(failure.kind)]
    return [failure for failure in found if recorded.is_shown_by(failure)]
