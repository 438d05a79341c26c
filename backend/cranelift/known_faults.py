"""Known faults of one version of Cranelift, so that a campaign does not find them over and over.

Each has a case in ``corpus/cranelift`` that shows it. The generator leaves such forms out where
the fault would strike, and only there; ``clif-fuzz support --missing`` lists them. What several
innocent instructions bring about together cannot be left out: such a *failure* is recognised when
it is found, by its words and by what the case contains, and then counted without an alarm. Another
version is under suspicion of everything again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from backend.cranelift.compiler import version
from clif.types import ALL

VERSION: Final = "0.135.8"

_BOTH: Final = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True)
class Instructions:
    """Instructions that a fault concerns; an empty field stands for any.

    ``operands`` are those that the controlling type leaves open; ``variants`` are condition codes
    or operations of ``atomic_rmw``.
    """

    opcodes: frozenset[str]
    types: frozenset[str]
    operands: frozenset[str] = frozenset()
    variants: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """What is not open, in words: ``atomic_rmw i16 i8 umin``."""
        parts = (self.opcodes, self.types, self.operands, self.variants)
        return " ".join(word for part in parts for word in sorted(part))

    def include(self, opcode: str, type_: str, operands: tuple[str, ...], variant: str) -> bool:
        return (
            (not self.opcodes or opcode in self.opcodes)
            and (not self.types or type_ in self.types)
            and (not self.operands or not self.operands.isdisjoint(operands))
            and (not self.variants or variant in self.variants)
        )


@dataclass(frozen=True, slots=True)
class KnownFault:
    """One fault.

    Attributes:
        name: of its case in ``corpus/cranelift``.
        reason: what goes wrong, in a few words.
        unless_flag: an ISA flag that keeps the fault away.
        setting: a shared setting and the value with which the fault strikes, None for any.
        unless_setting: the same the other way round.
    """

    name: str
    isas: tuple[str, ...]
    instructions: Instructions
    reason: str
    unless_flag: str = ""
    setting: tuple[str, str] | None = None
    unless_setting: tuple[str, str] | None = None

    def strikes(self, isa: str, settings: Mapping[str, str], flags: Mapping[str, str]) -> bool:
        """Whether the fault is there under these settings and ISA flags."""
        return (
            isa in self.isas
            and flags.get(self.unless_flag) != "true"
            and (self.setting is None or settings.get(self.setting[0]) == self.setting[1])
            and (
                self.unless_setting is None
                or settings.get(self.unless_setting[0]) != self.unless_setting[1]
            )
        )


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: What Cranelift's NaN canonicalisation treats (``nan_canonicalization.rs``), on vectors.
_CANONICALIZED: Final = _words("fadd fsub fmul fdiv sqrt fma fmin fmax ceil floor trunc nearest")

_NARROW_VECTORS: Final = frozenset(t.name for t in ALL if t.is_vector and t.bits < 128)

FAULTS: Final[tuple[KnownFault, ...]] = (
    KnownFault(
        "atomic-rmw-umin-i8",
        ("aarch64",),
        Instructions(_words("atomic_rmw"), _words("i8 i16"), variants=_words("umin")),
        "compares with the operand's upper bits too",
        unless_flag="has_lse",
    ),
    KnownFault(
        "atomic-rmw-umax-i16",
        ("aarch64",),
        Instructions(_words("atomic_rmw"), _words("i8 i16"), variants=_words("umax")),
        "compares with the operand's upper bits too",
        unless_flag="has_lse",
    ),
    KnownFault(
        "atomic-cas-i32",
        ("aarch64",),
        Instructions(_words("atomic_cas"), _words("i32")),
        "compares with the expected value's upper bits too",
        unless_flag="has_lse",
    ),
    KnownFault(
        "atomic-store-i128-halves",
        ("x86_64",),
        Instructions(_words("atomic_store"), _words("i128")),
        "stores another value where both halves are the same",
    ),
    KnownFault(
        "atomic-store-i128-halves",
        ("x86_64",),
        Instructions(_words("atomic_rmw"), _words("i128"), variants=_words("xchg")),
        "stores another value where both halves are the same",
    ),
    KnownFault(
        "fpromote-f16-f64",
        ("aarch64",),
        Instructions(_words("fpromote"), _words("f64"), _words("f16")),
        "converts from single precision",
    ),
    KnownFault(
        "fdemote-f128-f32",
        ("aarch64",),
        Instructions(_words("fdemote"), _words("f32"), _words("f128")),
        "converts from double precision",
    ),
    KnownFault(
        "bxor-self-f16",
        _BOTH,
        Instructions(_words("bxor"), _words("f16 f128 f16x4 f16x8")),
        "the optimiser panics where both operands are the same",
        unless_setting=("opt_level", "none"),
    ),
    KnownFault(
        "nan-canonicalization-f32x2",
        ("aarch64",),
        Instructions(_CANONICALIZED, _words("f32x2")),
        "canonicalising NaNs panics",
        setting=("enable_nan_canonicalization", "true"),
    ),
    KnownFault(
        "swiden-high-i8x4",
        ("aarch64",),
        Instructions(_words("swiden_high uwiden_high"), _words("i8x4")),
        "takes lanes of the upper half of 64 bits",
    ),
    KnownFault(
        "vany-true-i8x4",
        ("x86_64",),
        Instructions(_words("vany_true"), _NARROW_VECTORS),
        "tests what lies above the vector in its register too",
    ),
    KnownFault(
        "sextend-extractlane-i16x2",
        ("aarch64",),
        Instructions(_words("extractlane"), _words("i8x2 i8x4 i16x2")),
        "panics where the lane is extended",
    ),
    KnownFault(
        "fma-splat-f32x2",
        ("aarch64",),
        Instructions(_words("fma"), _words("f32x2")),
        "panics where an operand is a splat",
    ),
    KnownFault(
        "isub-self-i8x8",
        ("aarch64",),
        Instructions(_words("isub iadd icmp"), _words("i8x8 i16x4 i32x2")),
        "the optimiser panics where the result is a constant",
        unless_setting=("opt_level", "none"),
    ),
)


def current() -> tuple[KnownFault, ...]:
    """The faults of the Cranelift under test."""
    return FAULTS if _is_known() else ()


def _is_known() -> bool:
    """A changed copy of the release (``0.135.8-`` and a digest) is taken to have its faults still:
    who mends one rather misses its forms than is told of all the others."""
    return version().partition("-")[0] == VERSION


def striking(
    isa: str, settings: Mapping[str, str], flags: Mapping[str, str]
) -> Iterator[KnownFault]:
    """The faults that are there under these settings and ISA flags."""
    return (fault for fault in current() if fault.strikes(isa, settings, flags))


# --- failures ---
