"""Recognises failures that a known fault of this Cranelift explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.cranelift.known_faults import _BOTH, Instructions, _is_known, _words
from clif.function import Function
from clif.types import VECTORS_64
from fuzz.differential.finding import Finding


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure to compile that a case of ``corpus/cranelift`` shows.

    Attributes:
        name: of the case.
        says: what the finding's bucket or explanation contains.
        instructions: one of these is in the case; ``operands`` are all that it has.
        isas: where it shows.
    """

    name: str
    says: str
    instructions: Instructions
    isas: tuple[str, ...] = _BOTH

    def explains(self, finding: Finding, functions: Sequence[Function]) -> bool:
        """Whether the finding is this failure."""
        if finding.isa not in self.isas:
            return False
        if not any(self.says in text for text in (finding.bucket, *finding.explanation)):
            return False
        return any(
            inst.type is not None
            and self.instructions.include(
                inst.opcode.name, inst.type.name, tuple(v.type.name for v in inst.args), ""
            )
            for function in functions
            for inst in function.instructions()
        )


_HALF_VECTORS: Final = frozenset(t.name for t in VECTORS_64)


FAILURES: Final[tuple[KnownFailure, ...]] = (
    *(
        KnownFailure(
            "select-icmp-i128",
            f"{name}.i128, which is not in the case",
            Instructions(_words("select"), _words("i128")),
            ("x86_64",),
        )
        for name in ("smin", "smax", "umin", "umax")
    ),
    KnownFailure(
        "select-icmp-i128",
        "isa/aarch64/lower/isle.rs",
        Instructions(_words("select"), _words("i128")),
        ("aarch64",),
    ),
    KnownFailure(
        "bzhi-i128-amount",
        "isa/x64/lower/isle.rs:289",
        Instructions(_words("ishl"), _words("i32 i64"), _words("i128")),
        ("x86_64",),
    ),
    KnownFailure(
        "bxor-self-f16",
        "no rule matched for term all_zero",
        Instructions(_words("bxor band"), _words("f16 f128 f16x2 f16x4 f16x8")),
    ),
    KnownFailure(
        "isub-self-i8x8",
        "no rule matched for term iconst_u",
        Instructions(frozenset(), _HALF_VECTORS),
    ),
    KnownFailure(
        "icmp-self-i8x8",
        "no rule matched for term cmp_",
        Instructions(_words("icmp"), _HALF_VECTORS),
    ),
    KnownFailure(
        "ineg-i32x2",
        "isa/aarch64/inst/emit.rs:98",
        Instructions(_words("isub"), _HALF_VECTORS),
        ("aarch64",),
    ),
)


def recognise(finding: Finding, functions: Sequence[Function]) -> Finding:
    """The finding; marked as known where it is a failure of the table."""
    if finding.known or not _is_known():
        return finding
    for failure in FAILURES:
        if failure.explains(finding, functions):
            return replace(finding, detail=f"{finding.detail}: {failure.name}", known=True)
    return finding
