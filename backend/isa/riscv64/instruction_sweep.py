"""Running single instructions of RISC-V."""

from __future__ import annotations

import re
from typing import Any, Final

from backend.engines.instruction_sweep import InstructionSweep
from backend.isa.riscv64 import encoding
from backend.isa.riscv64.encoding import RA, SP, ZERO, addi, fld, fsd, ld, sd
from backend.isa.riscv64.registers import whole_register

_ROWS: Final = 64
_FLAGS: Final = 256
_FLOATS: Final = 272
_MEMORY: Final = 784
_ROW: Final = 848
#: Where the address of a memory operand points to, so that there are bytes on both sides.
_PLACE: Final = 800
#: The register that holds the row's address while the others are loaded and stored.
_BASE: Final = 31
_FRAME: Final = 256
_ACCRUED: Final = 0x1F  # the exceptions of floats that occurred
_WRITE_STATE: Final = 0x0030_9073  # csrw fcsr, ra
_READ_STATE: Final = 0x0030_20F3  # csrr ra, fcsr

#: They do not go on, depend on the address, or on the reservation of another one.
_LEFT_OUT: Final = re.compile(
    r"(?:c\.)?(?:j|jal|jr|jalr|ret|beqz?|bnez?|bl[te]u?z?|bg[te]u?z?|ecall|ebreak|unimp|nop)|auipc|"
    r"lr\..*|sc\..*|fence.*|csr.*|fr.*|fs(?:csr|rm|flags)i?|rd.*|wfi|[msu]ret|sfence.*"
)
_ADDRESS: Final = re.compile(r"(-?(?:0x)?[0-9a-f]*)\((\w+)\)")
#: They take floats of 32 bits, which must be loaded as such.
_SINGLE: Final = re.compile(r"f.*\.(?:s|w)(?:\..*)?")

_NUMBERS: Final = tuple(n for n in range(1, 31) if n != SP)
_LOAD_INTEGERS: Final = (*(ld(n, _BASE, 8 * n) for n in _NUMBERS), ld(_BASE, _BASE, 8 * _BASE))
_STORE: Final = (
    *(sd(_BASE, SP, 8), ld(_BASE, SP, 0)),
    *(sd(n, _BASE, 8 * n) for n in _NUMBERS),
    *(fsd(n, _BASE, _FLOATS + 16 * n) for n in range(32)),
    *(_READ_STATE, sd(RA, _BASE, _FLAGS), ld(RA, SP, 8), sd(RA, _BASE, 8 * _BASE)),
)
_SAVED: Final = (1, 8, 9, *range(18, 28))
_SAVED_FLOATS: Final = (8, *range(18, 28))
_KEPT: Final = tuple((n, 24 + 8 * place) for place, n in enumerate(_SAVED))
_KEPT_FLOATS: Final = tuple((n, 136 + 8 * place) for place, n in enumerate(_SAVED_FLOATS))
_BEGIN: Final = (
    addi(SP, SP, -_FRAME),
    *(sd(n, SP, offset) for n, offset in _KEPT),
    *(fsd(n, SP, offset) for n, offset in _KEPT_FLOATS),
    *encoding.load_immediate(5, _ROW * _ROWS),
    *(0x0055_02B3, sd(10, SP, 0), sd(5, SP, 16)),  # add t0, a0, t0
)
_END: Final = (
    *(ld(n, SP, offset) for n, offset in _KEPT),
    *(fld(n, SP, offset) for n, offset in _KEPT_FLOATS),
    *(0x0030_1073, addi(SP, SP, _FRAME), encoding.RETURN),  # csrw fcsr, zero
)


def _load(*, singles: bool) -> list[int]:
    load_float = _flw if singles else fld
    return [
        *(ld(_BASE, SP, 0), ld(RA, _BASE, _FLAGS), _WRITE_STATE),
        *(load_float(n, _BASE, _FLOATS + 16 * n) for n in range(32)),
        *_LOAD_INTEGERS,
    ]


def _flw(target: int, base: int, offset: int) -> int:
    """Encode the load of 32 bits, which puts ones above them."""
    return encoding.i_type(0x2007, target, base, offset)


def _loop(body: bytes, *, singles: bool) -> bytes:
    """Encode the loop over all rows."""
    load, store = encoding.pack(_load(singles=singles)), encoding.pack(_STORE)
    # ld t0, 0(sp); addi t0, t0, row; sd t0, 0(sp); ld t1, 16(sp)
    step = encoding.pack([ld(5, SP, 0), addi(5, 5, _ROW), sd(5, SP, 0), ld(6, SP, 16)])
    if len(body) % 4:
        body += b"\x01\x00"  # c.nop
    inside = load + body + store + step
    back = encoding.pack([encoding.branch_if_below(5, 6, -len(inside))])
    return encoding.pack(_BEGIN) + inside + back + encoding.pack(_END)


def _code(instruction: Any) -> bytes | None:
    if _LEFT_OUT.fullmatch(instruction.mnemonic) or re.search(r"\bsp\b", instruction.op_str):
        return None
    body: list[int] = []
    address = _ADDRESS.search(instruction.op_str)
    if address is not None:
        base = _number(address[2])
        offset = _PLACE - (int(address[1], 0) if address[1] else 0)
        if base is None or not -2048 <= offset < 2048:
            return None
        body += [ld(base, SP, 0), addi(base, base, offset)]
    singles = bool(_SINGLE.fullmatch(instruction.mnemonic))
    return _loop(encoding.pack(body) + bytes(instruction.bytes), singles=singles)


def _number(name: str) -> int | None:
    """Return the number of an integer register that may hold an address."""
    whole = whole_register(name)
    return int(whole[1:]) if whole.startswith("x") and int(whole[1:]) != ZERO else None


def _form(instruction: Any) -> str:
    text = re.sub(r"-?\b(?:0x[0-9a-f]+|\d+)\b", "#", instruction.op_str)
    text = re.sub(r"\bf(?:t|s|a)\d+\b", "f", text)
    text = re.sub(r"\b(?:[tsa]\d+|ra|gp|tp)\b", "x", text)
    return f"{instruction.mnemonic} {text}".strip()


INSTRUCTION_SWEEP: Final = InstructionSweep(
    row=_ROW,
    rows=_ROWS,
    integers=32,
    vectors=(_FLOATS, 32),
    flags=_FLAGS,
    flag_bits=_ACCRUED,
    memory=(_MEMORY, _ROW - _MEMORY),
    form=_form,
    code=_code,
)
