"""Known failures of Cranelift to compile, which several faultless instructions bring about.

They cannot be left out of generation as single instructions can. A failure is recognised when it
has been found, by its message and by what the case contains; then it is counted, and no alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from backend.cranelift.compiler import CompilerPanic
from clif.function import Function
from clif.types import ALL, VECTORS_64
from fuzz.known.faults import InstructionPattern, words
from fuzz.known.status import (
    BOTH_ISAS,
    PULLEY,
    PULLEY_BIG,
    READER_CASES,
    SHARED_ISAS,
    has_fault,
    observed,
)


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure that a case of ``corpus/cranelift`` shows.

    Attributes:
        name: of the case.
        says: what the message contains; empty for the very place of the panic that the case shows
            with the Cranelift under test. Lines of Cranelift's sources differ between versions.
        instructions: the functions contain one of these; its operands are all that it has.
        isas: the ISAs for which compiling fails.
    """

    name: str
    says: str
    instructions: InstructionPattern
    isas: tuple[str, ...] = SHARED_ISAS

    def explains(self, isa: str, messages: Sequence[str], functions: Sequence[Function]) -> bool:
        """Return whether messages of a failure to compile functions for an ISA are this one's."""
        says = self.says or observed(self.name, isa)
        return (
            isa in self.isas
            and bool(says)
            and any(says in message for message in messages)
            and any(
                self.instructions.matches_inst(inst)
                for function in functions
                for inst in function.instructions()
            )
        )


_HALF_VECTORS: Final = frozenset(t.name for t in VECTORS_64)
_SMALL_VECTORS: Final = frozenset(t.name for t in ALL if t.lanes > 1 and t.bits <= 64)


FAILURES: Final[tuple[KnownFailure, ...]] = (
    *(
        KnownFailure(
            "select-icmp-i128",
            f"{name}.i128, which is not in the case",
            InstructionPattern(words("select"), words("i128")),
            ("x86_64",),
        )
        for name in ("smin", "smax", "umin", "umax")
    ),
    KnownFailure(
        "select-icmp-i128",
        "isa/aarch64/lower/isle.rs",
        InstructionPattern(words("select"), words("i128")),
        ("aarch64",),
    ),
    KnownFailure(
        "bzhi-i128-amount",
        "",
        InstructionPattern(words("ishl"), words("i32 i64"), words("i128")),
        ("x86_64",),
    ),
    KnownFailure(
        "bset-i128-amount",
        "",
        InstructionPattern(words("ishl ushr sshr"), words("i32 i64"), words("i128")),
        ("riscv64",),
    ),
    KnownFailure(
        "bxor-self-f16",
        "no rule matched for term all_zero",
        InstructionPattern(words("bxor band"), words("f16 f128 f16x2 f16x4 f16x8")),
        (*SHARED_ISAS, *PULLEY),
    ),
    *(
        KnownFailure(
            "rotl-i16",
            f"{name}.{type_}, which is not in the case",
            InstructionPattern(words("bor bxor iadd"), words("i8 i16")),
            PULLEY,
        )
        for name in ("rotl", "rotr")
        for type_ in ("i8", "i16")
    ),
    KnownFailure(
        "ineg-i128",
        "ineg.i128, which is not in the case",
        InstructionPattern(words("isub"), words("i128")),
        PULLEY,
    ),
    *(
        KnownFailure(
            "sdiv-i8",
            f"returned or trapped: sdiv.{type_}",
            InstructionPattern(words("sdiv"), words(type_)),
            PULLEY,
        )
        for type_ in ("i8", "i16")
    ),
    KnownFailure(
        "return-vectors-big",
        "",
        InstructionPattern(words("return"), frozenset()),
        PULLEY_BIG,
    ),
    KnownFailure(
        "ishl-sshr-i16x4",
        "",
        InstructionPattern(words("ishl ushr sshr"), _SMALL_VECTORS),
        (*SHARED_ISAS, *PULLEY),
    ),
    KnownFailure(
        "bmask-uextend-i128",
        "",
        InstructionPattern(words("uextend sextend"), words("i128")),
        ("riscv64",),
    ),
    *(
        KnownFailure(
            "splat-fcvt-f16x4",
            f"splat.{type_}, which is not in the case",
            InstructionPattern(words("fcvt_from_uint fcvt_from_sint"), words(type_)),
            ("riscv64",),
        )
        for type_ in ("f16x2", "f16x4", "f16x8")
    ),
    KnownFailure(
        "isub-self-i8x8",
        "no rule matched for term iconst_u",
        InstructionPattern(frozenset(), _HALF_VECTORS),
    ),
    KnownFailure(
        "icmp-self-i8x8",
        "no rule matched for term cmp_",
        InstructionPattern(words("icmp"), _HALF_VECTORS),
    ),
    KnownFailure(
        "observed-stores",
        "have already found all observed stores",
        InstructionPattern(words("store istore8 istore16 istore32"), frozenset()),
        (*SHARED_ISAS, *PULLEY),
    ),
    KnownFailure(
        "sextend-bmask-i128",
        "bmask.i128, which is not in the case",
        InstructionPattern(words("sextend"), words("i128")),
        PULLEY,
    ),
    *(
        KnownFailure(
            "umax-i64x2",
            f"{name}.i64x2, which is not in the case",
            InstructionPattern(words("bitselect"), words("i64x2")),
            PULLEY,
        )
        for name in ("smin", "smax", "umin", "umax")
    ),
    KnownFailure(
        "sextend-bmask-i128",
        "regalloc2/src/ssa.rs",
        InstructionPattern(words("sextend"), words("i128")),
        PULLEY,
    ),
    KnownFailure(
        "trapping-i128-access",
        "isa/pulley_shared/inst/emit.rs",
        InstructionPattern(words("load store"), words("i128")),
        PULLEY,
    ),
    KnownFailure(
        "notrap-widening-load",
        "no rule matched for term gen_vload",
        InstructionPattern(
            words("uload8x8 sload8x8 uload16x4 sload16x4 uload32x2 sload32x2"), frozenset()
        ),
        PULLEY,
    ),
    *(
        KnownFailure(name, says, InstructionPattern(frozenset(), frozenset()), BOTH_ISAS)
        for name, says in (
            ("label-between-instructions", "between two instructions"),
            ("label-in-cold-block", "in a cold block"),
            ("label-shared-register", "where another value has its register"),
            ("label-single-pass", "in the range of another value"),
        )
    ),
    KnownFailure(
        "label-merged-load",
        "source location of a trap, in code that has none",
        InstructionPattern(
            words("load uload8 sload8 uload16 sload16 uload32 sload32"), frozenset()
        ),
        ("x86_64",),
    ),
    KnownFailure(
        "stack-slots-beyond-2gib",
        "Stack slot region cannot be larger than 2GiB",
        InstructionPattern(words("stack_addr"), frozenset()),
        BOTH_ISAS,
    ),
    KnownFailure(
        "windows-unwind-saves",
        "Windows saved register",
        InstructionPattern(frozenset(), frozenset()),
        ("x86_64",),
    ),
    KnownFailure(
        "unwind-tail-call-saves",
        "DWARF saved register, a tail call",
        InstructionPattern(words("return_call return_call_indirect"), frozenset()),
        ("x86_64",),
    ),
    *(
        KnownFailure(
            "unwind-late-frame",
            f" in the prologue, {reason}",
            InstructionPattern(frozenset(), frozenset()),
            BOTH_ISAS,
        )
        for reason in ("inline probes", "a tail call")
    ),
    *(
        KnownFailure(
            "inline-try-call-fast",
            says,
            InstructionPattern(words("try_call try_call_indirect"), frozenset()),
            (*SHARED_ISAS, *PULLEY),
        )
        for says in ("of callee does not support exceptions", "out-of-bounds `exnN`")
    ),
    KnownFailure(
        "atomic-cas-two-loads",
        "atomic_cas is a pair of exclusive accesses that loads twice",
        InstructionPattern(words("atomic_cas"), words("i8 i16")),
        ("riscv64",),
    ),
    KnownFailure(
        "atomic-extreme-plain-load",
        "a minimum or maximum that changes nothing is an ordinary load",
        InstructionPattern(words("atomic_rmw"), frozenset(), variants=words("smin smax umin umax")),
        ("s390x",),
    ),
    KnownFailure(
        "jit-symbol-offset",
        "module riscv64 JIT, ",
        InstructionPattern(words("symbol_value"), frozenset()),
        ("riscv64",),
    ),
    KnownFailure(
        "try-call-frame-pointer",
        "unwinding: the table of frames has another frame pointer",
        InstructionPattern(words("try_call try_call_indirect"), frozenset()),
        ("riscv64",),
    ),
    KnownFailure(
        "ineg-i32x2",
        "",
        InstructionPattern(words("isub"), _HALF_VECTORS),
        ("aarch64",),
    ),
)


def known_failure(isa: str, messages: Sequence[str], functions: Sequence[Function]) -> str | None:
    """Return the name of the known failure that explains messages; None if there is none."""
    for failure in FAILURES:
        if failure.explains(isa, messages, functions) and has_fault(failure.name, isa):
            return failure.name
    return None


def is_known_reader_panic(panic: CompilerPanic) -> bool:
    """Return whether a panic of the reader or the verifier is one that a known case shows, too.

    It is if it happens in the same file, with the same message up to what the case fills in.
    """
    return any(
        observed(case.name) and _same_panic(observed(case.name), panic, case.message)
        for case in READER_CASES
    )


def _same_panic(location: str, panic: CompilerPanic, message: str) -> bool:
    place, _, _ = location.partition(":") if message else location.rpartition(":")
    return panic.location.startswith(f"{place}:") and panic.message.startswith(message)
