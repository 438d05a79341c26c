"""The kernel with which x86-64 code runs on a bare CPU.

The code under test runs in ring 3, the kernel in ring 0. There are no system calls, no input and
output, and of interrupts only the breakpoint is allowed to code.
"""

from __future__ import annotations

import struct
from typing import Final

from backend.engines import long_mode
from backend.engines.bochs_library import BochsLibrary
from backend.engines.long_mode import Frame, LongMode
from backend.engines.user_process import Breakpoint
from backend.isa.x86_64.thunk import NUMBERS, absolute

_INTEGERS: Final = tuple(name for name in NUMBERS if name != "rsp")
_VECTORS: Final = tuple(f"xmm{n}" for n in range(32))
_MASKS: Final = 8
_EXCEPTIONS: Final = 32
_HANDLER_SIZE: Final = 16
_HANDLERS: Final = 2048
_MXCSR: Final = 0x1F80
_BREAKPOINT, _PAGE_FAULT = 3, 14
#: Exceptions that say an error code.
_NAMES: Final = {
    0: "division error",
    1: "debug exception",
    _BREAKPOINT: "breakpoint",
    5: "bound range",
    6: "invalid opcode",
    7: "device not available",
    8: "double fault",
    12: "stack fault",
    13: "general protection fault",
    _PAGE_FAULT: "page fault",
    16: "floating-point exception",
    17: "alignment check",
    19: "SIMD floating-point exception",
}

_CODE_0, _DATA_0, _CODE_3, _DATA_3, _TASK = 0x08, 0x10, 0x18 | 3, 0x20 | 3, 0x28
_RFLAGS: Final = 0x202
_GATE_TABLE: Final = 256  # offset in the tables
_TASK_STATE: Final = _GATE_TABLE + 16 * _EXCEPTIONS
_TASK_SIZE: Final = 104
_STACK_END: Final = long_mode.STACK + long_mode.SIZE
_FRAME: Final = 40

_CR0: Final = 0x8001_0033  # PG, WP, NE, ET, MP, PE
_CR4: Final = 0x4_0620  # OSXSAVE, OSXMMEXCPT, OSFXSR, PAE
_EFER: Final = 0xD00  # NXE, LMA, LME; no SCE, so that there are no system calls
_XCR0: Final = 0xE7
_ES, _CS, _SS, _DS, _FS, _GS = range(6)
_LIMIT: Final = 0xFFFF_FFFF


def _vector_load(number: int, address: int) -> bytes:
    """Encode ``vmovdqu64 zmm, [address]``."""
    first = 0x61 | (~number >> 3 & 1) << 7 | (~number >> 4 & 1) << 4
    modrm = bytes([(number & 7) << 3 | 4, 0x25])
    return bytes([0x62, first, 0xFE, 0x48, 0x6F]) + modrm + struct.pack("<I", address)


def _enter() -> bytes:
    state = long_mode.STATE
    code = absolute(b"\x0f\xae", 2, state + long_mode.FLOAT_CONTROL, wide=False)  # ldmxcsr
    code += b"\xdb\xe3"  # fninit
    for number in range(_MASKS):
        place = state + long_mode.MASKS + 8 * number
        code += b"\xc5\xf8" + absolute(b"\x90", number, place, wide=False)  # kmovw
    for number in range(len(_VECTORS)):
        code += _vector_load(number, state + long_mode.VECTORS + long_mode.VECTOR_SIZE * number)
    for number, register in enumerate(_INTEGERS):
        code += absolute(b"\x8b", NUMBERS[register], state + long_mode.INTEGERS + 8 * number)
    return code


def _code() -> tuple[bytes, int]:
    """Return the kernel, and the offset of the instruction by which code goes on."""
    enter = _enter()
    code = (enter + b"\x48\xcf").ljust(_HANDLERS, b"\xf4")  # iretq
    stop = b"\x88\x04\x25" + struct.pack("<I", long_mode.STOP)  # mov [STOP], al
    return code + stop.ljust(_HANDLER_SIZE, b"\xf4") * _EXCEPTIONS, len(enter)


def _gate(number: int) -> bytes:
    target = long_mode.CODE + _HANDLERS + _HANDLER_SIZE * number
    kind = 0xEE if number == _BREAKPOINT else 0x8E
    low, middle, high = target & 0xFFFF, target >> 16 & 0xFFFF, target >> 32
    return struct.pack("<HHBBHII", low, _CODE_0, 0, kind, middle, high, 0)


def _tables() -> bytes:
    """Return the descriptors of segments, the gates of exceptions, and the task's state."""
    task = long_mode.TABLES + _TASK_STATE
    segments = struct.pack(
        "<7Q",
        *(0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF),
        *(0x00AF_FB00_0000_FFFF, 0x00CF_F300_0000_FFFF),
        (task & 0xFF_FFFF) << 16 | (task >> 24 & 0xFF) << 56 | 0x8B << 40 | _TASK_SIZE - 1,
        task >> 32,
    )
    gates = b"".join(_gate(number) for number in range(_EXCEPTIONS))
    # No port may be used: the map of permissions begins behind the end.
    state = struct.pack("<IQ", 0, _STACK_END).ljust(102, b"\0") + struct.pack("<H", _TASK_SIZE)
    return segments.ljust(_GATE_TABLE, b"\0") + gates + state


def _reset(library: BochsLibrary, tables: int) -> None:
    call = library.call
    call("cpu_set_cr0", _CR0)
    call("cpu_set_cr3", tables)
    call("cpu_set_cr4", _CR4)
    call("cpu_set_efer", _EFER)
    call("cpu_set_xcr0", _XCR0)
    call("cpu_set_gdtr", long_mode.TABLES, 7 * 8 - 1)
    call("cpu_set_idtr", long_mode.TABLES + _GATE_TABLE, 16 * _EXCEPTIONS - 1)
    call("cpu_set_tr", 1, _TASK, long_mode.TABLES + _TASK_STATE, _TASK_SIZE - 1, 0x8B)
    call("cpu_set_seg", _CS, 1, _CODE_0, 0, _LIMIT, 0xA09B)
    for segment in (_SS, _ES, _DS, _FS, _GS):
        call("cpu_set_seg", segment, 1, _DATA_0, 0, _LIMIT, 0xC093)
    call("cpu_set_eflags", 2)
    call("cpu_set_mode")


def _frame_words(program_counter: int, stack_pointer: int) -> tuple[int, ...]:
    return program_counter, _CODE_3, _RFLAGS, stack_pointer, _DATA_3


_KERNEL, _RESUME = _code()

LONG_MODE: Final = LongMode(
    code=_KERNEL,
    enter=0,
    resume=_RESUME,
    handlers=range(_HANDLERS, _HANDLERS + _HANDLER_SIZE * _EXCEPTIONS, _HANDLER_SIZE),
    tables=_tables(),
    frame=Frame(
        start=long_mode.SIZE - _FRAME,
        program_counter=long_mode.SIZE - 40,
        stack_pointer=long_mode.SIZE - 16,
        error=long_mode.SIZE - 48,
    ),
    frame_words=_frame_words,
    reset=_reset,
    integers=_INTEGERS,
    vectors=_VECTORS,
    masks=_MASKS,
    numbers=NUMBERS,
    program_counter="rip",
    float_control=_MXCSR,
    exceptions=_NAMES,
    breakpoint=_BREAKPOINT,
    page_fault=_PAGE_FAULT,
    stop=Breakpoint(b"\xcc", behind=1),
)
