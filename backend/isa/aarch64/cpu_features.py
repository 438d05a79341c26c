"""What AArch64 code may need of a CPU, by Arm's names of the features.

Capstone's groups do not tell: they are empty for atomics, half floats and dot products. All
instructions have 32 bits, so it is fixed bits that tell the few classes that a flag allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from backend.emulator.disassembly import Code, disassemble
from backend.isa.aarch64.description import AARCH64
from backend.isa.parts import CpuFeatures

#: By feature: the fixed bits of its instructions, as patterns that start with the highest bit. A
#: bit is free where a pattern has ``.``.
_PATTERNS: Final = {
    "LSE": (
        "..111000 ..1..... 0...00.. ........",  # ldadd, ldclr, ldeor, ldset, ldsmax...
        "..111000 ..1..... 100000.. ........",  # swp
        "..001000 1.1..... .11111.. ........",  # cas
        "0.001000 0.1..... .11111.. ........",  # casp
    ),
    "FP16": (
        "00011110 1110000. .10000.. ........",  # fmov, fabs, fneg, fsqrt; not fcvt
        "00011110 111001.. .10000.. ........",  # frintn and the like
        "00011110 111..... 001000.. ........",  # fcmp
        "00011110 111..... ...10000 000.....",  # fmov of an immediate
        "00011110 111..... ....01.. ........",  # fccmp
        "00011110 111..... ....10.. ........",  # fadd and the like
        "00011110 111..... ....11.. ........",  # fcsel
        ".0011110 111..... 000000.. ........",  # conversions from and to integers
        ".0011110 110..... ........ ........",  # from and to fixed point
        "00011111 11...... ........ ........",  # fmadd, fmsub, fnmadd, fnmsub
        "0..01110 .10..... 00...1.. ........",  # vectors: three the same
        "0..01110 .111100. ....10.. ........",  # two registers
        "0.001110 .0110000 11..10.. ........",  # fmaxv, fminv and the like
        "0..01111 00...... ..01.0.. ........",  # by an element: fmla, fmls, fmul, fmulx
        "0.001111 00000... 111111.. ........",  # fmov of an immediate
        "01.11110 .10..... 00...1.. ........",  # the first two on scalars
        "01.11110 .111100. ....10.. ........",
    ),
    "DotProd": (
        "0..01110 100..... 100101.. ........",  # udot, sdot
        "0..01111 10...... 1110.0.. ........",  # by an element
    ),
    "I8MM": (
        "0.001110 100..... 100111.. ........",  # usdot
        "0.001111 .0...... 1111.0.. ........",  # usdot, sudot by an element
        "0..01110 100..... 101001.. ........",  # smmla, ummla
        "0.001110 100..... 101011.. ........",  # usmmla
    ),
    # Not those that do nothing on a CPU without it.
    "PAuth": (
        "11011010 11000001 ........ ........",  # pacia.. of any register
        "1101011. ...11111 00001... ........",  # braa, blraa, retaa
        "11111000 ..1..... .....1.. ........",  # ldraa
    ),
}


def _bits(pattern: str) -> tuple[int, int]:
    """Return which bits a pattern fixes, and what they are."""
    bits = pattern.replace(" ", "")
    fixed = int("".join("0" if bit == "." else "1" for bit in bits), 2)
    return fixed, int(bits.replace(".", "0"), 2)


_FIXED: Final = {name: tuple(map(_bits, every)) for name, every in _PATTERNS.items()}


def _needs(code: Code, allowed: frozenset[str]) -> Iterable[tuple[str, str, int]]:
    """Yield what code needs beyond what is allowed: feature, first mnemonic, its offset."""
    words = np.frombuffer(code.code, "<u4", len(code.code) // 4)
    for name, patterns in _FIXED.items():
        if name in allowed:
            continue
        offsets = {
            4 * int(place)
            for fixed, value in patterns
            for place in np.flatnonzero(words & np.uint32(fixed) == value)
        }
        if not offsets:
            continue
        # Constants and tables may look like anything.
        for instruction in disassemble(AARCH64, code):
            if instruction.address in offsets:
                yield name, instruction.mnemonic, instruction.address
                break


CPU_FEATURES: Final = CpuFeatures(
    baseline=frozenset(),
    of_flag={
        "has_lse": frozenset({"LSE"}),
        "has_fp16": frozenset({"FP16"}),
        "has_dotprod": frozenset({"DotProd"}),
        "has_i8mm": frozenset({"I8MM"}),
        "has_pauth": frozenset({"PAuth"}),
    },
    needs=_needs,
)
