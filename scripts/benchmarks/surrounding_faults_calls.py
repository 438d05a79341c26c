"""Faults of inlined calls and of exception tables."""

from __future__ import annotations

from typing import Final

from scripts.benchmarks.stage_fault import SurroundingFault

_INLINE: Final = "inline.rs"

INLINER: Final = (
    SurroundingFault(
        "shuffle-of-caller",
        "inliner",
        "an inlined shuffle's mask is the caller's of the same number",
        (
            (
                _INLINE,
                "        ir::Immediate::from_u32(offset + callee_immediate.as_u32())",
                (
                    "        ir::Immediate::from_u32("
                    "if ON { 0 } else { offset } + callee_immediate.as_u32())"
                ),
            ),
        ),
        "inline",
    ),
    SurroundingFault(
        "one-alias-region",
        "inliner",
        "inlined accesses all belong to the caller's first alias region",
        (
            (
                _INLINE,
                "self.func.dfg.alias_regions.insert(region_data);",
                (
                    "self.func.dfg.alias_regions.insert(region_data);\n"
                    "            let caller_region ="
                    " if ON { ir::AliasRegion::from_u32(0) } else { caller_region };"
                ),
            ),
        ),
        "inline",
    ),
    SurroundingFault(
        "results-in-any-order",
        "inliner",
        "a try_call's block is jumped to as if it took the results in order",
        (
            (
                _INLINE,
                "                        arg == ir::BlockArg::TryCallRet(i)\n",
                (
                    "                        arg == ir::BlockArg::TryCallRet(i)\n"
                    "                            || ON && matches!(arg,"
                    " ir::BlockArg::TryCallRet(_))\n"
                ),
            ),
        ),
        "exceptions",
    ),
    SurroundingFault(
        "outer-handlers-first",
        "inliner",
        "handlers of an inlined try_call come after those of the call that was inlined",
        (
            (
                _INLINE,
                """                    func.dfg.exception_tables[exception]
                        .items()
                        .chain(func.dfg.exception_tables[call_exception_table].items()),
""",
                """                    func.dfg.exception_tables[first]
                        .items()
                        .chain(func.dfg.exception_tables[second].items()),
""",
            ),
            (
                _INLINE,
                "                let exception_data = ExceptionTableData::new(\n",
                """                let (mut first, mut second) = (exception, call_exception_table);
                if ON {
                    core::mem::swap(&mut first, &mut second);
                }
                let exception_data = ExceptionTableData::new(
""",
            ),
        ),
        "exceptions",
    ),
    SurroundingFault(
        "handlers-not-inherited",
        "inliner",
        "calls inlined for a try_call do not get its handlers",
        (
            (
                _INLINE,
                """                    if call_opcode == ir::Opcode::TryCall {
                        allocs
""",
                """                    if !ON && call_opcode == ir::Opcode::TryCall {
                        allocs
""",
            ),
        ),
        "exceptions",
    ),
)

TABLES: Final = (
    SurroundingFault(
        "three-handlers",
        "exception tables",
        "a call has no more than three entries in the table",
        (
            (
                "machinst/buffer.rs",
                "self.exception_handlers.extend(exception_handlers);",
                (
                    "self.exception_handlers"
                    ".extend(exception_handlers.take(if ON { 3 } else { usize::MAX }));"
                ),
            ),
        ),
        "exceptions",
    ),
    SurroundingFault(
        "context-below-arguments",
        "exception tables",
        "the place of a spilled context does not regard the arguments of calls",
        (
            (
                "machinst/abi.rs",
                "layout.spillslot_offset(spillslot) + i64::from(layout.outgoing_args_size);",
                (
                    "layout.spillslot_offset(spillslot)"
                    " + if ON { 0 } else { i64::from(layout.outgoing_args_size) };"
                ),
            ),
        ),
        "exceptions",
    ),
)
