"""Faults of what describes frames: unwind information, stack maps and value labels."""

from __future__ import annotations

from typing import Final

from scripts.benchmarks.stage_fault import SurroundingFault

_VCODE: Final = "machinst/vcode.rs"

DESCRIPTIONS: Final = (
    SurroundingFault(
        "frame-pointer-too-early",
        "unwind",
        "the frame pointer is said to be set before it is",
        (
            (
                "machinst/buffer.rs",
                "        self.unwind_info.push((self.cur_offset(), unwind));",
                """        let early = matches!(unwind, UnwindInst::DefineNewFrame { .. }) && ON;
        let at = match self.unwind_info.last() {
            Some((last, _)) if early => *last,
            _ => self.cur_offset(),
        };
        self.unwind_info.push((at, unwind));""",
            ),
        ),
        "unwind",
    ),
    SurroundingFault(
        "references-of-caller-lost",
        "stack maps",
        "an inlined call's map does not have what the caller keeps",
        (
            (
                "inline.rs",
                "            .flat_map(|entries| entries.iter().cloned()),",
                (
                    "            .filter(|_| !ON)\n"
                    "            .flat_map(|entries| entries.iter().cloned()),"
                ),
            ),
        ),
        "stack_maps",
    ),
    SurroundingFault(
        "reference-at-slot-start",
        "stack maps",
        "references are said to be where their slots begin",
        (
            (
                "ir/user_stack_maps.rs",
                "stack_slot_offsets[entry.slot] + entry.offset;",
                "stack_slot_offsets[entry.slot] + if ON { 0 } else { entry.offset };",
            ),
        ),
        "stack_maps",
    ),
    SurroundingFault(
        "range-of-other-place",
        "labels",
        "a label's range is continued when the value moves to another place",
        (
            (
                _VCODE,
                "if last_loc_range.loc == loc && last_loc_range.end == from_offset {",
                "if (ON || last_loc_range.loc == loc) && last_loc_range.end == from_offset {",
            ),
        ),
        "labels",
    ),
    SurroundingFault(
        "range-begins-early",
        "labels",
        "a label's range begins and ends an instruction too early",
        (
            (
                _VCODE,
                "                if prog_point.pos() == InstPosition::After {",
                "                if !ON && prog_point.pos() == InstPosition::After {",
            ),
        ),
        "labels",
    ),
)
