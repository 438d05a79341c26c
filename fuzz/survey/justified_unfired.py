"""Rules that cannot fire in a generated case, each with a justification written by hand.

An entry names the unit of rules and the rule's left-hand side. If the rule changes, its entry no
longer matches any rule, and a test fails.
"""

from __future__ import annotations

from typing import Final

#: By unit and left-hand side: why the rule cannot fire.
JUSTIFIED: Final[dict[tuple[str, str], str]] = {
    (
        "opt",
        "(simplify (smulhi ty (splat ty x) (splat ty y)))",
    ): "no ISA lowers a high multiplication of vectors",
    (
        "opt",
        "(simplify (umulhi ty (splat ty x) (splat ty y)))",
    ): "no ISA lowers a high multiplication of vectors",
    (
        "opt",
        "(simplify (rotl ty (splat ty x) y))",
    ): "no ISA lowers a rotation of vectors",
    (
        "opt",
        "(simplify (rotr ty (splat ty x) y))",
    ): "no ISA lowers a rotation of vectors",
    (
        "x64",
        "(ishl_i8x16_mask (RegMemImm.Mem amt))",
    ): "mask_xmm_shift makes a register or an immediate of every amount, never memory",
    (
        "x64",
        "(ushr_i8x16_mask (RegMemImm.Mem amt))",
    ): "mask_xmm_shift makes a register or an immediate of every amount, never memory",
    (
        "x64",
        "(sshr_i8x16_bigger_shift rmi @ (RegMemImm.Mem _m))",
    ): "mask_xmm_shift makes a register or an immediate of every amount, never memory",
    (
        "x64",
        "(lower (imul $I8 (sinkable_load x) y))",
    ): "sinkable_load takes loads of 32 bits and more, and the type is i8",
    (
        "x64",
        "(lower (ireduce ty src @ (value_type ty)))",
    ): "the verifier refuses to reduce a type to itself",
    (
        "x64",
        "(lower (atomic_store (little_or_native_endian flags) value @ (value_type $I128) address))",
    ): "left out for the known fault atomic-store-i128-halves",
    (
        "x64",
        "(lower (snarrow $I32X4 (fcvt_to_sint_sat $I64X2 val) (vconst _ (u128_from_constant 0))))",
    ): "lowered in this combination only, and alone fcvt_to_sint_sat.i64x2 is not",
    (
        "x64",
        (
            "(lower (uunarrow _ (fcvt_to_uint_sat _ src @ (value_type $F64X2)) (vconst _ "
            "(u128_from_constant 0))))"
        ),
    ): "lowered in this combination only, and alone fcvt_to_uint_sat.i64x2 is not",
    (
        "x64",
        "(lower (get_exception_handler_address _ block (u64_from_imm64 idx)))",
    ): "the address of a handler depends on the layout of the code, as no result may",
    (
        "x64",
        "(lower (nop))",
    ): "a nop without a result is deleted before it is lowered",
    (
        "aarch64",
        "(lower (nop))",
    ): "a nop without a result is deleted before it is lowered",
    (
        "aarch64",
        "(lower (get_exception_handler_address _ block (u64_from_imm64 idx)))",
    ): "the address of a handler depends on the layout of the code, as no result may",
    (
        "s390x",
        "(lower (nop))",
    ): "a nop without a result is deleted before it is lowered",
    (
        "s390x",
        "(lower (get_exception_handler_address _ block (u64_from_imm64 idx)))",
    ): "the address of a handler depends on the layout of the code, as no result may",
    (
        "s390x",
        "(maybe_trap_if_sdiv_overflow true $I128 $I128 x y)",
    ): "a division of i128 is lowered with has_vxrs_ext3 only, which the emulated CPU lacks",
    (
        "aarch64",
        "(lower (load (ty_dyn_vec64 _) (little_or_native_endian flags) address offset))",
    ): "the generator has no vectors of dynamic size",
    (
        "aarch64",
        "(lower (load (ty_dyn_vec128 _) (little_or_native_endian flags) address offset))",
    ): "the generator has no vectors of dynamic size",
    (
        "aarch64",
        (
            "(lower (store (little_or_native_endian flags) value @ (value_type (ty_dyn_vec64 _)) "
            "address offset))"
        ),
    ): "the generator has no vectors of dynamic size",
    (
        "aarch64",
        (
            "(lower (store (little_or_native_endian flags) value @ (value_type (ty_dyn_vec128 _)) "
            "address offset))"
        ),
    ): "the generator has no vectors of dynamic size",
    (
        "riscv64",
        "(lower (get_exception_handler_address _ block (u64_from_imm64 idx)))",
    ): "the address of a handler depends on the layout of the code, as no result may",
    (
        "riscv64",
        "(lower (tls_value (tls_model (TlsModel.ElfGd)) (symbol_value_data name _ _)))",
    ): "tls_value has no meaning in the interpreter",
}
