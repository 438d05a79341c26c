"""What rules ask of types: sets of types by the extractors' names, and functions of a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from clif.types import F128, I8, I16, I32, I64, I128, Type


def _bits(*sizes: int) -> Callable[[Type], bool]:
    return lambda t: t.bits in sizes


def _among(*types: Type) -> Callable[[Type], bool]:
    return lambda t: t in types


def _at_most(bits: int) -> Callable[[Type], bool]:
    return lambda t: t.bits <= bits


def _vector(bits: int) -> Callable[[Type], bool]:
    return lambda t: t.is_vector and t.bits == bits


def _int_vector(bits: int) -> Callable[[Type], bool]:
    return lambda t: t.is_vector and t.bits == bits and t.is_int


def _scalar_int(t: Type) -> bool:
    return t.is_int and not t.is_vector


def _is_vector(t: Type) -> bool:
    return t.is_vector


def _riscv_float(t: Type) -> bool:
    """Return whether a type has a register for floats: a 128-bit float has two for integers."""
    return t.is_float and not t.is_vector and t is not F128


def _never(_: Type) -> bool:
    """Return False: CLIF has no types for vectors whose size only an ISA knows."""
    return False


#: Tests of the extractors, and of the constructors in conditions, that pass a type on.
SETS: Final[dict[str, Callable[[Type], bool]]] = {
    "fits_in_16": _at_most(16),
    "fits_in_32": _at_most(32),
    "fits_in_64": _at_most(64),
    "lane_fits_in_32": lambda t: t.is_vector and t.lane_bits <= 32,
    "ty_16": _bits(16),
    "ty_32": _bits(32),
    "ty_64": _bits(64),
    "ty_128": _bits(128),
    "ty_32_or_64": _bits(32, 64),
    "ty_8_or_16": _bits(8, 16),
    "ty_16_or_32": _bits(16, 32),
    "int_fits_in_32": _among(I8, I16, I32),
    "ty_int_ref_64": _among(I64),
    "ty_addr64": _among(I64),
    "ty_int_ref_16_to_64": _among(I16, I32, I64),
    "ty_int_ref_scalar_64": lambda t: _scalar_int(t) and t.bits <= 64,
    "ty_int_ref_scalar_64_extract": lambda t: _scalar_int(t) and t.bits <= 64,
    "valid_atomic_transaction": lambda t: _scalar_int(t) and t.bits <= 64,
    "integral_ty": lambda t: _scalar_int(t) and t.bits <= 64,
    "ty_int_bool_or_ref": _scalar_int,
    "ty_int": _scalar_int,
    "ty_int_vec128": lambda t: _scalar_int(t) or _int_vector(128)(t),
    "ty_scalar": lambda t: not t.is_vector,
    "ty_scalar_float": lambda t: t.is_float and not t.is_vector,
    "ty_float_or_vec": lambda t: t.is_float or t.is_vector,
    "ty_vector_float": lambda t: t.is_vector and t.is_float,
    "ty_vector_not_float": lambda t: t.is_vector and t.is_int,
    "ty_vec64": _vector(64),
    "ty_vec128": _vector(128),
    "ty_vec64_int": _int_vector(64),
    "ty_vec128_int": _int_vector(128),
    "not_i64x2": lambda t: t is not I64.by(2),
    "not_vec32x2": lambda t: not (t.is_vector and (t.lane_bits, t.lanes) == (32, 2)),
    # Those of RISC-V depend on its flags as well. But what no flags lower is in no fragment.
    "ty_supported_vec": _is_vector,
    "ty_vec_fits_in_register": _is_vector,
    "ty_supported_float_size": _riscv_float,
    "ty_supported_float_min": _riscv_float,
    "ty_supported_float_full": _riscv_float,
    "ty_reg_pair": _among(I128, F128),
    "ty_dyn_vec64": _never,
    "ty_dyn_vec128": _never,
    "ty_dyn64_int": _never,
    "ty_dyn128_int": _never,
    "dynamic_lane": _never,
}

#: Classes of registers, by the names of the variants of the rules' enum.
REGISTER_CLASSES: Final[dict[str, Callable[[Type], bool]]] = {
    "RegisterClass.Xmm": lambda t: t.is_float or t.is_vector,
    "RegisterClass.Gpr": _scalar_int,
}


def _to_64(value: int) -> int:
    return value & ((1 << 64) - 1)


def _narrow(function: Callable[[Type], int]) -> Callable[[Type], int | None]:
    """Return the function without a result for types of more than 64 bits."""
    return lambda t: function(t) if t.bits <= 64 else None


def _of(function: Callable[[Type], Type]) -> Callable[[Type], Type | None]:
    """Return the function without a result if there is no such type."""

    def found(type_: Type) -> Type | None:
        try:
            return function(type_)
        except KeyError:
            return None

    return found


def _all_ones(t: Type) -> int:
    return (1 << t.bits) - 1


#: Functions of a type, which return None if there is no result.
FUNCTIONS: Final[dict[str, Callable[[Type], Any]]] = {
    "ty_bits": lambda t: t.bits if t.bits < 256 else None,
    "ty_bits_u16": lambda t: t.bits,
    "ty_bits_u64": lambda t: t.bits,
    "ty_bytes": lambda t: t.bytes,
    "ty_mask": _narrow(_all_ones),
    "ty_umax": _narrow(_all_ones),
    "ty_umin": lambda t: 0,
    "ty_smin": _narrow(lambda t: 1 << (t.bits - 1)),
    "ty_smax": _narrow(lambda t: _all_ones(t) >> 1),
    "ty_lane_mask": lambda t: (1 << t.lanes) - 1,
    "ty_lane_count": lambda t: t.lanes,
    "ty_shift_mask": lambda t: t.lane_bits - 1,
    "lane_type": lambda t: t.lane,
    "ty_half_width": _of(lambda t: t.half_width),
    "ty_half_lanes": _of(lambda t: t.by(t.lanes // 2)),
}
