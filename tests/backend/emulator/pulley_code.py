"""Pulley bytecode made by hand, for tests that run over the registry."""

from __future__ import annotations

from backend.isa.pulley.encoding import SP, binary, encode, number
from backend.isa.registry import ISAS

RETURN = encode("ret")


def is_pulley(isa: str) -> bool:
    """Whether an ISA's code is Pulley bytecode."""
    return isa.startswith("pulley")


def clobbers(isa: str, register: str) -> list[bytes]:
    """Code that changes the register; one for each half of a vector register."""
    if register == "fp":  # a frame that is thrown away
        return [encode("push_frame") + encode("xadd64_u8", SP, SP, 2 * ISAS[isa].pointer_bytes)]
    place = number(register)
    if register[0] == "x":
        return [encode("xadd64_u8", place, place, 1)]
    if register[0] == "f":
        return [encode("fneg64", place, place)]
    # The stack pointer is inserted.
    return [binary("vinsertx64", place, place, SP) + bytes([lane]) for lane in range(2)]
