"""Library calls of x86-64: what takes SSE4.1, SSSE3 or FMA; copies; thread-local data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator import control_block
from backend.emulator.libcalls import Stub
from backend.isa.x86_64.thunk import memory, poison

_VOLATILE: Final = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
#: All that a callee may destroy but the result, xmm0, is garbage.
_RETURN: Final = poison(_VOLATILE, range(1, 16)) + b"\xc3"

# The rounding modes; bit 3 stands for no precision exception.
_NEAREST, _FLOOR, _CEIL, _TRUNC = range(8, 12)

# movups [mailbox + 16 n], xmm<n>; then the hooked nop; then the result.
_STORE_OPERANDS: Final = b"".join(
    memory(b"\x0f\x11", xmm, control_block.MAILBOX + 2 * xmm, wide=False) for xmm in range(3)
)
_LOAD_RESULT: Final = memory(b"\x0f\x10", 0, control_block.MAILBOX, wide=False)


def _round(opcode: int, mode: int) -> Stub:
    """Encode ``roundss`` or ``roundsd xmm0, xmm0, mode``.

    Only with memory operands does the emulator execute them wrongly.
    """
    return Stub(bytes([0x66, 0x0F, 0x3A, opcode, 0xC0, mode]) + _RETURN)


def _on_host(host: str) -> Stub:
    code = _STORE_OPERANDS + b"\x90" + _LOAD_RESULT + _RETURN
    return Stub(code, hooked=len(_STORE_OPERANDS), host=host)


_ROUNDSS, _ROUNDSD = 0x0A, 0x0B

LIBRARY_CALLS: Final[Mapping[str, Stub]] = {
    "CeilF32": _round(_ROUNDSS, _CEIL),
    "CeilF64": _round(_ROUNDSD, _CEIL),
    "FloorF32": _round(_ROUNDSS, _FLOOR),
    "FloorF64": _round(_ROUNDSD, _FLOOR),
    "TruncF32": _round(_ROUNDSS, _TRUNC),
    "TruncF64": _round(_ROUNDSD, _TRUNC),
    "NearestF32": _round(_ROUNDSS, _NEAREST),
    "NearestF64": _round(_ROUNDSD, _NEAREST),
    "X86Pshufb": Stub(b"\x66\x0f\x38\x00\xc1" + _RETURN),  # pshufb xmm0, xmm1
    # It gets the size in rax, and preserves everything.
    "Probestack": Stub(b"\xc3"),
    # Of System V, as structures are copied into arguments: the destination is the result.
    # mov rax, rdi; mov rcx, rdx; shr rcx, 3; rep movsq; mov ecx, edx; and ecx, 7; rep movsb.
    "Memcpy": Stub(
        bytes.fromhex("4889f8 4889d1 48c1e903 f348a5 89d1 83e107 f3a4")
        + poison(_VOLATILE[1:], range(16))
        + b"\xc3"
    ),
    # It gets the address of two words: where a module's data is, and how far in it.
    # mov rax, [rdi]; add rax, [rdi + 8].
    "ElfTlsGetAddr": Stub(
        b"\x48\x8b\x07\x48\x03\x47\x08" + poison(_VOLATILE[1:], range(16)) + b"\xc3"
    ),
    # It gets the address of a descriptor, and preserves everything else.
    # mov rax, [rdi + 16]; add rax, [rdi + 8].
    "ThreadLocalVariable": Stub(b"\x48\x8b\x47\x10\x48\x03\x47\x08\xc3"),
    "FmaF32": _on_host("fmaf"),
    "FmaF64": _on_host("fma"),
}
