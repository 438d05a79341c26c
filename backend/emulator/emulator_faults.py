"""Known faults of the emulator, and how to recognise code that they concern.

Looked at only after a difference was found. Each was shown against a host CPU; the tests do that
again wherever they run on one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, StrEnum
from functools import cache
from typing import Any, Final

import capstone
import numpy as np
from capstone import x86_const


class Effect(Enum):
    """What a quirk can make of a right program."""

    WRONG_RESULT = "wrong result"
    FALSE_FAULT = "false fault"
    NAN_PAYLOAD = "NaN payload"


class Quirk(StrEnum):
    """A form of instruction that the emulator gets wrong."""

    HORIZONTAL_SAME_REGISTER = "horizontal-same-register"
    ROUND_FROM_MEMORY = "round-from-memory"
    NAN_OF_TWO = "nan-of-two"
    VEX_SIMD = "vex-simd"
    BEXTR = "bextr"
    BZHI_UNMASKED = "bzhi-unmasked"
    DOT_PRODUCT = "dot-product"
    NARROW_SIGNED_ATOMIC = "narrow-signed-atomic"

    @property
    def effect(self) -> Effect:
        return _EFFECTS.get(self, Effect.WRONG_RESULT)

    @property
    def explanation(self) -> str:
        """What happens, in one sentence."""
        return _EXPLANATIONS[self]


_EFFECTS: Final = {
    Quirk.ROUND_FROM_MEMORY: Effect.FALSE_FAULT,
    Quirk.NAN_OF_TWO: Effect.NAN_PAYLOAD,
}

_EXPLANATIONS: Final = {
    Quirk.HORIZONTAL_SAME_REGISTER: (
        "phadd and phsub with one register as both operands use it half overwritten."
    ),
    Quirk.ROUND_FROM_MEMORY: (
        "roundss and roundsd read 16 bytes of memory: they fault at the end of a page."
    ),
    Quirk.NAN_OF_TWO: "The result for two NaNs carries the payload of the other one.",
    Quirk.VEX_SIMD: "128-bit VEX forms run as their two-operand relatives.",
    Quirk.BEXTR: "bextr is wrong for a field that is longer than the register.",
    Quirk.BZHI_UNMASKED: "bzhi is wrong for an index that is not below the width.",
    Quirk.DOT_PRODUCT: "dpps adds four products in another order.",
    Quirk.NARROW_SIGNED_ATOMIC: (
        "ldsmin and ldsmax of less than 64 bits compare their operands as unsigned numbers."
    ),
}

_ARCHITECTURES: Final = {
    "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
}
_HORIZONTAL: Final = frozenset(["phaddw", "phaddd", "phaddsw", "phsubw", "phsubd", "phsubsw"])
_SIGNED_ATOMIC: Final = re.compile(r"(?:ld|st)sm(?:in|ax)a?l?([bh]?)")
_NAN_OF_TWO: Final = frozenset(
    operation + form
    for operation in ("add", "sub", "mul", "div")
    for form in ("ss", "sd", "ps", "pd")
) | {"dppd"}


_PADDING: Final = re.compile(rb"\0{48,}")


def find_quirks(isa: str, code: bytes, *, nan_payloads: bool = False) -> list[Quirk]:
    """The quirks that a function's code may be subject to, each once, sorted.

    ``nan_payloads`` includes those that only matter where payloads of NaNs are compared: nearly
    all code that computes with floats has them.
    """
    disassembler = _disassembler(isa)
    instructions = [i for part in _parts(isa, code) for i in disassembler.disasm(part, 0)]
    found = {quirk for matcher in _MATCHERS[isa] for quirk in matcher(instructions)}
    if not nan_payloads:
        found = {quirk for quirk in found if quirk.effect is not Effect.NAN_PAYLOAD}
    return sorted(found)


def _parts(isa: str, code: bytes) -> list[bytes]:
    """The code without the padding between its blocks, which may be hundreds of times as long."""
    if isa == "x86_64":
        # What is left of the padding completes immediates that end in zeros.
        return [part + bytes(16) for part in _PADDING.split(code)]
    words = np.frombuffer(code[: len(code) // 4 * 4], "<u4")
    return [words[words != 0].tobytes()]


@cache
def _disassembler(isa: str) -> Any:
    disassembler = capstone.Cs(*_ARCHITECTURES[isa])
    disassembler.detail = True
    disassembler.skipdata = True  # jump tables and constants lie between the instructions
    return disassembler


def _by_one(instructions: Sequence[Any]) -> Iterator[Quirk]:
    """Those that one instruction shows."""
    for instruction in instructions:
        quirk = _of_mnemonic(instruction)
        if quirk is not None:
            yield quirk


def _of_mnemonic(instruction: Any) -> Quirk | None:
    name = instruction.mnemonic
    if name in _HORIZONTAL:
        left, right = instruction.operands
        same = right.type == x86_const.X86_OP_REG and left.reg == right.reg
        return Quirk.HORIZONTAL_SAME_REGISTER if same else None
    if name in ("roundss", "roundsd"):
        from_memory = instruction.operands[1].type == x86_const.X86_OP_MEM
        return Quirk.ROUND_FROM_MEMORY if from_memory else None
    if name in _NAN_OF_TWO:
        return Quirk.NAN_OF_TWO
    if name == "dpps":
        return Quirk.DOT_PRODUCT
    if name == "bextr":
        return Quirk.BEXTR
    # capstone's data pseudo-instructions start with a dot; verr, verw and vm* are system ones.
    if name.startswith("v") and instruction.bytes[0] in (0xC4, 0xC5, 0x62):
        return Quirk.VEX_SIMD
    return None


def _unmasked_bzhi(instructions: Sequence[Any]) -> Iterator[Quirk]:
    for number, instruction in enumerate(instructions):
        if instruction.mnemonic == "bzhi":
            target, _, index = instruction.operands
            if not _is_masked(instructions[:number], index.reg, 8 * target.size):
                yield Quirk.BZHI_UNMASKED


def _is_masked(before: Sequence[Any], register: int, width: int) -> bool:
    """Whether the last value given to ``register`` is an ``and`` with less than ``width``."""
    name = _wide(register)
    for instruction in reversed(before):
        if instruction.id == 0 or not instruction.operands:
            continue
        written = {_wide(r) for r in instruction.regs_access()[1]}
        if name not in written:
            continue
        source = instruction.operands[-1]
        if instruction.mnemonic == "and" and source.type == x86_const.X86_OP_IMM:
            return bool(0 <= source.imm < width)
        if instruction.mnemonic != "mov" or source.type != x86_const.X86_OP_REG:
            return False
        name = _wide(source.reg)
    return False


def _wide(register: int) -> str:
    """One name for the parts of a register: ``eax``, ``rax`` and ``al`` are ``a``."""
    name = str(_disassembler("x86_64").reg_name(register))
    if name.startswith("r") and name[1:2].isdigit():
        return name.rstrip("bwd")
    stem = name.removeprefix("r").removeprefix("e").removesuffix("l")
    return stem.removesuffix("x")


def _signed_atomic(instructions: Sequence[Any]) -> Iterator[Quirk]:
    for instruction in instructions:
        match = _SIGNED_ATOMIC.fullmatch(instruction.mnemonic)
        if match is not None and (match.group(1) or instruction.op_str.startswith("w")):
            yield Quirk.NARROW_SIGNED_ATOMIC


_Matcher = Callable[[Sequence[Any]], Iterator[Quirk]]
_MATCHERS: Final[dict[str, tuple[_Matcher, ...]]] = {
    "x86_64": (_by_one, _unmasked_bzhi),
    "aarch64": (_signed_atomic,),
}
