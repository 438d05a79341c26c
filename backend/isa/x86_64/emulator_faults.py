"""Known faults of the emulator with instructions of x86-64."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from capstone import x86_const

from backend.emulator.emulator_faults import Effect, EmulatorFault, Matcher
from backend.engines.names import BOCHS, QEMU_USER
from backend.isa.x86_64.registers import whole_register

HORIZONTAL_SAME_REGISTER: Final = EmulatorFault(
    "horizontal-same-register",
    "phadd and phsub with one register as both operands use it half overwritten.",
)
ROUND_FROM_MEMORY: Final = EmulatorFault(
    "round-from-memory",
    "roundss and roundsd read 16 bytes of memory: they fault at the end of a page.",
    Effect.SPURIOUS_FAULT,
)
NAN_OF_TWO: Final = EmulatorFault(
    "nan-of-two",
    "The result for two NaNs carries the payload of the other one.",
    Effect.NAN_PAYLOAD,
)
NAN_OF_TWO_IN_QEMU: Final = replace(NAN_OF_TWO, engine=QEMU_USER)
SCAN_OF_ZERO: Final = EmulatorFault(
    "scan-of-zero",
    "A bsf or bsr of 32 bits clears the upper half of its target if there is no bit to find.",
    Effect.UNREAD_BITS,
)
SCAN_OF_ZERO_IN_QEMU: Final = replace(SCAN_OF_ZERO, engine=QEMU_USER)
VEX_SIMD: Final = EmulatorFault("vex-simd", "128-bit VEX forms run as their two-operand relatives.")
BEXTR: Final = EmulatorFault(
    "bextr", "bextr is wrong for a field that is longer than the register."
)
BZHI_UNMASKED: Final = EmulatorFault(
    "bzhi-unmasked", "bzhi is wrong for an index that is not below the width."
)
FMA_FROM_MEMORY: Final = EmulatorFault(
    "fma-from-memory",
    "Scalar vfmadd, vfmsub, vfnmadd and vfnmsub read 16 bytes of memory.",
    Effect.SPURIOUS_FAULT,
    QEMU_USER,
)
CONVERT_FROM_MEMORY: Final = EmulatorFault(
    "convert-from-memory",
    "cvtdq2pd and vcvtdq2pd read 16 bytes of memory.",
    Effect.SPURIOUS_FAULT,
    QEMU_USER,
)
EXCHANGE_UPPER_HALF: Final = EmulatorFault(
    "exchange-upper-half",
    "A cmpxchg of 32 bits that exchanges clears the upper half of rax.",
    Effect.UNREAD_BITS,
)
SHIFT_BY_64: Final = EmulatorFault(
    "shift-by-64",
    "psrlq and vpsrlq by a register that holds 64 leave the value as it is.",
    engine=BOCHS,
)
DOT_PRODUCT: Final = EmulatorFault("dot-product", "dpps adds four products in another order.")

_HORIZONTAL: Final = frozenset(["phaddw", "phaddd", "phaddsw", "phsubw", "phsubd", "phsubsw"])
_NAN_OF_TWO: Final = frozenset(
    operation + form
    for operation in ("add", "sub", "mul", "div")
    for form in ("ss", "sd", "ps", "pd")
) | {"dppd"}


def _of_single_instructions(instructions: Sequence[Any]) -> Iterator[EmulatorFault]:
    """Yield the faults that one instruction alone shows."""
    for instruction in instructions:
        for fault in (_of_mnemonic(instruction), _of_qemu(instruction), _of_bochs(instruction)):
            if fault is not None:
                yield fault


def _of_mnemonic(instruction: Any) -> EmulatorFault | None:
    name = instruction.mnemonic
    if name in _HORIZONTAL:
        left, right = instruction.operands
        same = right.type == x86_const.X86_OP_REG and left.reg == right.reg
        return HORIZONTAL_SAME_REGISTER if same else None
    if name in ("roundss", "roundsd"):
        from_memory = instruction.operands[1].type == x86_const.X86_OP_MEM
        return ROUND_FROM_MEMORY if from_memory else None
    if name in _NAN_OF_TWO:
        return NAN_OF_TWO
    if name in ("bsf", "bsr") and instruction.operands[0].size == 4:
        return SCAN_OF_ZERO
    if name.endswith("cmpxchg") and instruction.operands[0].size == 4:
        return EXCHANGE_UPPER_HALF
    if name == "dpps":
        return DOT_PRODUCT
    if name == "bextr":
        return BEXTR
    # verr, verw and vm* are system instructions.
    if name.startswith("v") and instruction.bytes[0] in (0xC4, 0xC5, 0x62):
        return VEX_SIMD
    return None


_SCALAR_FMA: Final = re.compile(r"vfn?m(?:add|sub)(?:132|213|231)s[sd]")


def _of_qemu(instruction: Any) -> EmulatorFault | None:
    name, operands = instruction.mnemonic, instruction.operands
    if name.removeprefix("v") in _NAN_OF_TWO:
        return NAN_OF_TWO_IN_QEMU
    if name in ("bsf", "bsr") and operands[0].size == 4:
        return SCAN_OF_ZERO_IN_QEMU
    if not operands or operands[-1].type != x86_const.X86_OP_MEM:
        return None
    if name in ("cvtdq2pd", "vcvtdq2pd"):
        return CONVERT_FROM_MEMORY
    return FMA_FROM_MEMORY if _SCALAR_FMA.fullmatch(name) else None


def _of_bochs(instruction: Any) -> EmulatorFault | None:
    if instruction.mnemonic not in ("psrlq", "vpsrlq"):
        return None
    is_immediate = instruction.operands[-1].type == x86_const.X86_OP_IMM
    return None if is_immediate else SHIFT_BY_64


def _unmasked_bzhi(instructions: Sequence[Any]) -> Iterator[EmulatorFault]:
    for number, instruction in enumerate(instructions):
        if instruction.mnemonic == "bzhi":
            target, _, index = instruction.operands
            name = whole_register(instruction.reg_name(index.reg))
            if not _is_masked(instructions[:number], name, 8 * target.size):
                yield BZHI_UNMASKED


def _is_masked(before: Sequence[Any], name: str, width: int) -> bool:
    """Return whether the last value given to a register is an ``and`` with less than ``width``."""
    for instruction in reversed(before):
        if instruction.id == 0 or not instruction.operands:
            continue
        written = {whole_register(instruction.reg_name(r)) for r in instruction.regs_access()[1]}
        if name not in written:
            continue
        source = instruction.operands[-1]
        if instruction.mnemonic == "and" and source.type == x86_const.X86_OP_IMM:
            return bool(0 <= source.imm < width)
        if instruction.mnemonic != "mov" or source.type != x86_const.X86_OP_REG:
            return False
        name = whole_register(instruction.reg_name(source.reg))
    return False


EMULATOR_FAULTS: Final[tuple[Matcher, ...]] = (_of_single_instructions, _unmasked_bzhi)
