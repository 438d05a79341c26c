"""Running single instructions of x86-64."""

from __future__ import annotations

import re
import struct
from typing import Any, Final

import capstone
from capstone import x86_const

from backend.engines.instruction_sweep import InstructionSweep
from backend.isa.x86_64.registers import whole_register
from backend.isa.x86_64.thunk import NUMBERS

_ROW: Final = 480
_ROWS: Final = 96
_VECTORS: Final = 128
_FLAGS: Final = 384
_MEMORY: Final = 400
#: Where the address of a memory operand points to, so that there are bytes on both sides.
_PLACE: Final = 416
_RSP, _RDI = NUMBERS["rsp"], NUMBERS["rdi"]
#: All but the stack pointer; rdi, which holds the row's address, last.
_LOADED: Final = (*(n for n in range(16) if n not in (_RSP, _RDI)), _RDI)
#: CF, PF, ZF, SF, OF; AF is undefined after most instructions.
_FLAG_BITS: Final = 0x8C5

#: They move the stack, do not go on, or trap for most operands.
_LEFT_OUT: Final = re.compile(r"pushf?q?|popf?q?|ud2|i?div|leave|ret|endbr64|hlt|int3")
_GROUPS: Final = (
    capstone.CS_GRP_JUMP,
    capstone.CS_GRP_CALL,
    capstone.CS_GRP_RET,
    capstone.CS_GRP_INT,
    capstone.CS_GRP_PRIVILEGE,
)


def _at_row(opcode: bytes, register: int, offset: int, *, rex: int) -> bytes:
    """Encode an instruction on a register and the memory at ``[rdi + offset]``."""
    prefix = rex | (register >> 3) << 2
    start = bytes([prefix]) if prefix != 0x40 else b""
    return start + opcode + bytes([0x80 | (register & 7) << 3 | 7]) + struct.pack("<i", offset)


def _integer(opcode: int, register: int) -> bytes:
    return _at_row(bytes([opcode]), register, 8 * register, rex=0x48)


def _vector(opcode: int, register: int) -> bytes:
    return _at_row(bytes([0x0F, opcode]), register, _VECTORS + 16 * register, rex=0x40)


_LOAD: Final = (
    b"\x48\x8b\x3c\x24"  # mov rdi, [rsp]
    + (b"\xff\xb7" + struct.pack("<i", _FLAGS) + b"\x9d")  # push [rdi + flags]; popfq
    + b"".join(_vector(0x10, n) for n in range(16))
    + b"".join(_integer(0x8B, n) for n in _LOADED)
)
_STORE: Final = (
    b"\x48\x87\x3c\x24"  # xchg [rsp], rdi
    + b"".join(_vector(0x11, n) for n in range(16))
    + b"".join(_integer(0x89, n) for n in _LOADED[:-1])
    + (b"\x9c\x58" + _at_row(b"\x89", 0, _FLAGS, rex=0x48))  # pushfq; pop rax; mov [..], rax
    + (b"\x48\x8b\x04\x24" + _at_row(b"\x89", 0, 8 * _RDI, rex=0x48))  # mov rax, [rsp]
)
# push rbx, rbp, r12 to r15
_BEGIN: Final = bytes.fromhex("53 55 4154 4155 4156 4157")
# add rsp, 16; cld; and the same back; ret
_END: Final = bytes.fromhex("4883c410 fc 415f 415e 415d 415c 5d 5b c3")


def _loop(body: bytes) -> bytes:
    """Encode the loop over all rows."""
    start = _BEGIN + _at_row(b"\x8d", 0, _ROW * _ROWS, rex=0x48) + b"\x50\x57"  # lea; push; push
    inside = _LOAD + body + _STORE
    # lea rdi, [rdi + row]; mov [rsp], rdi; cmp rdi, [rsp + 8]; jb
    inside += _at_row(b"\x8d", _RDI, _ROW, rex=0x48) + bytes.fromhex("48893c24 483b7c2408 0f82")
    return start + inside + struct.pack("<i", -len(inside) - 4) + _END


def _code(instruction: Any) -> bytes | None:
    if _LEFT_OUT.fullmatch(instruction.mnemonic) or _is_control(instruction):
        return None
    read, written = instruction.regs_access()
    named = {instruction.reg_name(register) for register in (*read, *written)}
    if named & {"rsp", "esp", "sp", "spl", "rip"}:
        return None
    body = b""
    for operand in instruction.operands:
        if operand.type == x86_const.X86_OP_MEM:
            address = _address(instruction, operand.mem)
            if address is None:
                return None
            body += address
    return _loop(body + bytes(instruction.bytes))


def _is_control(instruction: Any) -> bool:
    return any(instruction.group(group) for group in _GROUPS)


def _address(instruction: Any, memory: Any) -> bytes | None:
    """Encode loading the registers of a memory operand, so that it refers to the row's memory."""
    base = _number(instruction, memory.base)
    index = _number(instruction, memory.index) if memory.index else None
    if base is None or (memory.index and index is None) or base == index:
        return None
    if not -(1 << 30) < memory.disp < 1 << 30:
        return None
    high, low = base >> 3, base & 7
    code = bytes([0x48 | high << 2, 0x8B, low << 3 | 4, 0x24])  # mov base, [rsp]
    code += bytes([0x48 | high << 2 | high, 0x8D, 0x80 | low << 3 | low])  # lea base, [base + ..]
    code += (b"\x24" if low == 4 else b"") + struct.pack("<i", _PLACE - memory.disp)
    if index is not None:
        code += bytes([0x48 | index >> 3, 0xC7, 0xC0 | index & 7, 0, 0, 0, 0])  # mov index, 0
    return code


def _number(instruction: Any, register: int) -> int | None:
    return NUMBERS.get(whole_register(instruction.reg_name(register) or ""))


def _form(instruction: Any) -> str:
    seen: dict[int, int] = {}
    words = []
    for operand in instruction.operands:
        if operand.type == x86_const.X86_OP_REG:
            # An instruction with one register twice is a form of its own.
            same = operand.reg in seen
            seen[operand.reg] = 1
            name = instruction.reg_name(operand.reg)
            kind = re.sub(r"\d+$", "", name) if name[1:3] == "mm" else f"r{8 * operand.size}"
            words.append(f"same {kind}" if same else kind)
        elif operand.type == x86_const.X86_OP_MEM:
            words.append(f"m{8 * operand.size}")
        else:
            words.append("imm")
    return f"{instruction.mnemonic} {', '.join(words)}".strip()


_CF, _PF, _ZF, _SF, _OF = 1, 4, 0x40, 0x80, 0x800
#: Flags that instructions leave undefined. Shifts by one bit, which define all, are not told apart.
_UNDEFINED: Final = {
    **dict.fromkeys(["bsf", "bsr"], _CF | _PF | _SF | _OF),
    **dict.fromkeys(["lzcnt", "tzcnt"], _PF | _SF | _OF),
    **dict.fromkeys(["mul", "imul"], _PF | _ZF | _SF),
    **dict.fromkeys(["shl", "shr", "sar", "rol", "ror", "shld", "shrd"], _OF),
    "bextr": _PF | _SF,
    "andn": _PF,
    "blsi": _PF,
    "blsr": _PF,
    "blsmsk": _PF,
    "bzhi": _PF,
}


def _undefined_flags(instruction: Any) -> int:
    flags = _UNDEFINED.get(instruction.mnemonic, 0)
    if instruction.mnemonic in ("shl", "shr") and instruction.operands[0].size < 4:
        flags |= _CF  # where the count is not below the width
    return flags


INSTRUCTION_SWEEP: Final = InstructionSweep(
    row=_ROW,
    rows=_ROWS,
    integers=16,
    vectors=(_VECTORS, 16),
    flags=_FLAGS,
    flag_bits=_FLAG_BITS,
    memory=(_MEMORY, _ROW - _MEMORY),
    form=_form,
    code=_code,
    undefined_flags=_undefined_flags,
)
