"""Known faults of Cranelift: instructions that are compiled wrongly, or not at all.

Each entry has a case in ``corpus/cranelift`` that shows the fault. The generator leaves out the
instructions where the fault applies, and only there, so that a campaign does not find it over and
over; ``clif-fuzz support --missing`` lists them. Two more tables are about what several faultless
instructions bring about together: ``fuzz.known.failures`` recognises a failure when it has been
found, ``fuzz.isle.known_shapes`` keeps fragments of rules from running into one.

No table says which release has a fault. ``fuzz.known.status`` runs the cases with the Cranelift
under test, and only entries whose cases still fail count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from clif.function import Inst
from clif.types import ALL
from fuzz.known.status import BOTH_ISAS, PULLEY, PULLEY_BIG, SHARED_ISAS, has_fault


@dataclass(frozen=True, slots=True)
class InstructionPattern:
    """A set of typed instructions, by their names; an empty field stands for any.

    Attributes:
        operands: types of which one operand at least has one.
        variants: condition codes, operations of ``atomic_rmw``, or byte orders, of which an
            instruction has one; an empty one stands for those that have none at all.
    """

    opcodes: frozenset[str]
    types: frozenset[str]
    operands: frozenset[str] = frozenset()
    variants: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return the fields that are not empty, in words: ``atomic_rmw i16 i8 umin``."""
        parts = (self.opcodes, self.types, self.operands, self.variants)
        return " ".join(word for part in parts for word in sorted(part))

    def matches(self, opcode: str, type_: str, operands: tuple[str, ...], variant: str) -> bool:
        """Return whether a typed instruction of this name (``InstructionName``) is in the set."""
        return (
            (not self.opcodes or opcode in self.opcodes)
            and (not self.types or type_ in self.types)
            and (not self.operands or not self.operands.isdisjoint(operands))
            and (not self.variants or not self.variants.isdisjoint(variant.split() or [""]))
        )

    def matches_inst(self, inst: Inst) -> bool:
        """Return whether an instruction of a function is in the set. All its operands count."""
        type_ = "" if inst.type is None else inst.type.name
        operands = tuple(arg.type.name for arg in inst.args)
        variant = f"{inst.cond or inst.rmw or ''} {inst.flags.endianness or ''}".strip()
        return self.matches(inst.opcode.name, type_, operands, variant)


@dataclass(frozen=True, slots=True)
class KnownFault:
    """A fault of single instructions.

    Attributes:
        name: of its case in ``corpus/cranelift``.
        reason: what goes wrong, in a few words.
        unless_flag: an ISA flag with which the fault does not apply.
        setting: a shared setting and the value that the fault takes; None if it takes none.
        unless_setting: a shared setting and the value with which the fault does not apply.
    """

    name: str
    isas: tuple[str, ...]
    instructions: InstructionPattern
    reason: str
    unless_flag: str = ""
    setting: tuple[str, str] | None = None
    unless_setting: tuple[str, str] | None = None

    def applies(self, isa: str, settings: Mapping[str, str], flags: Mapping[str, str]) -> bool:
        """Return whether the instructions are compiled wrongly under settings and ISA flags."""
        return (
            isa in self.isas
            and flags.get(self.unless_flag) != "true"
            and (self.setting is None or settings.get(self.setting[0]) == self.setting[1])
            and (
                self.unless_setting is None
                or settings.get(self.unless_setting[0]) != self.unless_setting[1]
            )
        )


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set: the entries of the tables read better so."""
    return frozenset(text.split())


def _big_endian(
    name: str, instructions: InstructionPattern, reason: str
) -> tuple[KnownFault, KnownFault]:
    """Return a fault of big-endian accesses: those of big-endian ISAs need not say so."""
    explicit = replace(instructions, variants=words("big"))
    return (
        KnownFault(name, PULLEY, explicit, reason),
        KnownFault(name, PULLEY_BIG, replace(instructions, variants=frozenset({""})), reason),
    )


#: The opcodes whose results Cranelift canonicalises (``nan_canonicalization.rs``).
_CANONICALIZED: Final = words("fadd fsub fmul fdiv sqrt fma fmin fmax ceil floor trunc nearest")

_WHOLE_VECTORS: Final = frozenset(t.name for t in ALL if t.is_vector and t.bits == 128)
_NARROW_VECTORS: Final = frozenset(t.name for t in ALL if t.is_vector and t.bits < 128)

FAULTS: Final[tuple[KnownFault, ...]] = (
    KnownFault(
        "atomic-rmw-umin-i8",
        ("aarch64",),
        InstructionPattern(words("atomic_rmw"), words("i8 i16"), variants=words("umin")),
        "compares with the operand's upper bits too",
        unless_flag="has_lse",
    ),
    KnownFault(
        "atomic-rmw-umax-i16",
        ("aarch64",),
        InstructionPattern(words("atomic_rmw"), words("i8 i16"), variants=words("umax")),
        "compares with the operand's upper bits too",
        unless_flag="has_lse",
    ),
    KnownFault(
        "atomic-cas-i32",
        ("aarch64",),
        InstructionPattern(words("atomic_cas"), words("i32")),
        "compares with the expected value's upper bits too",
        unless_flag="has_lse",
    ),
    KnownFault(
        "atomic-store-i128-halves",
        ("x86_64",),
        InstructionPattern(words("atomic_store"), words("i128")),
        "stores another value where both halves are the same",
    ),
    KnownFault(
        "atomic-store-i128-halves",
        ("x86_64",),
        InstructionPattern(words("atomic_rmw"), words("i128"), variants=words("xchg")),
        "stores another value where both halves are the same",
    ),
    KnownFault(
        "atomic-cas-i128-big",
        ("x86_64",),
        InstructionPattern(words("atomic_cas"), words("i128"), variants=words("big")),
        "takes the byte order for a little-endian one",
    ),
    KnownFault(
        "bitcast-big",
        (*BOTH_ISAS, "riscv64", *PULLEY),
        InstructionPattern(words("bitcast"), frozenset(), variants=words("big")),
        "takes lanes of another width for little-endian ones",
    ),
    KnownFault(
        "fcvt-to-uint-sat-i8",
        ("s390x",),
        InstructionPattern(words("fcvt_to_uint_sat"), words("i8")),
        "converts 256 to 0",
    ),
    KnownFault(
        "bmask-i128",
        PULLEY,
        InstructionPattern(words("bmask"), words("i128")),
        "makes a single register of it",
    ),
    KnownFault(
        "store-i128-offset",
        PULLEY,
        InstructionPattern(words("store"), words("i128")),
        "ignores the offset",
    ),
    *_big_endian(
        "load-i128-big",
        InstructionPattern(words("load"), words("i128")),
        "takes the halves in little-endian order",
    ),
    *_big_endian(
        "store-big-vector",
        InstructionPattern(words("load store"), _WHOLE_VECTORS),
        "turns all bytes of the vector round",
    ),
    KnownFault(
        "fpromote-f16-f64",
        ("aarch64",),
        InstructionPattern(words("fpromote"), words("f64"), words("f16")),
        "converts from single precision",
    ),
    KnownFault(
        "fdemote-f128-f32",
        ("aarch64",),
        InstructionPattern(words("fdemote"), words("f32"), words("f128")),
        "converts from double precision",
    ),
    KnownFault(
        "bxor-self-f16",
        (*SHARED_ISAS, *PULLEY),
        InstructionPattern(words("bxor"), words("f16 f128 f16x4 f16x8")),
        "the optimiser panics where both operands are the same",
        unless_setting=("opt_level", "none"),
    ),
    KnownFault(
        "nan-canonicalization-f32x2",
        ("aarch64",),
        InstructionPattern(_CANONICALIZED, words("f32x2")),
        "canonicalising NaNs panics",
        setting=("enable_nan_canonicalization", "true"),
    ),
    KnownFault(
        "nan-canonicalization-f32x2",
        ("riscv64",),
        InstructionPattern(_CANONICALIZED, words("f32x2 f16x2 f16x4 f16x8")),
        "canonicalising NaNs panics",
        setting=("enable_nan_canonicalization", "true"),
    ),
    KnownFault(
        "fmin-zero-f16",
        SHARED_ISAS,
        InstructionPattern(words("fmin fmax"), words("f16")),
        "the optimiser folds constants by an order in which a zero equals every number",
        unless_setting=("opt_level", "none"),
    ),
    KnownFault(
        "swizzle-splat-i8x16",
        ("riscv64",),
        InstructionPattern(words("swizzle"), frozenset()),
        "takes the upper bits of a splat i8 for a part of the index",
    ),
    KnownFault(
        "splat-without-vectors",
        ("riscv64",),
        InstructionPattern(words("splat"), frozenset()),
        "executes vector instructions on CPUs without them",
        unless_flag="has_v",
    ),
    KnownFault(
        "swiden-high-i8x4",
        ("aarch64",),
        InstructionPattern(words("swiden_high uwiden_high"), words("i8x4")),
        "takes lanes of the upper half of 64 bits",
    ),
    KnownFault(
        "vany-true-i8x4",
        ("x86_64",),
        InstructionPattern(words("vany_true"), _NARROW_VECTORS),
        "tests what lies above the vector in its register too",
    ),
    KnownFault(
        "sextend-extractlane-i16x2",
        ("aarch64",),
        InstructionPattern(words("extractlane"), words("i8x2 i8x4 i16x2")),
        "panics where the lane is extended",
    ),
    KnownFault(
        "fma-splat-f32x2",
        ("aarch64",),
        InstructionPattern(words("fma"), words("f32x2")),
        "panics where an operand is a splat",
    ),
    KnownFault(
        "isub-self-i8x8",
        ("aarch64",),
        InstructionPattern(words("isub iadd icmp"), words("i8x8 i16x4 i32x2")),
        "the optimiser panics where the result is a constant",
        unless_setting=("opt_level", "none"),
    ),
    KnownFault(
        "isub-self-i8x8",
        ("riscv64",),
        InstructionPattern(words("isub iadd icmp"), _NARROW_VECTORS),
        "the optimiser panics where the result is a constant",
        unless_setting=("opt_level", "none"),
    ),
)


def current() -> tuple[KnownFault, ...]:
    """Return the faults that the Cranelift under test has, each with the ISAs that have it."""
    return tuple(fault for fault in map(_where_present, FAULTS) if fault.isas)


def _where_present(fault: KnownFault) -> KnownFault:
    isas = tuple(isa for isa in fault.isas if has_fault(fault.name, isa))
    return fault if isas == fault.isas else replace(fault, isas=isas)


def applying(
    isa: str, settings: Mapping[str, str], flags: Mapping[str, str]
) -> Iterator[KnownFault]:
    """Yield the faults that apply under settings and ISA flags."""
    return (fault for fault in current() if fault.applies(isa, settings, flags))
