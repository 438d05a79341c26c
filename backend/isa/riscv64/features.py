"""An instruction of each of Cranelift's flags for RISC-V."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.engines.features import FIRST, SECOND, Probe
from backend.isa.riscv64 import encoding

_MASK: Final = (1 << 64) - 1
_RETURN: Final = encoding.pack([encoding.RETURN])


def _probe(code: str, result: int, arguments: tuple[int, int] = (FIRST, SECOND)) -> Probe:
    """Make the probe of instructions from a0 and a1 to a0."""
    return Probe(bytes.fromhex(code) + _RETURN, result, arguments)


def _carry_less_product(left: int, right: int) -> int:
    product = 0
    for bit in range(64):
        if right >> bit & 1:
            product ^= left << bit
    return product & _MASK


def _vector_bits(least: int) -> Probe:
    """Make the probe of vector registers of so many bits: it compares vlenb with the bytes."""
    # csrr a0, vlenb; sltu a0, a0, a1; xori a0, a0, 1
    return _probe("732520c2 3335b500 13451500", 1, (0, least // 8))


def _small_floats(width: str, add: str) -> Probe:
    """Make the probe of converting two integers, adding them and converting back."""
    # fcvt.*.w fa0, a0; fcvt.*.w fa1, a1; fadd.* fa0, fa0, fa1; fcvt.w.* a0, fa0
    return _probe(f"537505{width} d3f505{width} 5375b5{add} 537505c{width[1]}", 8, (3, 5))


# addi sp, sp, -16; sd a0, 0(sp); amoadd.d a2, a1, (sp); ld a0, 0(sp); addi sp, sp, 16
_ATOMIC: Final = "130101ff 2330a100 2f36b100 03350100 13010101"
# c.addi sp, -16; fmv.d.x fa5, a1; c.fsdsp fa5, 0(sp); c.fldsp fa4, 0(sp); fmv.x.d a0, fa4;
# c.addi sp, 16
_COMPRESSED_DOUBLE: Final = "4111 d38705f2 3ea0 0227 530507e2 4101"
_LENGTHS: Final = tuple(1 << power for power in range(5, 17))

FEATURES: Final[Mapping[str, Probe]] = {
    "has_m": _probe("3305b502", FIRST * SECOND & _MASK),  # mul a0, a0, a1
    "has_a": _probe(_ATOMIC, FIRST + SECOND & _MASK),
    "has_f": _small_floats("d0", "00"),
    "has_d": _small_floats("d2", "02"),
    "has_zicsr": _probe("f3d51f00 73551000", 0x1F),  # csrrwi a1, fflags, 31; csrrwi a0, fflags, 0
    "has_zifencei": _probe("0f100000", FIRST),  # fence.i
    "has_zca": _probe("2e85", SECOND),  # c.mv a0, a1
    "has_zcd": _probe(_COMPRESSED_DOUBLE, SECOND),
    "has_zcb": _probe("4d9d", FIRST * SECOND & _MASK),  # c.mul a0, a1
    "has_zba": _probe("3325b520", 2 * FIRST + SECOND & _MASK),  # sh1add a0, a0, a1
    "has_zbb": _probe("3375b540", FIRST & ~SECOND),  # andn a0, a0, a1
    "has_zbc": _probe("3315b50a", _carry_less_product(FIRST, SECOND)),  # clmul a0, a0, a1
    "has_zbs": _probe("3355b548", FIRST >> SECOND % 64 & 1),  # bext a0, a0, a1
    "has_zbkb": _probe("3375b508", (SECOND & 0xFF) << 8 | FIRST & 0xFF),  # packh a0, a0, a1
    "has_zicond": _probe("3355050e 13055500", 5),  # czero.eqz a0, a0, zero; addi a0, a0, 5
    # fmv.w.x fa0, a0; fcvt.h.s fa0, fa0; fmv.x.h a0, fa0: of 1.5
    "has_zfhmin": _probe("530505f0 53750544 530505e4", 0x3E00, (0x3FC0_0000, 0)),
    "has_zfh": _small_floats("d4", "04"),
    "has_zfa": _probe("53851bf2 537505c2", 4),  # fli.d fa0, 4; fcvt.w.d a0, fa0
    # vsetivli zero, 2, e64, m1, ta, ma; vmv.v.x v0, a0; vadd.vx v1, v0, a1; vmv.x.s a0, v1
    "has_v": _probe("577081cd 5740055e d7c00502 57251042", FIRST + SECOND & _MASK),
    # vsetivli as above; vmv.v.x v0, a0; vmv.v.x v1, a1; vandn.vv v1, v0, v1; vmv.x.s a0, v1
    "has_zvbb": _probe("577081cd 5740055e d7c0055e d7800006 57251042", FIRST & ~SECOND),
    # vsetivli zero, 2, e16, m1, ta, ma; vmv.v.x v0, a0; vfadd.vv v1, v0, v0; vmv.x.s a0, v1
    "has_zvfh": _probe("577081cc 5740055e d7100002 57251042", 0x4200, (0x3E00, 0)),
    **{f"has_zvl{bits}b": _vector_bits(bits) for bits in _LENGTHS},
}
