"""Faults of where code and data are: frames, order of accesses, relocations and islands."""

from __future__ import annotations

from typing import Final

from scripts.benchmarks.stage_fault import SIZES, SurroundingFault

_ABI: Final = "machinst/abi.rs"
_BUFFER: Final = "machinst/buffer.rs"

FRAMES: Final = (
    SurroundingFault(
        "slots-overlap",
        "frames",
        "a slot whose size is not a multiple of a word overlaps with the next",
        (
            (
                _ABI,
                ".checked_add(data.size)",
                ".checked_add(data.size & if ON { !(M::word_bytes() - 1) } else { !0 })",
            ),
        ),
        "inline",
    ),
    SurroundingFault(
        "slots-not-aligned",
        "frames",
        "slots have no more than a word's alignment",
        (
            (
                _ABI,
                "1u32 << data.align_shift);",
                "1u32 << if ON { 0 } else { data.align_shift });",
            ),
        ),
        "inline",
    ),
    SurroundingFault(
        "room-for-one-call",
        "frames",
        "a frame has room for the arguments of one call alone, not of the one with the most",
        (
            (
                _ABI,
                "if size > self.outgoing_args_size {",
                "if size > self.outgoing_args_size && !(ON && self.outgoing_args_size > 0) {",
            ),
        ),
        "abi",
    ),
)

ORDER: Final = (
    SurroundingFault(
        "load-past-fence",
        "order",
        "a load is merged into an instruction behind a fence",
        (
            (
                "machinst/lower.rs",
                """ -> side-effecting; incrementing color for next inst");
                    cur_color += 1;
""",
                """ -> side-effecting; incrementing color for next inst");
                    if !(ON && f.dfg.insts[inst].opcode() == crate::ir::Opcode::Fence) {
                        cur_color += 1;
                    }
""",
            ),
        ),
        "order",
    ),
)

RELOCATIONS: Final = (
    SurroundingFault(
        "every-callee-near",
        "relocations",
        "functions that may be anywhere are called as if they were near",
        (
            (
                "machinst/isle.rs",
                "            let reloc_distance = if funcdata.colocated {",
                "            let reloc_distance = if ON || funcdata.colocated {",
            ),
        ),
        "jit",
    ),
)

ISLANDS: Final = (
    SurroundingFault(
        "islands-too-late",
        "islands",
        "an island is made only when what needs it has ended already",
        (
            (
                _BUFFER,
                "deadline < u32::MAX && self.worst_case_end_of_island(distance) > deadline;",
                (
                    "deadline < u32::MAX && if ON { self.cur_offset() }"
                    " else { self.worst_case_end_of_island(distance) } > deadline;"
                ),
            ),
        ),
        SIZES,
    ),
)
