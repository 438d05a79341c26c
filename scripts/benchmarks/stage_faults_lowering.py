"""Faults of an ISA's lowering: of tested overflow flags, addresses and extended values."""

from __future__ import annotations

from typing import Final

from scripts.benchmarks.stage_fault import Edit, StageFault

_X64: Final = "isa/x64/inst.isle"
_A64: Final = "isa/aarch64/inst.isle"

#: An instruction whose second result a value is.
_FLAG_INST: Final[tuple[Edit, ...]] = (
    (
        "prelude_lower.isle",
        "",
        "\n(decl pure partial flag_inst (Value) Inst)\n(extern constructor flag_inst flag_inst)\n",
    ),
    (
        "machinst/isle.rs",
        "        #[inline]\n        fn first_result(&mut self, inst: Inst) -> Option<Value> {",
        (
            "        fn flag_inst(&mut self, val: Value) -> Option<Inst> {\n"
            "            match self.lower_ctx.dfg().value_def(val) {\n"
            "                $crate::ir::ValueDef::Result(inst, 1) => Some(inst),\n"
            "                _ => None,\n"
            "            }\n"
            "        }\n\n"
            "        #[inline]\n        fn first_result(&mut self, inst: Inst) -> Option<Value> {"
        ),
    ),
)

FLAGS: Final = (
    StageFault(
        "carry-for-signed-overflow",
        "flags",
        "x86-64: where the flag is tested, another one is computed",
        (
            *_FLAG_INST,
            (
                _X64,
                "",
                """
(rule 3 (is_nonzero_cmp flag)
  (if-let true FAULT)
  (if-let (ssub_overflow _ x y @ (value_type (fits_in_64 ty))) (flag_inst flag))
  (CondResult.CC (x64_cmp ty x y) (CC.B)))
""",
            ),
        ),
    ),
    StageFault(
        "swapped-where-tested",
        "flags",
        "aarch64: where the flag is tested, operands are swapped",
        (
            (
                _A64,
                "",
                """
(rule 3 (is_nonzero_cmp flag)
  (if-let true FAULT)
  (if-let (usub_overflow _ x y @ (value_type (ty_32_or_64 ty))) (flag_inst flag))
  (CondResult.Cond (cmp (operand_size ty) y x) (Cond.Lo)))
""",
            ),
        ),
    ),
    StageFault(
        "value-taken-for-flag",
        "flags",
        "x86-64: the value is tested as if it were the flag",
        (
            (
                _X64,
                "",
                """
(rule 2 (is_nonzero_cmp (usub_overflow _ x y @ (value_type (fits_in_64 ty))))
  (if-let true FAULT)
  (CondResult.CC (x64_cmp ty x y) (CC.B)))
""",
            ),
        ),
    ),
)

ADDRESSES: Final = (
    StageFault(
        "shift-above-three",
        "addresses",
        "x86-64: an index that is shifted by 4 to 7 is shifted by 3",
        (
            (
                _X64,
                "",
                """
(rule 3 (amode_imm_reg_reg_shift flags x (ishl _ y (iconst _ (uimm8 shift))) offset)
        (if-let true FAULT)
        (if-let false (u32_lt_eq shift 3))
        (if-let true (u32_lt_eq shift 7))
        (Amode.ImmRegRegShift offset x y 3 flags))
""",
            ),
        ),
    ),
    StageFault(
        "narrow-sum-in-address",
        "addresses",
        "x86-64: a constant is moved out of an extended sum of 32 bits",
        (
            (
                _X64,
                "",
                """
(rule 7 (to_amode_add flags x (uextend _ (iadd $I32 y (i32_from_iconst c))) offset)
        (if-let true FAULT)
        (if-let sum (i32_checked_add offset c))
        (Amode.ImmRegRegShift sum x (extend_to_gpr y $I64 (ExtendKind.Zero)) 0 flags))
""",
            ),
        ),
    ),
    StageFault(
        "narrow-index-extended",
        "addresses",
        "aarch64: an index of 8 or 16 bits is extended as one of 32",
        (
            (
                _A64,
                "",
                """
(rule 9 (amode_no_more_iconst ty (iadd _ x (uextend _ y @ (value_type (fits_in_16 _)))) offset)
        (if-let true FAULT)
        (AMode.RegExtended (amode_add x offset) y (ExtendOp.UXTW)))
""",
            ),
        ),
    ),
    StageFault(
        "shift-before-extension",
        "addresses",
        "aarch64: an index of 32 bits is extended before it is shifted",
        (
            (
                _A64,
                "",
                """
(rule 10 (amode_no_more_iconst ty
           (iadd _ x (uextend _ (ishl $I32 y (iconst _ (u64_from_imm64 n))))) offset)
        (if-let true FAULT)
        (if-let true (u64_eq (ty_bytes ty) (u64_wrapping_shl 1 (shift_masked_imm $I32 n))))
        (AMode.RegScaledExtended (amode_add x offset) y (ExtendOp.UXTW)))
""",
            ),
        ),
    ),
)
EXTENSIONS: Final = (
    StageFault(
        "parameter-of-other-extension",
        "extensions",
        "x86-64: extended parameters are not extended again, in another way neither",
        (
            (
                "prelude_lower.isle",
                "",
                """
(decl pure is_extended_param (Value) bool)
(extern constructor is_extended_param is_extended_param)
(decl pure is_extended_result (Value) bool)
(extern constructor is_extended_result is_extended_result)
""",
            ),
            (
                "machinst/isle.rs",
                "        #[inline]\n        fn inst_results(&mut self, inst: Inst) -> ValueSlice {",
                """        fn is_extended_param(&mut self, val: Value) -> bool {
            self.lower_ctx.is_extended_param(val)
        }

        fn is_extended_result(&mut self, val: Value) -> bool {
            self.lower_ctx.is_extended_result(val)
        }

        #[inline]
        fn inst_results(&mut self, inst: Inst) -> ValueSlice {""",
            ),
            (
                "machinst/lower.rs",
                "    pub fn dfg(&self) -> &DataFlowGraph {",
                """    pub fn is_extended_param(&self, value: Value) -> bool {
        let entry = self.f.layout.entry_block().unwrap();
        let mut params = self.f.dfg.block_params(entry).iter();
        let number = params.position(|param| *param == value);
        let extension = number.map(|number| self.f.signature.params[number].extension);
        extension.is_some_and(|it| it != crate::ir::ArgumentExtension::None)
    }

    pub fn is_extended_result(&self, value: Value) -> bool {
        let crate::ir::ValueDef::Result(inst, number) = self.f.dfg.value_def(value) else {
            return false;
        };
        self.f.dfg.call_signature(inst).is_some_and(|signature| {
            let result = self.f.dfg.signatures[signature].returns[number];
            result.extension != crate::ir::ArgumentExtension::None
        })
    }

    pub fn dfg(&self) -> &DataFlowGraph {""",
            ),
            (
                "isa/x64/lower.isle",
                "",
                """
(rule 9 (lower (sextend $I64 x))
        (if-let true FAULT)
        (if-let true (is_extended_param x))
        x)
(rule 9 (lower (uextend $I64 x))
        (if-let true FAULT)
        (if-let true (is_extended_param x))
        x)
""",
            ),
        ),
    ),
    StageFault(
        "result-of-other-extension",
        "extensions",
        "aarch64: extended results of calls are not extended again, in another way neither",
        (
            (
                "isa/aarch64/lower.isle",
                "",
                """
(rule 9 (lower (sextend $I64 x))
        (if-let true FAULT)
        (if-let true (is_extended_result x))
        x)
(rule 9 (lower (uextend $I64 x))
        (if-let true FAULT)
        (if-let true (is_extended_result x))
        x)
""",
            ),
        ),
    ),
)
