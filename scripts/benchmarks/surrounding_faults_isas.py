"""Faults of what surrounds the code in a single ISA."""

from __future__ import annotations

from typing import Final

from scripts.benchmarks.stage_fault import SIZES, SurroundingFault

_A64: Final = "isa/aarch64/inst"

OF_ISAS: Final = (
    SurroundingFault(
        "saved-registers-not-aligned",
        "unwind",
        "x86-64: a saved vector register is said to be where the one before it ends",
        (
            (
                "isa/x64/abi.rs",
                """            cur_offset = align_to(cur_offset, ty.bytes());
            let off = cur_offset;
""",
                """            let ended = cur_offset;
            cur_offset = align_to(cur_offset, ty.bytes());
            let off = cur_offset;
""",
            ),
            (
                "isa/x64/abi.rs",
                "                        clobber_offset: off,\n",
                "                        clobber_offset: if ON { ended } else { off },\n",
            ),
        ),
        "unwind",
    ),
    SurroundingFault(
        "second-of-pair-lost",
        "unwind",
        "aarch64: of two vector registers saved at once the second is said to be below",
        (
            (
                "isa/aarch64/abi.rs",
                "clobber_offset: clobber_offset + clobber_offset_change / 2,",
                "clobber_offset: clobber_offset + if ON { 0 } else { clobber_offset_change / 2 },",
            ),
        ),
        "unwind",
    ),
    SurroundingFault(
        "indirect-call-without-map",
        "stack maps",
        "x86-64: calls of addresses have no stack map",
        (
            (
                "isa/x64/inst/emit.rs",
                """            if let Some(s) = stack_map {
                let offset = sink.cur_offset();
""",
                """            if let (Some(s), false) = (stack_map, ON) {
                let offset = sink.cur_offset();
""",
            ),
        ),
        "stack_maps",
    ),
    SurroundingFault(
        "store-without-release",
        "order",
        "aarch64: an atomic store is an ordinary one",
        (
            (
                f"{_A64}/emit.rs",
                "sink.put4(enc_stlr(access_ty, rt, rn));",
                """let word = enc_stlr(access_ty, rt, rn);
                sink.put4(if ON { word & 0xc000_03ff | 0x3900_0000 } else { word });""",
            ),
        ),
        "order",
    ),
    SurroundingFault(
        "offset-of-symbol-lost",
        "relocations",
        "x86-64: the relocation of a near address does not have the offset",
        (
            (
                "isa/x64/inst/emit.rs",
                "Reloc::X86CallPCRel4, name, *offset - 4);",
                "Reloc::X86CallPCRel4, name, if ON { 0 } else { *offset } - 4);",
            ),
        ),
        "objects",
    ),
    SurroundingFault(
        "page-of-symbol-alone",
        "relocations",
        "aarch64: of the two relocations of a near address one does not have the offset",
        (
            (
                f"{_A64}/emit.rs",
                "sink.add_reloc(Reloc::Aarch64AdrPrelPgHi21, &**name, offset);",
                (
                    "sink.add_reloc(Reloc::Aarch64AdrPrelPgHi21, &**name,"
                    " if ON { 0 } else { offset });"
                ),
            ),
        ),
        "objects",
    ),
    SurroundingFault(
        "branch-ahead-cut",
        "islands",
        "aarch64: a branch to more than 64 KiB ahead ends too early",
        (
            (
                f"{_A64}/mod.rs",
                "LabelUse::Branch26 => pc_rel_shifted & 0x3ffffff,",
                (
                    "LabelUse::Branch26 => pc_rel_shifted"
                    " & if ON && pc_rel < 1 << 31 { 0x3fff } else { 0x3ffffff },"
                ),
            ),
        ),
        SIZES,
    ),
)
