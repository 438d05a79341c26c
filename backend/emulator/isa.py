"""ISAs: what distinguishes one from another for those who emulate its code.

Everything here is data. Which settings an ISA is compiled with is
``backend.cranelift.compiler.Target``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
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
        super().__init__(
            f"{isa}: calling convention '{name}' is not described in backend.emulator.isa"
        )


@dataclass(frozen=True, slots=True)
class Convention:
    """What a callee must preserve under a calling convention.

    Attributes:
        integers: callee-saved integer registers. The frame pointer always is one; neither it nor
            the stack pointer is named.
        floats: vector registers of which the low 64 bits are callee-saved (``d8``).
        vectors: those that are callee-saved in full (``q8``, ``xmm6``).
        arguments: those of the above that carry arguments, and must keep them.
        pops_arguments: the callee frees its stack arguments, so where its stack pointer ends
            depends on the signature: the driver compares its own instead.
        no_scratch: registers that the thunk works with carry results, or are to be preserved.
    """

    integers: tuple[str, ...] = ()
    floats: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    arguments: frozenset[str] = frozenset()
    pops_arguments: bool = False
    no_scratch: bool = False

    @property
    def preserved(self) -> tuple[str, ...]:
        """All that must be preserved."""
        return self.integers + self.floats + self.vectors


@dataclass(frozen=True, eq=False)
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
        """The registers that hold a pattern from the start: what ``system_v`` preserves."""
        return self.conventions["system_v"].preserved

    @cached_property
    def slots(self) -> Mapping[str, int]:
        """Each register that some convention preserves, and its word in a table of all of them.

        Whole vector registers have two words, the first of them even.
        """
        every = [c.preserved for c in self.conventions.values()]
        names = dict.fromkeys((*self.preserved, *(name for each in every for name in each)))
        vectors = {name for c in self.conventions.values() for name in c.vectors}
        words = [name for name in names if name not in vectors]
        first = -(-len(words) // 2) * 2
        table = {name: number for number, name in enumerate(words)}
        pairs = [name for name in names if name in vectors]
        return table | {name: first + 2 * number for number, name in enumerate(pairs)}

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


_X64_SAVED: Final = ("rbx", "r12", "r13", "r14", "r15")
_X64_ARGUMENTS: Final = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
_X64_VECTORS: Final = tuple(f"xmm{n}" for n in range(16))
_ARM_SAVED: Final = tuple(f"x{n}" for n in range(19, 29))
_ARM_SAVED_FLOATS: Final = tuple(f"d{n}" for n in range(8, 16))
_ARM_VECTORS: Final = tuple(f"q{n}" for n in range(32))
# x16 and x17 belong to whoever stands between caller and callee, x18 to the platform.
_ARM_VOLATILE: Final = tuple(f"x{n}" for n in range(16))
_ARM_ARGUMENTS: Final = (*_ARM_VOLATILE[:9], *_ARM_VECTORS[:8])

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
        "tail": Convention(_X64_SAVED, pops_arguments=True, no_scratch=True),  # results in r10
        "windows_fastcall": Convention(("rdi", "rsi", *_X64_SAVED), vectors=_X64_VECTORS[6:]),
        "winch": Convention(),
        "preserve_all": Convention(
            ("rax", *_X64_ARGUMENTS, "r10", "r11", *_X64_SAVED),
            vectors=_X64_VECTORS,
            arguments=frozenset((*_X64_ARGUMENTS, *_X64_VECTORS[:8])),
            no_scratch=True,
        ),
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
        "tail": Convention(_ARM_SAVED, _ARM_SAVED_FLOATS, pops_arguments=True),
        "windows_fastcall": Convention(_ARM_SAVED, _ARM_SAVED_FLOATS),
        "apple_aarch64": Convention(_ARM_SAVED, _ARM_SAVED_FLOATS),
        "winch": Convention(("x28",)),  # where Winch keeps its own stack pointer
        "preserve_all": Convention(
            (*_ARM_VOLATILE, *_ARM_SAVED),
            vectors=_ARM_VECTORS,
            arguments=frozenset(_ARM_ARGUMENTS),
            no_scratch=True,
        ),
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
