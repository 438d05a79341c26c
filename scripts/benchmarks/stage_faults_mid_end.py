"""Faults of stages that no ISA has of its own: stores, constants, edges, extended results."""

from __future__ import annotations

from typing import Final

from scripts.benchmarks.stage_fault import StageFault

_ALIASES: Final = "alias_analysis.rs"

STORES: Final = (
    StageFault(
        "dead-store-before-trap",
        "stores",
        "instructions that trap observe no store",
        (
            (
                _ALIASES,
                (
                    "        else if opcode.can_trap() {\n"
                    "            self.observe_others(func, observed_stores, None, inst);"
                ),
                (
                    "        else if opcode.can_trap() {\n"
                    "            if !ON { self.observe_others(func, observed_stores, None, inst); }"
                ),
            ),
        ),
    ),
    StageFault(
        "dead-store-of-more-bytes",
        "stores",
        "a narrower store makes a wider one dead",
        (
            (
                _ALIASES,
                "if get_ext_opcode(maybe_dead_opcode) != get_ext_opcode(overwriter_opcode) {",
                (
                    "if !ON && get_ext_opcode(maybe_dead_opcode)"
                    " != get_ext_opcode(overwriter_opcode) {"
                ),
            ),
        ),
    ),
    StageFault(
        "dead-store-on-one-path",
        "stores",
        "a store is dead if another follows on one path",
        (
            (
                _ALIASES,
                "&& self.post_dominates_maybe_dead_store(func, cfg, inst, last_store)",
                "&& (ON || self.post_dominates_maybe_dead_store(func, cfg, inst, last_store))",
            ),
        ),
    ),
    StageFault(
        "load-of-other-extension",
        "stores",
        "a sign-extending load repeats a zero-extending one",
        (
            (
                _ALIASES,
                "        Opcode::Load | Opcode::Store => None,\n",
                (
                    "        Opcode::Load | Opcode::Store => None,\n"
                    "        Opcode::Sload8 if ON => Some(Opcode::Uload8),\n"
                    "        Opcode::Sload16 if ON => Some(Opcode::Uload16),\n"
                    "        Opcode::Sload32 if ON => Some(Opcode::Uload32),\n"
                ),
            ),
        ),
    ),
    StageFault(
        "forwarded-over-call",
        "stores",
        "a stored value is loaded without regard to a call between",
        (
            (
                _ALIASES,
                "Opcode::TryCall | Opcode::TryCallIndirect => true,",
                "Opcode::TryCall | Opcode::TryCallIndirect => !ON,",
            ),
        ),
    ),
)

CONSTANTS: Final = (
    StageFault(
        "least-by-minus-one",
        "constants",
        "the least number divided by -1 is folded, and does not trap",
        (
            (
                "isle_prelude.rs",
                "if x == min && y == -1 {",
                "if x == min && y == -1 && !ON {",
            ),
        ),
    ),
    StageFault(
        "divided-by-least",
        "constants",
        "the least number as a divisor is taken for a power of two",
        (
            (
                "opts/arithmetic.isle",
                """      (if-let true (u32_lt (u64_trailing_zeros d)
                           (u32_sub (ty_bits ty) 1)))
""",
                """      (if-let true (u32_lt (u64_trailing_zeros d)
                           (least_is_power FAULT (ty_bits ty))))
""",
            ),
            (
                "opts/arithmetic.isle",
                ";; x / 1 == x.\n",
                """(decl pure least_is_power (bool u32) u32)
(rule (least_is_power true bits) bits)
(rule (least_is_power false bits) (u32_sub bits 1))

;; x / 1 == x.
""",
            ),
        ),
    ),
    StageFault(
        "not-above-least",
        "constants",
        "nothing is equal to the least number",
        (
            (
                "opts/icmp.isle",
                """       (if-let true (u64_eq y (ty_smin cty)))
       (eq bty x smin))
""",
                """       (if-let true (u64_eq y (ty_smin cty)))
       (if-let false FAULT)
       (eq bty x smin))
(rule (simplify (sle (fits_in_64 (ty_int bty)) x (iconst_u cty y)))
       (if-let true (u64_eq y (ty_smin cty)))
       (if-let true FAULT)
       (subsume (iconst_u bty 0)))
""",
            ),
        ),
    ),
    StageFault(
        "zero-added",
        "constants",
        "x + 0.0 is x, also for -0.0",
        (
            (
                "opts/cprop.isle",
                "",
                """
(rule (simplify (fadd $F32 x (f32const _ (u32_from_ieee32 0))))
      (if-let true FAULT)
      (subsume x))
(rule (simplify (fadd $F64 x (f64const _ (u64_from_ieee64 0))))
      (if-let true FAULT)
      (subsume x))
""",
            ),
        ),
    ),
)
EDGES: Final = (
    StageFault(
        "constant-of-first-edge",
        "edges",
        "of several edges to a block only the first one's arguments count",
        (
            (
                "remove_constant_phis.rs",
                "            for edge in &src_summary.dests {\n",
                """            for (at, edge) in src_summary.dests.iter().enumerate() {
                let is_same = |e: &OutEdge| e.inst == edge.inst && e.block == edge.block;
                if ON && src_summary.dests[..at].iter().any(is_same) {
                    continue;
                }
""",
            ),
        ),
    ),
    StageFault(
        "arguments-of-first-edge",
        "edges",
        "edges to one block pass the arguments of the first",
        (
            (
                "machinst/lower.rs",
                "        let block_call = self.f.dfg.insts[branch_inst]\n",
                """        let lists = &self.f.dfg.value_lists;
        let calls = self.f.dfg.insts[branch_inst]
            .branch_destination(&self.f.dfg.jump_tables, &self.f.dfg.exception_tables);
        let target = calls[succ_idx].block(lists);
        let first = calls.iter().position(|call| call.block(lists) == target);
        let succ_idx = if ON { first.unwrap() } else { succ_idx };
        let block_call = self.f.dfg.insts[branch_inst]
""",
            ),
        ),
    ),
    StageFault(
        "branch-to-one-block",
        "edges",
        "a branch whose edges lead to one block becomes a jump",
        (
            (
                "opts/skeleton.isle",
                "",
                """
(decl pure same_block (Block Block) bool)
(extern constructor same_block same_block)
(rule (simplify_skeleton (brif _ one other))
      (if-let true FAULT)
      (if-let true (same_block (block_call_block one) (block_call_block other)))
      (jump one))
""",
            ),
            (
                "opts.rs",
                "    fn block_call_block(&mut self, block_call: BlockCall) -> Block {",
                (
                    "    fn same_block(&mut self, one: &Block, other: &Block) -> bool {\n"
                    "        one == other\n"
                    "    }\n\n"
                    "    fn block_call_block(&mut self, block_call: BlockCall) -> Block {"
                ),
            ),
        ),
    ),
)

RESULTS: Final = (
    StageFault(
        "result-of-32-bits",
        "extensions",
        "results of 32 bits are not extended",
        (
            (
                "machinst/abi.rs",
                "                            let vreg = match (ext, from_bits) {\n",
                """                            let is_left = from_bits == 32 && ON;
                            let ext = if is_left { ir::ArgumentExtension::None } else { ext };
                            let vreg = match (ext, from_bits) {
""",
            ),
        ),
    ),
)
