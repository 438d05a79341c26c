"""ISAs: what distinguishes one from another for those who emulate its code.

Everything here is data. Which settings an ISA is compiled with is ``backend.cranelift.Target``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


class UnemulatedFlagError(ValueError):
    """An ISA flag is on whose instructions the emulated CPU lacks or gets wrong."""

    def __init__(self, isa: str, flag: str) -> None:
        super().__init__(f"{isa}: the emulated CPU cannot run what '{flag}' allows")
        self.isa = isa
        self.flag = flag


class ConventionError(ValueError):
    """A calling convention that the executors have no description of."""

    def __init__(self, isa: str, name: str) -> None:
        super().__init__(f"{isa}: calling convention '{name}' is not described in backend.target")


@dataclass(frozen=True, slots=True)
class Convention:
    """What a callee must preserve under a calling convention.

    Attributes:
        integers: callee-saved integer registers; the frame pointer counts, the stack pointer does
            not.
        floats: vector registers of which the low 64 bits are callee-saved.
        pops_arguments: the callee frees its stack arguments, so where its stack pointer ends
            depends on the signature and is not checked.
    """

    integers: tuple[str, ...]
    floats: tuple[str, ...] = ()
    pops_arguments: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Isa:
    """One ISA as it is compiled for and emulated.

    Attributes:
        name: the harness's name, as in ``--isa`` and in the ``target`` lines of a case.
        triple: for Cranelift.
        conventions: by CLIF's name of the calling convention.
        frame_pointer, stack_pointer: names of these registers.
        pinned: the register that ``enable_pinned_reg`` takes out of the callee-saved ones.
        has: ISA flags of Cranelift whose instructions the emulated CPU executes correctly.
        lacks: those that it lacks, or worse, gets silently wrong.
    """

    name: str
    triple: str
    conventions: Mapping[str, Convention]
    frame_pointer: str
    stack_pointer: str
    pinned: str
    has: frozenset[str]
    lacks: frozenset[str] = field(default=frozenset())

    @property
    def preserved(self) -> tuple[str, ...]:
        """All callee-saved registers but the frame pointer."""
        usual = self.conventions["system_v"]
        registers = usual.integers + usual.floats
        return tuple(name for name in registers if name != self.frame_pointer)

    def convention(self, name: str) -> Convention:
        """Raises ConventionError for one that is not described."""
        try:
            return self.conventions[name]
        except KeyError:
            raise ConventionError(self.name, name) from None

    def refuse_unemulated(self, isa_settings: Mapping[str, str]) -> None:
        """Raise UnemulatedFlagError if any ISA flag is on that is not in ``has``.

        Presets count as flags: ``haswell`` switches AVX on.
        """
        for flag, value in isa_settings.items():
            if _is_on(value) and flag not in self.has:
                raise UnemulatedFlagError(self.name, flag)

    def refuse_lacking(self, settings: Mapping[str, str]) -> None:
        """The same for settings of all kinds: only flags known to be lacking are refused."""
        for flag in self.lacks & settings.keys():
            if _is_on(settings[flag]):
                raise UnemulatedFlagError(self.name, flag)


def _is_on(value: str) -> bool:
    return value in ("true", "1", "on", "yes")


_X64_SAVED: Final = ("rbx", "rbp", "r12", "r13", "r14", "r15")
_ARM_SAVED: Final = tuple(f"x{n}" for n in range(19, 30))
_ARM_SAVED_FLOATS: Final = tuple(f"d{n}" for n in range(8, 16))

# 128-bit VEX forms run as their two-operand SSE relatives: wrong results without any error.
# FMA, YMM and EVEX fail loudly.
_X64_LACKS: Final = frozenset(
    ["has_avx", "has_avx2", "has_fma", "has_avx_vnni"]
    + [f"has_avx512{part}" for part in ("bitalg", "dq", "vl", "vbmi", "f", "vnni")]
)
_X64_HAS: Final = frozenset(
    ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_cmpxchg16b", "has_popcnt"]
    + ["has_lzcnt", "has_bmi1", "has_bmi2"]
    + ["sse3", "ssse3", "sse41", "sse42", "baseline", "nehalem", "x86-64", "x86-64-v2"]
)

X86_64: Final = Isa(
    name="x86_64",
    triple="x86_64-unknown-linux-gnu",
    conventions={
        "system_v": Convention(_X64_SAVED),
        "fast": Convention(_X64_SAVED),
        "tail": Convention((), pops_arguments=True),
    },
    frame_pointer="rbp",
    stack_pointer="rsp",
    pinned="r15",
    has=_X64_HAS,
    lacks=_X64_LACKS,
)

AARCH64: Final = Isa(
    name="aarch64",
    triple="aarch64-unknown-linux-gnu",
    conventions={
        "system_v": Convention(_ARM_SAVED, _ARM_SAVED_FLOATS),
        "fast": Convention(_ARM_SAVED, _ARM_SAVED_FLOATS),
        "tail": Convention((), pops_arguments=True),
    },
    frame_pointer="x29",
    stack_pointer="sp",
    pinned="x21",
    has=frozenset(
        ["has_lse", "has_pauth", "has_fp16", "has_dotprod", "use_bti", "use_csdb"]
        + ["sign_return_address", "sign_return_address_all", "sign_return_address_with_bkey"]
    ),
    lacks=frozenset(["has_i8mm"]),
)

ISAS: Final[Mapping[str, Isa]] = {isa.name: isa for isa in (X86_64, AARCH64)}
