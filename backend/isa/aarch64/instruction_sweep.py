"""Running single instructions of AArch64."""

from __future__ import annotations

import re
import struct
from typing import Any, Final

import capstone
from capstone import arm64_const

from backend.engines.instruction_sweep import InstructionSweep

_ROW: Final = 832
_ROWS: Final = 64
_FLAGS: Final = 248
_VECTORS: Final = 256
_MEMORY: Final = 768
#: Where the address of a memory operand points to, so that there are bytes on both sides.
_PLACE: Final = 784
_SP: Final = 31
_FRAME: Final = 208

#: They do not go on, depend on keys or on the address, or on the reservation of another one.
_LEFT_OUT: Final = re.compile(
    r"b|bl|blr|br|ret.*|b\..*|cbn?z|tbn?z|adrp?|udf|brk|hlt|svc|bti|pac.*|aut.*|xpac.*|"
    r"(?:ld|st)a?l?xr.*|(?:ld|st)a?xr.*|ldaxr.*|stlxr.*|mrs|msr"
)


def _memory(opcode: int, register: int, base: int, words: int) -> int:
    """Encode a load or store; the offset is in units of its size."""
    return opcode | words << 10 | base << 5 | register


def _ldr(register: int, base: int, offset: int) -> int:
    return _memory(0xF9400000, register, base, offset // 8)


def _str(register: int, base: int, offset: int) -> int:
    return _memory(0xF9000000, register, base, offset // 8)


def _vectors(opcode: int) -> list[int]:
    return [_memory(opcode, n, 0, _VECTORS // 16 + n) for n in range(32)]


_LOAD: Final = (
    *(_ldr(0, _SP, 0), _ldr(1, 0, _FLAGS), 0xD51B4201),  # msr nzcv, x1
    *_vectors(0x3DC00000),
    *(_ldr(n, 0, 8 * n) for n in range(1, 31)),
    _ldr(0, 0, 0),
)
_STORE: Final = (
    *(_str(0, _SP, 8), _ldr(0, _SP, 0)),
    *(_str(n, 0, 8 * n) for n in range(1, 31)),
    *_vectors(0x3D800000),
    *(0xD53B4201, _str(1, 0, _FLAGS), _ldr(1, _SP, 8), _str(1, 0, 0)),  # mrs x1, nzcv
)
_KEPT: Final = tuple((n, 24 + 8 * (n - 19)) for n in range(19, 31))
_KEPT_FLOATS: Final = tuple((n, 128 + 8 * (n - 8)) for n in range(8, 16))
_BEGIN: Final = (
    0xD10003FF | _FRAME << 10,  # sub sp, sp, frame
    *(_str(n, _SP, offset) for n, offset in _KEPT),
    *(_memory(0xFD000000, n, _SP, offset // 8) for n, offset in _KEPT_FLOATS),
    0x91400001 | (_ROW * _ROWS >> 12) << 10,  # add x1, x0, rows
    *(_str(0, _SP, 0), _str(1, _SP, 16)),
)
_END: Final = (
    *(_ldr(n, _SP, offset) for n, offset in _KEPT),
    *(_memory(0xFD400000, n, _SP, offset // 8) for n, offset in _KEPT_FLOATS),
    0x910003FF | _FRAME << 10,  # add sp, sp, frame
    0xD65F03C0,  # ret
)
assert _ROW * _ROWS % 4096 == 0


def _loop(body: list[int]) -> bytes:
    """Encode the loop over all rows."""
    inside = [*_LOAD, *body, *_STORE, 0x91000000 | _ROW << 10, _str(0, _SP, 0)]  # add x0, x0, row
    inside += [_ldr(1, _SP, 16), 0xEB01001F]  # cmp x0, x1
    inside += [0x54000003 | (-len(inside) & 0x7FFFF) << 5]  # b.lo
    words = [*_BEGIN, *inside, *_END]
    return struct.pack(f"<{len(words)}I", *words)


def _code(instruction: Any) -> bytes | None:
    if _LEFT_OUT.fullmatch(instruction.mnemonic) or re.search(r"\bw?sp\b", instruction.op_str):
        return None
    if any(instruction.group(g) for g in (capstone.CS_GRP_JUMP, capstone.CS_GRP_CALL)):
        return None
    body: list[int] = []
    for operand in instruction.operands:
        if operand.type == arm64_const.ARM64_OP_MEM:
            address = _address(instruction, operand.mem)
            if address is None:
                return None
            body += address
    if not body and instruction.mnemonic.startswith(("ldr", "prfm")):
        return None  # relative to the program counter
    (word,) = struct.unpack("<I", bytes(instruction.bytes))
    return _loop([*body, word])


def _address(instruction: Any, memory: Any) -> list[int] | None:
    """Encode loading the registers of a memory operand, so that it refers to the row's memory."""
    base = _number(instruction, memory.base)
    index = _number(instruction, memory.index) if memory.index else None
    offset = _PLACE - memory.disp
    if base is None or (memory.index and index is None) or base == index:
        return None
    if not 0 <= offset < 4096:
        return None
    code = [_ldr(base, _SP, 0), 0x91000000 | offset << 10 | base << 5 | base]  # add base, base, ..
    return [*code, 0xD2800000 | index] if index is not None else code  # movz index, 0


def _number(instruction: Any, register: int) -> int | None:
    match = re.fullmatch(r"[xw](\d+)", instruction.reg_name(register) or "")
    aliases = {"fp": 29, "lr": 30}
    return int(match[1]) if match else aliases.get(instruction.reg_name(register) or "")


def _form(instruction: Any) -> str:
    text = re.sub(r"#-?(?:0x[0-9a-f]+|[\d.]+(?:e[+-]?\d+)?)", "#", instruction.op_str)
    text = re.sub(r"\b([xwvqdshb])\d+", r"\1", text).replace("fp", "x").replace("lr", "x")
    text = re.sub(r"\[\d+\]", "[#]", text)  # numbers of lanes
    return f"{instruction.mnemonic} {text}".strip()


INSTRUCTION_SWEEP: Final = InstructionSweep(
    row=_ROW,
    rows=_ROWS,
    integers=31,
    vectors=(_VECTORS, 32),
    flags=_FLAGS,
    flag_bits=0xF000_0000,
    memory=(_MEMORY, _ROW - _MEMORY),
    form=_form,
    code=_code,
)
