"""CLIF's value types. Each is a singleton, compared by identity.

The rules are those of the Cranelift IR reference's chapter on types. Dynamic vectors are left out,
since no ISA lowers them.
"""

from __future__ import annotations

from typing import Final


class Type:
    """A scalar or vector type.

    Attributes:
        name: as CLIF spells it, ``"i32x4"``.
        lane: the lane's type (the type itself for a scalar).
        lanes: number of lanes, 1 for a scalar.
        lane_bits, bits, bytes: sizes of a lane and of the whole.
        is_float, is_int: what its lanes are.
        is_vector: whether it has several lanes.
        mask: the integer of a lane's bits, all set.
        sign_bit: the integer of a lane's highest bit.
    """

    __slots__ = (
        "bits",
        "bytes",
        "is_float",
        "is_int",
        "is_vector",
        "lane",
        "lane_bits",
        "lanes",
        "mask",
        "name",
        "sign_bit",
    )

    def __init__(self, kind: str, lane_bits: int, lanes: int = 1) -> None:
        self.lane_bits = lane_bits
        self.lanes = lanes
        self.bits = lane_bits * lanes
        self.bytes = self.bits // 8
        self.is_float = kind == "f"
        self.is_int = kind == "i"
        self.is_vector = lanes > 1
        self.mask = (1 << lane_bits) - 1
        self.sign_bit = 1 << (lane_bits - 1)
        self.name = f"{kind}{lane_bits}" + (f"x{lanes}" if lanes > 1 else "")
        self.lane: Type = self if lanes == 1 else _BY_NAME[f"{kind}{lane_bits}"]

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return by_name, (self.name,)  # copying and pickling give the same singleton

    @property
    def as_int(self) -> Type:
        """The integer type of the same lanes: ``i32x4`` for ``f32x4``."""
        return _make("i", self.lane_bits, self.lanes)

    @property
    def half_width(self) -> Type:
        """The type of as many lanes of half the width. Raises KeyError if there is none."""
        return _make(self._kind, self.lane_bits // 2, self.lanes)

    @property
    def double_width(self) -> Type:
        """The type of as many lanes of twice the width. Raises KeyError if there is none."""
        return _make(self._kind, self.lane_bits * 2, self.lanes)

    @property
    def split_lanes(self) -> Type:
        """The type of twice the lanes of half the width. Raises KeyError if there is none."""
        return _make(self._kind, self.lane_bits // 2, self.lanes * 2)

    @property
    def merge_lanes(self) -> Type:
        """The type of half the lanes of twice the width. Raises KeyError if there is none."""
        return _make(self._kind, self.lane_bits * 2, self.lanes // 2)

    def by(self, lanes: int) -> Type:
        """Return the vector of ``lanes`` such lanes. Raises KeyError if there is none."""
        return _make(self._kind, self.lane_bits, lanes)

    @property
    def _kind(self) -> str:
        return "f" if self.is_float else "i"


_BY_NAME: Final[dict[str, Type]] = {}


def _make(kind: str, lane_bits: int, lanes: int) -> Type:
    return _BY_NAME[f"{kind}{lane_bits}" + (f"x{lanes}" if lanes > 1 else "")]


def by_name(name: str) -> Type:
    """Return the type that CLIF calls ``name``. Raises KeyError if there is none."""
    return _BY_NAME[name]


def _define_all() -> None:
    scalars = [("i", bits) for bits in (8, 16, 32, 64, 128)]
    scalars += [("f", bits) for bits in (16, 32, 64, 128)]
    for kind, bits in scalars:
        scalar = Type(kind, bits)
        _BY_NAME[scalar.name] = scalar
    for kind, bits in scalars:
        for total in (16, 32, 64, 128, 256, 512):
            if total > bits and bits <= 64:
                vector = Type(kind, bits, total // bits)
                _BY_NAME[vector.name] = vector


_define_all()

I8, I16, I32, I64, I128 = (by_name(f"i{bits}") for bits in (8, 16, 32, 64, 128))
F16, F32, F64, F128 = (by_name(f"f{bits}") for bits in (16, 32, 64, 128))
INTS: Final = (I8, I16, I32, I64, I128)
FLOATS: Final = (F16, F32, F64, F128)
SCALARS: Final = INTS + FLOATS
VECTORS_64: Final = tuple(t for t in _BY_NAME.values() if t.is_vector and t.bits == 64)
VECTORS_128: Final = tuple(t for t in _BY_NAME.values() if t.is_vector and t.bits == 128)
ALL: Final = tuple(_BY_NAME.values())
