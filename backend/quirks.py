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
}

_HORIZONTAL: Final = frozenset(["phaddw", "phaddd", "phaddsw", "phsubw", "phsubd", "phsubsw"])
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
    if isa != "x86_64":
        return []
    # Padding between blocks may be hundreds of times as long as the code. What is left of it
    # completes immediates that end in zeros.
    parts = [part + bytes(16) for part in _PADDING.split(code)]
    instructions = [i for part in parts for i in _disassembler().disasm(part, 0)]
    found = {quirk for matcher in _MATCHERS for quirk in matcher(instructions)}
    if not nan_payloads:
        found = {quirk for quirk in found if quirk.effect is not Effect.NAN_PAYLOAD}
    return sorted(found)


@cache
def _disassembler() -> Any:
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
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
    name = str(_disassembler().reg_name(register))
    if name.startswith("r") and name[1:2].isdigit():
        return name.rstrip("bwd")
    stem = name.removeprefix("r").removeprefix("e").removesuffix("l")
    return stem.removesuffix("x")


_MATCHERS: Final[tuple[Callable[[Sequence[Any]], Iterator[Quirk]], ...]] = (
    _by_one,
    _unmasked_bzhi,
)
