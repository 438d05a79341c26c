"""The meanings of the opcodes, a module per topic. Importing the package registers them.

A function has the name of its opcode and computes what the opcode's documentation says; it has a
docstring of its own where that needs saying more exactly. What an x86 opcode computes is beside the
operation that it varies.
"""

from interp.semantics import (
    address,
    atomic,
    bitwise,
    compare,
    constant,
    control,
    convert,
    convert_float,
    division,
    float,
    float128,
    int128,
    integer,
    memory,
    overflow,
    rearrange,
    saturate,
)

__all__ = [
    "address",
    "atomic",
    "bitwise",
    "compare",
    "constant",
    "control",
    "convert",
    "convert_float",
    "division",
    "float",
    "float128",
    "int128",
    "integer",
    "memory",
    "overflow",
    "rearrange",
    "saturate",
]
