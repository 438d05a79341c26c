"""An instruction of each of Cranelift's flags for AArch64."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from backend.engines.features import FIRST, SECOND, Probe

_RET: Final = 0xD65F03C0


def _probe(result: int, *words: int, arguments: tuple[int, int] = (FIRST, SECOND)) -> Probe:
    code = struct.pack(f"<{len(words) + 1}I", *words, _RET)
    return Probe(code, result, arguments)


def _hint(*words: int) -> Probe:
    """Make the probe of instructions that do nothing on CPUs without them."""
    return _probe(FIRST, *words)


# sub sp, sp, 16; str x0, [sp]; ldadd x1, x2, [sp]; ldr x0, [sp]; add sp, sp, 16
_ATOMIC: Final = (0xD10043FF, 0xF90003E0, 0xF82103E2, 0xF94003E0, 0x910043FF)
# scvtf h0, w0; scvtf h1, w1; fadd h0, h0, h1; fcvtzs w0, h0
_HALF: Final = (0x1EE20000, 0x1EE20021, 0x1EE12800, 0x1EF80000)
_CLEAR: Final = 0x6F00E400  # movi v0.2d, 0
_TO_VECTOR: Final = 0x9E670021  # fmov d1, x1
_FROM_VECTOR: Final = 0x1E260000  # fmov w0, s0
_BYTES: Final = SECOND.to_bytes(8, "little")[:4]
#: Sums of the products of four bytes with themselves: unsigned, and unsigned times signed.
_UNSIGNED: Final = sum(byte * byte for byte in _BYTES)
_MIXED: Final = sum(byte * ((byte ^ 0x80) - 0x80) for byte in _BYTES) & 0xFFFF_FFFF

FEATURES: Final[Mapping[str, Probe]] = {
    "has_lse": _probe((FIRST + SECOND) % (1 << 64), *_ATOMIC),
    # paciza x0; autiza x0: of an address, since the signature takes the place of its upper bits
    "has_pauth": _probe(0x1234_5678, 0xDAC123E0, 0xDAC133E0, arguments=(0x1234_5678, 0)),
    "has_fp16": _probe(8, *_HALF, arguments=(3, 5)),
    # udot v0.4s, v1.16b, v1.16b
    "has_dotprod": _probe(_UNSIGNED, _CLEAR, _TO_VECTOR, 0x6E819420, _FROM_VECTOR),
    # usdot v0.4s, v1.16b, v1.16b
    "has_i8mm": _probe(_MIXED, _CLEAR, _TO_VECTOR, 0x4E819C20, _FROM_VECTOR),
    "use_bti": _hint(0xD503245F),  # bti c
    "use_csdb": _hint(0xD503229F),  # csdb
    "sign_return_address": _hint(0xD503233F, 0xD50323BF),  # paciasp; autiasp
    "sign_return_address_all": _hint(0xD503233F, 0xD50323BF),
    "sign_return_address_with_bkey": _hint(0xD503237F, 0xD50323FF),  # pacibsp; autibsp
}
