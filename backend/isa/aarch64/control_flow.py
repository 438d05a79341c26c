"""Control-flow integrity on AArch64: signed return addresses, and landing pads.

Every site that an indirect branch may reach must start with a landing pad. Such sites are the
entries of functions, which may be called through their addresses, and the targets of jump tables.
Cranelift emits a jump table after the branch that uses it::

    mov x2, #2                    ; the index of the default, which is the last entry
    csel x2, x3, x2, lo
    adr x1, #16
    ldrsw x2, [x1, w2, uxtw #2]
    add x1, x1, x2
    br x1
    .word target - table, ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.isa.parts import ControlFlow, LandingPadSite

#: Landing pads for calls: ``bti c``, and instructions that sign the return address, too.
_OF_CALLS: Final = {0xD503245F: "bti c", 0xD503233F: "paciasp", 0xD503237F: "pacibsp"}
_OF_JUMPS: Final = {0xD503249F: "bti j", 0xD50324DF: "bti jc"}
#: What signs the return addresses of functions of the ``tail`` convention; no landing pads.
_NO_PADS: Final = {0xD503231F: "paciaz", 0xD503235F: "pacibz"}
_NAMES: Final = _NO_PADS | _OF_CALLS | _OF_JUMPS
_MOVZ: Final = (0x52800000, 0x7FE00000)
_CSEL_LO: Final = (0x1A803000, 0x7FE0FC00)
_CSDB: Final = 0xD503229F
_ADR_16: Final = (0x10000080, 0xFFFFFFE0)
_LDRSW: Final = (0xB8A05800, 0xFFE0FC00)
_ADD: Final = (0x8B000000, 0xFFE0FC00)
_BR: Final = (0xD61F0000, 0xFFFFFC1F)
_DISPATCH: Final = (_MOVZ, _CSEL_LO, _ADR_16, _LDRSW, _ADD)

Words = NDArray[np.uint32]


def missing(code: bytes) -> list[tuple[LandingPadSite, str]]:
    """Return the sites in a function's code without a landing pad, and the instructions there."""
    words = np.frombuffer(code[: len(code) // 4 * 4], "<u4")
    if not len(words):
        return []
    found = []
    if int(words[0]) not in _OF_CALLS:
        found.append((LandingPadSite.FUNCTION, _name(words[0])))
    for table in tables(words):
        for position, target in enumerate(table):
            # Cranelift puts the default after all other targets.
            site = LandingPadSite.DEFAULT if position == len(table) - 1 else LandingPadSite.TARGET
            if int(words[target]) not in _OF_JUMPS:
                found.append((site, _name(words[target])))
    return found


def _name(word: np.uint32) -> str:
    return _NAMES.get(int(word), f"{word:#010x}")


def tables(words: Words) -> Iterator[list[int]]:
    """Yield the targets of each jump table, as indices of words."""
    for at in np.flatnonzero(words & _BR[1] == _BR[0]).tolist():
        before = [int(word) for word in words[max(0, at - 6) : at] if word != _CSDB]
        if len(before) < 5 or not _match(before[-5:], _DISPATCH):
            continue
        table, count = at + 1, (before[-5] >> 5 & 0xFFFF) + 1
        offsets = words[table : table + count].view("<i4")
        yield [table + offset // 4 for offset in offsets.tolist()]


def _match(words: list[int], patterns: Sequence[tuple[int, int]]) -> bool:
    pairs = zip(words, patterns, strict=True)
    return all(word & mask == value for word, (value, mask) in pairs)


def _known_fault(site: LandingPadSite, what: str, convention: str) -> str:
    if site is LandingPadSite.DEFAULT:
        return "br-table-default-bti"
    signed = site is LandingPadSite.FUNCTION and convention == "tail"
    return "tail-bti" if signed and what in _NO_PADS.values() else ""


_SIGNED: Final = {"has_pauth": "true", "sign_return_address": "true"}

CONTROL_FLOW: Final = ControlFlow(
    flags=(
        _SIGNED,
        _SIGNED | {"sign_return_address_all": "true"},
        _SIGNED | {"sign_return_address_with_bkey": "true"},
        {"sign_return_address": "true"},
        {"use_bti": "true"},
        _SIGNED | {"use_bti": "true"},
        _SIGNED | {"use_bti": "true", "sign_return_address_all": "true"},
        {
            "use_bti": "true",
            "sign_return_address": "true",
            "sign_return_address_with_bkey": "true",
        },
    ),
    pads="use_bti",
    missing=missing,
    known_fault=_known_fault,
)
