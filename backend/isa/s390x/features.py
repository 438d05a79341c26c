"""An instruction of each of Cranelift's flags for s390x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.engines.features import FIRST, SECOND, Probe
from backend.isa.s390x.encoding import VST, br, rre, vlgvg, vrx

_MASK: Final = (1 << 64) - 1
_SP: Final = 15


def _probe(result: int, *code: bytes) -> Probe:
    return Probe(b"".join((*code, br(14))), result)


def _pair(vector: int, high: int, low: int) -> bytes:
    """Encode loading a vector register with two integer registers: ``vlvgp``."""
    return bytes([0xE7, vector << 4 | high, low << 4, 0, 0, 0x62])


# vst v0, 0(r15), where the caller has an area for that; vlbrg v1, 0(r15)
_REVERSED: Final = vrx(VST, 0, _SP, 0) + bytes.fromhex("e610f0003006")
# vmxlq v0, v0, v1
_MAXIMUM: Final = bytes.fromhex("e700100040fd")

FEATURES: Final[Mapping[str, Probe]] = {
    "has_mie3": _probe(~(FIRST & SECOND) & _MASK, bytes.fromhex("b9643022")),  # nngrk r2, r2, r3
    "has_vxrs_ext2": _probe(
        int.from_bytes(FIRST.to_bytes(8, "big"), "little"),
        _pair(0, 2, 3) + _REVERSED + vlgvg(2, 1, 0),
    ),
    "has_mie4": _probe(64 - FIRST.bit_length(), rre(0xB968, 2, 2)),  # clzg r2, r2
    "has_vxrs_ext3": _probe(
        max(FIRST, SECOND), _pair(0, 2, 3) + _pair(1, 3, 2) + _MAXIMUM + vlgvg(2, 0, 0)
    ),
}
