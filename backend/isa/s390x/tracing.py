"""Which memory the instructions of s390x access, to follow its code in QEMU's log.

An address is the sum of a base, an index and a displacement, register 0 standing for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from backend.engines.qemu_trace import TracedAccess, Tracing
from backend.isa.s390x.description import S390X

_MASK: Final = (1 << 64) - 1


def _sizes(**opcodes: str) -> dict[int, int]:
    """Return by opcode how many bytes are accessed, from opcodes by size: ``_4="58 5a"``."""
    return {
        int(code, 16): int(size.lstrip("_"))
        for size, codes in opcodes.items()
        for code in codes.split()
    }


#: Of four bytes with an index: loads, also of arithmetic, and stores.
_RX_LOADS: Final = _sizes(_2="48 49 4a 4b 4c", _4="54 55 56 57 58 59 5a 5b 5e 5f 71 78", _8="68")
_RX_STORES: Final = _sizes(_1="42", _2="40", _4="50 70", _8="60")
#: Of six bytes with an index, by their first and last byte.
_RXY_LOADS: Final = _sizes(
    _1="e376 e377 e390 e394",
    _2="e315 e31f e334 e338 e339 e33c e378 e379 e37a e37b e37c e391 e395",
    _4="e314 e316 e318 e319 e31a e31b e31c e31e e330 e331 "
    "e351 e354 e355 e356 e357 e358 e359 e35a e35b e35e e35f ed64",
    _8="e304 e308 e309 e30a e30b e30c e30f e320 e321 e380 e381 e382 ed65",
)
_RXY_STORES: Final = _sizes(_1="e372", _2="e33f e370", _4="e33e e350 ed66", _8="e324 e32f ed67")
#: Of vectors: lanes, and whole ones.
_VRX_LOADS: Final = _sizes(
    _1="e700", _2="e701 e601", _4="e703 e603", _8="e702 e602", _16="e706 e606 e607"
)
_VRX_STORES: Final = _sizes(
    _1="e708", _2="e709 e609", _4="e70b e60b", _8="e70a e60a", _16="e70e e60e e60f"
)
#: One lane for all; its size is in the last field.
_REPLICATE: Final = frozenset({0xE705, 0xE605})
#: Without an index, two registers: interlocked operations, and comparing and swapping.
_UPDATES: Final = _sizes(_4="ebf4 ebf6 ebf7 ebf8 ebfa eb14", _8="ebe4 ebe6 ebe7 ebe8 ebea eb30")
#: Stores of constants.
_SIL: Final = _sizes(_2="44", _4="4c", _8="48")
#: From a register to another one, which is what is accessed.
_MULTIPLE: Final = {0xEB04: False, 0xEB24: True}

#: First bytes of instructions that access no memory, or only constants beside the code.
_WITHOUT: Final = frozenset(
    {
        *(code for code in range(0x40) if code not in (0x0E, 0x0F)),
        *(
            0x41,
            *range(0x88, 0x90),
            0xA5,
            0xA7,
            0xB2,
            0xB3,
            0xB9,
            0xC0,
            0xC2,
            0xC4,
            0xC6,
            0xCC,
            0xEC,
        ),
    }
)
#: Addresses that are not accessed, shifts, and what moves lanes by the index of one.
_PLAIN: Final = frozenset(
    {
        *(0xE371, *range(0xE360, 0xE36A)),
        *(0xEB0A, 0xEB0B, 0xEB0C, 0xEB0D, 0xEB1C, 0xEB1D, 0xEBDC, 0xEBDD, 0xEBDE, 0xEBDF),
    }
)
#: Of vectors these access memory, and all others none.
_VECTOR_MEMORY: Final = frozenset(
    {
        *(*range(0xE700, 0xE70C), 0xE70E, 0xE712, 0xE713, 0xE71A, 0xE71B),
        *(0xE736, 0xE737, 0xE73E, 0xE73F),
        *(*range(0xE600, 0xE610), 0xE634, 0xE635, 0xE637, 0xE63C, 0xE63D, 0xE63F),
    }
)
#: They test bits, and have to know nothing of them before. QEMU 7.2 takes registers for these bits
#: that it has not set, or aborts. Without the bit that says so they do the same, and change a
#: register that Cranelift does not use again.
_TESTS: Final = frozenset({0xEC54, 0xEC56, 0xEC57})
_TEST_BIT: Final = 0x80


def _accesses(code: bytes, registers: Mapping[int, int]) -> Sequence[TracedAccess] | None:
    """Return what an instruction accesses; None if it may access memory and is not known."""
    opcode = code[0] << 8 | code[-1]
    if code[0] in _WITHOUT or opcode in _PLAIN:
        return ()
    if code[0] in (0xE6, 0xE7) and opcode not in _VECTOR_MEMORY:
        return ()
    found = list(_known(code, opcode, registers))
    return found or None


def _known(code: bytes, opcode: int, registers: Mapping[int, int]) -> Iterator[TracedAccess]:
    """Yield the accesses of an instruction that is known."""
    for loads, stores, number, far in (
        (_RX_LOADS, _RX_STORES, code[0], False),
        (_RXY_LOADS, _RXY_STORES, opcode, True),
        (_VRX_LOADS, _VRX_STORES, opcode, False),
    ):
        if number in loads or number in stores:
            size = loads.get(number) or stores[number]
            yield TracedAccess(_address(code, registers, far=far), size, number in stores)
            return
    if opcode in _REPLICATE:
        yield TracedAccess(_address(code, registers), 1 << (code[4] >> 4), writes=False)
    elif code[0] == 0xE5 and code[1] in _SIL:
        yield TracedAccess(_address(code, registers, indexed=False), _SIL[code[1]], writes=True)
    elif code[0] == 0x92:
        yield TracedAccess(_address(code, registers, indexed=False), 1, writes=True)
    elif opcode == 0xEB52:
        yield TracedAccess(_address(code, registers, indexed=False, far=True), 1, writes=True)
    elif code[0] == 0xBA or opcode in _UPDATES:
        address = _address(code, registers, indexed=False, far=code[0] == 0xEB)
        size = _UPDATES.get(opcode, 4) if code[0] == 0xEB else 4
        yield TracedAccess(address, size, writes=False)
        yield TracedAccess(address, size, writes=True)
    elif opcode in _MULTIPLE:
        count = ((code[1] & 15) - (code[1] >> 4)) % 16 + 1
        address = _address(code, registers, indexed=False, far=True)
        yield TracedAccess(address, 8 * count, _MULTIPLE[opcode])


def _address(
    code: bytes, registers: Mapping[int, int], *, indexed: bool = True, far: bool = False
) -> int:
    """Return the address that an instruction accesses.

    Args:
        indexed: it has an index.
        far: its displacement has 20 bits, of which the upper ones come last and have a sign.
    """
    base, displacement = code[2] >> 4, (code[2] & 15) << 8 | code[3]
    if far:
        displacement += int.from_bytes(code[4:5], "big", signed=True) << 12
    index = code[1] & 15 if indexed else 0
    return sum(registers[number] for number in (base, index) if number) + displacement & _MASK


def _size(code: bytes) -> int:
    return S390X.lengths[code[0] >> 6]


def _followed(code: bytes) -> bytes:
    if code[0] << 8 | code[-1] not in _TESTS:
        return code
    return code[:2] + bytes([code[2] & ~_TEST_BIT]) + code[3:]


TRACING: Final = Tracing(
    re.compile(rb"\bR(\d\d)=([0-9a-f]{16})"), size=_size, accesses=_accesses, followed=_followed
)
