"""ISLE rules of Cranelift made wrong on purpose, to measure how soon they are detected.

The faults of ``fuzz.selfcheck`` change what the compiler made; these make the compiler itself
wrong. ``inject`` edits a copy of ``cranelift-codegen``: each rule of the table gets a faulty twin,
and ``(fault N)`` chooses between the two when a function is compiled, by the environment variable
``SWITCH``. So one build is enough for all of them, and without the variable it is sound.
``rule_fault_detection`` builds it, and measures how soon the faults are detected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.benchmarks.stage_fault import StageFault
from scripts.benchmarks.stage_faults import STAGE_FAULTS

#: The environment variable with the number of the fault that is switched on.
SWITCH: Final = "CLIF_FUZZ_RULE_FAULT"


class StaleFault(Exception):
    """This Cranelift does not contain the text that is to be changed."""


@dataclass(frozen=True, slots=True)
class RuleFault:
    """One wrong rule.

    Attributes:
        group: ``mid_end`` or the ISA.
        kind: what is wrong about it, in a few words.
        file: its file, below ``src``.
        left: the text of the rule up to its right-hand side.
        right: the text of the right-hand side.
        wrong: the faulty right-hand side; empty if it stays.
        lost: a condition in ``left`` that the faulty rule does not have.
    """

    name: str
    group: str
    kind: str
    file: str
    left: str
    right: str
    wrong: str = ""
    lost: str = ""

    @property
    def original(self) -> str:
        return f"{self.left}{self.right})"

    def sound(self, number: int) -> str:
        """Return the text of the rule as it is without the fault."""
        return f"{self.left}(if-let false (fault {number}))\n      {self.right})"

    def twins(self, number: int) -> str:
        """Return the text of the rule and of the faulty one; ``(fault number)`` chooses."""
        left = self.left.replace(self.lost, "") if self.lost else self.left
        left = _NAME.sub(r"\1", left)  # two rules cannot have one name
        right = self.wrong or self.right
        return f"{self.sound(number)}\n{left}(if-let true (fault {number}))\n      {right})"


_NAME: Final = re.compile(r"^(\(rule )[a-z]\w* ")
_X64: Final = "isa/x64/lower.isle"
_A64: Final = "isa/aarch64/lower.isle"

FAULTS: Final[tuple[RuleFault, ...]] = (
    RuleFault(
        "sextend-of-uextend",
        "mid_end",
        "wrong extension",
        "opts/extends.isle",
        "(rule (simplify (sextend ty (uextend _intermediate_ty x)))\n      ",
        "(uextend ty x)",
        "(sextend ty x)",
    ),
    RuleFault(
        "difference-of-bnots",
        "mid_end",
        "swapped operands",
        "opts/bitops.isle",
        "(rule (simplify (isub ty (bnot ty x) (bnot ty y))) ",
        "(isub ty y x)",
        "(isub ty x y)",
    ),
    RuleFault(
        "sshr-of-sshr",
        "mid_end",
        "lost condition: the sum of the amounts is below the width",
        "opts/shifts.isle",
        """(rule (simplify (sshr ty
                      (sshr ty x (iconst_u kty k1))
                      (iconst_u _ k2)))
      (if-let shift_amt (u64_wrapping_add
                              (u64_and k1 (ty_shift_mask ty))
                              (u64_and k2 (ty_shift_mask ty))))
      (if-let true (u64_lt shift_amt (ty_bits_u64 (lane_type ty))))
      """,
        "(sshr ty x (iconst_u kty shift_amt))",
        lost="(if-let true (u64_lt shift_amt (ty_bits_u64 (lane_type ty))))",
    ),
    RuleFault(
        "mask-of-sextend",
        "mid_end",
        "lost condition: the mask has the width of the narrow type",
        "opts/extends.isle",
        """(rule (simplify (band wide (sextend _ x @ (value_type narrow)) (iconst_u _ mask)))
      (if-let true (u64_eq mask (ty_mask narrow)))
      """,
        "(uextend wide x)",
        lost="(if-let true (u64_eq mask (ty_mask narrow)))",
    ),
    RuleFault(
        "select-of-slt",
        "mid_end",
        "unsigned instead of signed",
        "opts/selects.isle",
        "(rule (simplify (select ty (slt _ x y) x y)) ",
        "(smin ty x y)",
        "(umin ty x y)",
    ),
    RuleFault(
        "bitselect-of-bands",
        "mid_end",
        "swapped operands, vectors",
        "opts/selects.isle",
        "(rule (simplify (bor (ty_vec128 ty) (band ty x c) (band ty y (bnot ty c) ))) ",
        "(bitselect ty c x y)",
        "(bitselect ty c y x)",
    ),
    RuleFault(
        "shld",
        "x86_64",
        "lost condition: the amounts add up to the width",
        _X64,
        """(rule 8 (lower (bor (ty_int_ref_16_to_64 ty) (ishl _ x (u8_from_iconst xs)) \
(ushr _ y (u8_from_iconst ys))))
  (if-let true (u64_eq (ty_bits ty) (u64_wrapping_add xs ys)))
  (if-let true (u64_gt xs 0))
  (if-let true (u64_gt ys 0))
  """,
        "(x64_shld ty x y xs)",
        lost="(if-let true (u64_eq (ty_bits ty) (u64_wrapping_add xs ys)))",
    ),
    RuleFault(
        "andn",
        "x86_64",
        "swapped operands",
        _X64,
        """(rule 11 (lower (band ty (bnot _ y) x))
      (if (ty_int_ref_scalar_64 ty))
      (if-let true (has_bmi1))
      """,
        "(x64_andn ty y x)",
        "(x64_andn ty x y)",
    ),
    RuleFault(
        "sshr-i64x2",
        "x86_64",
        "wrong width of the amount, vectors",
        _X64,
        "(rule 1 (lower (sshr $I64X2 src (u32_from_iconst amt)))\n        ",
        "(lower_i64x2_sshr_imm src (u32_and amt 63))",
        "(lower_i64x2_sshr_imm src (u32_and amt 31))",
    ),
    RuleFault(
        "isub-i128-uextend",
        "x86_64",
        "wrong upper half",
        _X64,
        "(rule 3 (lower (isub $I128 x (uextend _ y @ (value_type $I64))))\n        ",
        """(let ((x_regs ValueRegs x))
          (isub128 (value_regs_get_gpr x 0) (value_regs_get_gpr x 1)
                   y (gpr_mem_imm_64_imm 0)))""",
        """(let ((x_regs ValueRegs x))
          (isub128 (value_regs_get_gpr x 0) (value_regs_get_gpr x 1)
                   y (gpr_mem_imm_64_imm 1)))""",
    ),
    RuleFault(
        "minss",
        "x86_64",
        "swapped operands, which only a NaN shows",
        _X64,
        "(rule 3 (lower (select $F32 (maybe_uextend (fcmp _ (FloatCC.LessThan) x y)) x y))\n"
        "        ",
        "(x64_minss x y)",
        "(x64_minss y x)",
    ),
    RuleFault(
        "iadd-ishl",
        "aarch64",
        "swapped operands",
        _A64,
        """(rule iadd_ishl_right 7 (lower (iadd (ty_int_ref_scalar_64_extract ty) x \
(ishl _ y (iconst _ k))))
      (if-let amt (lshl_from_imm64 ty k))
      """,
        "(add_shift ty x y amt)",
        "(add_shift ty y x amt)",
    ),
    RuleFault(
        "isub-imul",
        "aarch64",
        "another operation",
        _A64,
        "(rule isub_imul (lower (isub (ty_int_ref_scalar_64_extract ty) x (imul _ y z)))\n      ",
        "(msub ty y z x)",
        "(madd ty y z x)",
    ),
    RuleFault(
        "umulh",
        "aarch64",
        "wrong extension",
        _A64,
        """(rule 1 (lower i @ (isplit _ (imul $I128 (uextend _ x) (uextend _ y))))
  (if-let (first_result lo) i)
  (if-let true (value_is_unused lo))
  """,
        """(output_pair (invalid_reg)
               (umulh $I64 (put_in_reg_zext64 x) (put_in_reg_zext64 y)))""",
        """(output_pair (invalid_reg)
               (umulh $I64 (put_in_reg_sext64 x) (put_in_reg_zext64 y)))""",
    ),
    RuleFault(
        "uaddlp8",
        "aarch64",
        "signed instead of unsigned, vectors",
        _A64,
        "(rule (lower (iadd_pairwise $I16X8 (uwiden_low _ x) (uwiden_high _ x)))\n      ",
        "(uaddlp8 x)",
        "(saddlp8 x)",
    ),
    RuleFault(
        "rotl-imm",
        "aarch64",
        "wrong direction",
        _A64,
        """(rule rotl_64_imm 1 (lower (rotl $I64 x (iconst _ k)))
      (if-let n (imm_shift_from_imm64 $I64 k))
      """,
        "(a64_rotr_imm $I64 x (negate_imm_shift $I64 n))",
        "(a64_rotr_imm $I64 x n)",
    ),
)

_DECLARATION: Final = """
;; Whether a fault of a rule is switched on.
(decl pure fault (u32) bool)
(extern constructor fault fault)
"""
_METHODS: Final = "macro_rules! isle_common_prelude_methods {\n    () => {\n"
_METHOD: Final = """        #[inline]
        fn fault(&mut self, number: u32) -> bool {
            crate::isle_prelude::switched_on() == Some(number)
        }

"""
_FUNCTION: Final = f"""
/// The number of the fault that is switched on.
pub(crate) fn switched_on() -> Option<u32> {{
    static NUMBER: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    *NUMBER.get_or_init(|| std::env::var("{SWITCH}").ok()?.parse().ok())
}}
"""


def inject(folder: Path) -> None:
    """Put all wrong rules into a copy of ``cranelift-codegen``.

    Raises:
        StaleFault: the copy has another version, without one of the texts that are changed.
        OSError: the copy is incomplete, or cannot be changed.
    """
    for number, fault in enumerate(FAULTS, 1):
        _replace(folder / "src" / fault.file, fault.original, fault.twins(number))
    _add_switch(folder / "src")


def inject_stage_faults(folder: Path, faults: Sequence[StageFault] = STAGE_FAULTS) -> None:
    """Put all faults of single stages into a copy of ``cranelift-codegen``.

    Args:
        faults: of stages, or of what surrounds the code.

    Raises:
        StaleFault, OSError: as for ``inject``.
    """
    source = folder / "src"
    for number, fault in enumerate(faults, 1):
        for file, old, new in fault.numbered(number):
            _replace(source / file, old, new) if old else _append(source / file, new)
    _add_switch(source)


def _add_switch(source: Path) -> None:
    _append(source / "prelude.isle", _DECLARATION)
    _replace(source / "isle_prelude.rs", _METHODS, _METHODS + _METHOD)
    _append(source / "isle_prelude.rs", _FUNCTION)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise StaleFault(f"{file}: {text.count(old)} times instead of once: {old.splitlines()[0]}")
    file.write_text(text.replace(old, new), encoding="utf-8")


def _append(file: Path, more: str) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(more)
