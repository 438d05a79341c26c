"""The same machine code on the host's CPU and in a bare emulator.

The code is called with the address of a buffer in rdi, which it reads and writes.
"""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
from unicorn.unicorn_const import UC_ARCH_X86, UC_MODE_64
from unicorn.x86_const import UC_CPU_X86_HASWELL, UC_X86_REG_RDI, UC_X86_REG_RSP

from backend.emulator.unicorn_engine import Uc

needs_host = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or platform.system() != "Linux",
    reason="compares with the host's CPU, which is no x86-64 under Linux",
)

CODE, BUFFER, STACK, EXIT = 0x10000, 0x20000, 0x30000, 0x18000
PAGE = 4096

_PROGRAM = """
import ctypes, mmap, sys
code, rows = (bytes.fromhex(text) for text in sys.argv[1:3])
size = int(sys.argv[3])
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(code)
call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
    ctypes.addressof(ctypes.c_char.from_buffer(memory))
)
buffer = ctypes.create_string_buffer(size + 64)
start = -ctypes.addressof(buffer) % 64
for at in range(0, len(rows), size):
    ctypes.memmove(ctypes.addressof(buffer) + start, rows[at : at + size], size)
    call(ctypes.addressof(buffer) + start)
    print(buffer.raw[start : start + size].hex())
"""


def on_host(code: bytes, rows: list[bytes]) -> list[bytes]:
    """The buffers after running ``code`` on each. Skips the test if the host lacks something."""
    words = [code.hex(), b"".join(rows).hex(), str(len(rows[0]))]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words], capture_output=True, text=True, check=False
    )
    if done.returncode == -4:  # SIGILL
        pytest.skip("the host's CPU lacks the instruction")
    assert done.returncode == 0, done.stderr
    return [bytes.fromhex(line) for line in done.stdout.split()]


def bare_emulator(cpu: int = UC_CPU_X86_HASWELL) -> Uc:
    """An engine with a page each of code, buffer and stack."""
    uc = Uc(UC_ARCH_X86, UC_MODE_64, cpu)
    for address in (CODE, BUFFER, STACK):
        uc.mem_map(address, PAGE)
    return uc


def in_emulator(
    code: bytes, rows: list[bytes], *, buffer: int = BUFFER, cpu: int = UC_CPU_X86_HASWELL
) -> list[bytes]:
    """The same in the emulator; ``buffer`` is its address."""
    uc = bare_emulator(cpu)
    uc.mem_write(CODE, code)
    after = []
    for row in rows:
        uc.mem_write(buffer, row)
        uc.reg_write(UC_X86_REG_RDI, buffer)
        uc.reg_write(UC_X86_REG_RSP, STACK + PAGE - 8)
        uc.mem_write(STACK + PAGE - 8, EXIT.to_bytes(8, "little"))
        uc.emu_start(CODE, EXIT)
        after.append(bytes(uc.mem_read(buffer, len(row))))
    return after
