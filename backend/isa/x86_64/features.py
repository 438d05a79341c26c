"""An instruction of each of Cranelift's flags for x86-64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.engines.features import FIRST, SECOND, Probe

_ONES: Final = (1 << 64) - 1
_RETURN: Final = "c3"


def _integers(instruction: str, result: int) -> Probe:
    """Make the probe of an instruction from rdi and rsi to rax."""
    return Probe(bytes.fromhex(instruction + _RETURN), result)


def _vectors(instructions: str, result: int) -> Probe:
    """Make the probe of instructions from the low halves of xmm0 and xmm1 to that of xmm0."""
    to, back = "66480f6ec7 66480f6ece", "66480f7ec0"  # movq xmm0, rdi; movq xmm1, rsi; movq rax
    return Probe(bytes.fromhex(f"{to} {instructions} {back} {_RETURN}"), result)


_TWICE: Final = 2 * SECOND & _ONES
_SQUARE: Final = SECOND * SECOND & _ONES
#: Sums of the products of four bytes each with themselves, unsigned times signed.
_DOT_PRODUCTS: Final = 0xFFFF_818E_FFFF_11FE
_CLEAR: Final = "660fefc0"  # pxor xmm0, xmm0

# push rbx; sub rsp, 16; mov [rsp], rdi; mov [rsp + 8], rsi; mov rax, rdi; mov rdx, rsi;
# mov rbx, rsi; mov rcx, rdi; lock cmpxchg16b [rsp]; mov rax, [rsp]; add rsp, 16; pop rbx; ret
_EXCHANGE: Final = bytes.fromhex(
    "53 4883ec10 48893c24 4889742408 4889f8 4889f2 4889f3 4889f9 f0480fc70c24 488b0424 4883c410"
    "5b c3"
)
# cvtsi2sd xmm0, rdi; cvtsi2sd xmm1, rsi; vfmadd231sd xmm0, xmm1, xmm1; cvttsd2si rax, xmm0; ret
_MULTIPLY_ADD: Final = bytes.fromhex("f2480f2ac7 f2480f2ace c4e2f1b9c1 f2480f2cc0 c3")

FEATURES: Final[Mapping[str, Probe]] = {
    "has_sse3": _vectors("f20f12c0 0f12c0", FIRST),  # movddup xmm0, xmm0; movhlps xmm0, xmm0
    "has_ssse3": _vectors("660f381cc1", 0x101F_2E3D_4C5B_6A79),  # pabsb xmm0, xmm1
    "has_sse41": _vectors("660f3840c1", 0x5C53_5B75_0B4E_A309),  # pmulld xmm0, xmm1
    "has_sse42": _vectors("660f3837c1", _ONES),  # pcmpgtq xmm0, xmm1
    "has_popcnt": _integers("f3480fb8c7", FIRST.bit_count()),  # popcnt rax, rdi
    # Older CPUs, which take it for bsr, return 56.
    "has_lzcnt": _integers("f3480fbdc7", 7),  # lzcnt rax, rdi
    "has_bmi1": _integers("c4e2c0f2c6", ~FIRST & SECOND),  # andn rax, rdi, rsi
    "has_bmi2": _integers("c4e2c3f5c6", 0x8081_9083_A0A1_9487),  # pdep rax, rdi, rsi
    "has_cmpxchg16b": Probe(_EXCHANGE, SECOND),
    # As an SSE instruction of two operands it would add xmm0 and xmm1.
    "has_avx": _vectors("c5f1d4c1", _TWICE),  # vpaddq xmm0, xmm1, xmm1
    "has_avx2": _vectors("c5f5d4c1 c5f877", _TWICE),  # vpaddq ymm0, ymm1, ymm1; vzeroupper
    "has_fma": Probe(_MULTIPLY_ADD, 28, (3, 5)),
    "has_avx_vnni": _vectors(f"{_CLEAR} c4e27150c1", _DOT_PRODUCTS),  # {vex} vpdpbusd
    "has_avx512f": _vectors("62f1f548d4c1", _TWICE),  # vpaddq zmm0, zmm1, zmm1
    "has_avx512vl": _vectors("62f1f508d4c1", _TWICE),  # vpaddq xmm0, xmm1, xmm1
    "has_avx512dq": _vectors("62f2f54840c1", _SQUARE),  # vpmullq zmm0, zmm1, zmm1
    "has_avx512vbmi": _vectors("c5f877 62f275488dc1", 0xB4_0000_00F0),  # vzeroupper; vpermb
    "has_avx512bitalg": _vectors("62f27d4854c1", 0x0404_0404_0404_0404),  # vpopcntb zmm0, zmm1
    "has_avx512vnni": _vectors(f"{_CLEAR} 62f2754850c1", _DOT_PRODUCTS),  # vpdpbusd zmm0
}
