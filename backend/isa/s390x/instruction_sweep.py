"""Running single instructions of s390x."""

from __future__ import annotations

import re
from typing import Any, Final

import capstone
from capstone import sysz_const

from backend.engines.instruction_sweep import InstructionSweep
from backend.isa.s390x.encoding import (
    AGFI,
    LAY,
    LG,
    LGR,
    LOW,
    STG,
    VLM,
    VSTM,
    Code,
    br,
    ril,
    rre,
    rxy,
    vector_multiple,
)

_ROW: Final = 704
_ROWS: Final = 64
_FLAGS: Final = 120
_VECTORS: Final = 128
_MEMORY: Final = 640
#: Where the address of a memory operand points to, so that there are bytes on both sides.
_PLACE: Final = 656
_SP: Final = 15
_FRAME: Final = 240
_SAVED_FLOATS: Final = 24

#: They do not go on, trap for most operands, move the stack, or are relative to themselves.
_LEFT_OUT: Final = re.compile(
    r"b|bc|br|bcr|bas.*|bra.*|brct.*|j.*|b.*r|d.*gf?r|d.*l?r|svc|la?rl|l.*rl|st.*rl|c.*rl|ex.*|"
    r"cl?g?r[jt].*|cl?g?i[jt].*|clfi[jt].*|cl?f?i?t|[sl]m[gy]?|stmg|lmg|spm|ipm|cds.*|[sl]pq|lpq|stpq"
)


def _multiple(opcode: int, first: int, last: int, base: int, offset: int) -> bytes:
    """Encode ``lmg`` or ``stmg``."""
    return bytes([0xEB, first << 4 | last, base << 4 | offset >> 8, offset & 0xFF, 0, opcode])


_LMG, _STMG = 0x04, 0x24
_LLGC, _STC = 0xE390, 0xE372
_SLLG, _SRLG = 0x0D, 0x0C


def _shift_24(opcode: int, register: int) -> bytes:
    return bytes([0xEB, register << 4 | register, 0, 24, 0, opcode])


def _vectors(opcode: int) -> bytes:
    halves = (vector_multiple(opcode, n, n + 15, 1, _VECTORS + 16 * n) for n in (0, 16))
    return b"".join(halves)


def _floats(opcode: int) -> bytes:
    """Encode ``std`` or ``ld`` of those that are preserved."""
    pairs = ((n, _SAVED_FLOATS + 8 * (n - 8)) for n in range(8, 16))
    return b"".join(bytes([opcode, n << 4, _SP << 4, offset]) for n, offset in pairs)


_BEGIN: Final = (
    _multiple(_STMG, 6, _SP, _SP, 48),
    rxy(LAY, _SP, _SP, -_FRAME),
    _floats(0x60),
    rre(LGR, 3, 2),
    ril(AGFI, 3, _ROW * _ROWS),
    rxy(STG, 2, _SP, 0) + rxy(STG, 3, _SP, 8),
)
_LOAD: Final = (
    rxy(LG, 1, _SP, 0),
    rxy(_LLGC, 0, 1, _FLAGS) + _shift_24(_SLLG, 0) + b"\x04\x00",  # spm r0
    _vectors(VLM),
    _multiple(_LMG, 2, 14, 1, 16),
    rxy(LG, 0, 1, 0) + rxy(LG, 1, 1, 8),
)
_STORE: Final = (
    rxy(STG, 1, _SP, 16) + rxy(LG, 1, _SP, 0) + rxy(STG, 0, 1, 0),
    b"\xb2\x22\0\0" + _shift_24(_SRLG, 0) + rxy(_STC, 0, 1, _FLAGS),  # ipm r0
    _multiple(_STMG, 2, 14, 1, 16),
    rxy(LG, 0, _SP, 16) + rxy(STG, 0, 1, 8),
    _vectors(VSTM),
    ril(AGFI, 1, _ROW) + rxy(STG, 1, _SP, 0),
    rxy(0xE320, 1, _SP, 8),  # cg r1, 8(r15)
)
_END: Final = (_floats(0x68), _multiple(_LMG, 6, _SP, _SP, 48 + _FRAME), br(14))


def _loop(body: bytes) -> bytes:
    """Encode the loop over all rows."""
    code = Code(0)
    code.add(*_BEGIN)
    start = code.end
    code.add(*_LOAD, body, *_STORE)
    code.branch(LOW, start)
    code.add(*_END)
    return code.bytes


def _code(instruction: Any) -> bytes | None:
    if _LEFT_OUT.fullmatch(instruction.mnemonic) or "%r15" in instruction.op_str:
        return None
    if instruction.group(capstone.CS_GRP_JUMP):
        return None
    body = b""
    for operand in instruction.operands:
        if operand.type == sysz_const.SYSZ_OP_MEM:
            address = _address(instruction, operand.mem)
            if address is None:
                return None
            body += address
    return _loop(body + bytes(instruction.bytes))


def _address(instruction: Any, memory: Any) -> bytes | None:
    """Encode loading the registers of a memory operand, so that it refers to the row's memory.

    Amounts of shifts look like operands in memory: without a base they stay as they are.
    """
    if not memory.base:
        return b"" if not memory.index else None
    base, index = (_number(instruction, each) for each in (memory.base, memory.index))
    offset = _PLACE - memory.disp
    if base == index or not -(1 << 19) <= offset < 1 << 19:
        return None
    code = rxy(LG, base, _SP, 0) + rxy(LAY, base, base, offset)
    return code + bytes([0xA7, index << 4 | 9, 0, 0]) if memory.index else code  # lghi index, 0


def _number(instruction: Any, register: int) -> int:
    """Return the number of a register: the name of an integer register is nothing else."""
    return int(instruction.reg_name(register)) if register else -1


def _form(instruction: Any) -> str:
    text = re.sub(r"%([rfv])\d+", r"%\1", instruction.op_str)
    text = re.sub(r"(?<![%\w])-?(?:0x[0-9a-f]+|\d+)", "#", text)
    return f"{instruction.mnemonic} {text}".strip()


INSTRUCTION_SWEEP: Final = InstructionSweep(
    row=_ROW,
    rows=_ROWS,
    integers=15,
    vectors=(_VECTORS, 32),
    flags=_FLAGS,
    flag_bits=0x30,
    memory=(_MEMORY, _ROW - _MEMORY),
    form=_form,
    code=_code,
)
