"""Faults of what is far away: branches, veneers, tables, constants and frames.

The machine code of large programs (``fuzz/survey/sizes``) is changed at a place that only a large
program has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any, Final, cast

import capstone

from backend.emulator.disassembly import data_ranges, disassemble
from backend.emulator.linker import Compiled
from backend.isa.registry import ISAS
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault
from fuzz.survey.sizes.registry import SHAPES

_ISAS: Final = ("x86_64", "aarch64")
#: A distance in bytes that small functions do not have.
_FAR: Final = 4096
#: By mnemonic of AArch64: the lowest bit and the width of a branch's distance in words.
_BRANCHES: Final = {"b": (0, 26), "tbz": (5, 14), "tbnz": (5, 14), "cbz": (5, 19), "cbnz": (5, 19)}
_CONDITIONAL: Final = (5, 19)

#: Changes code at one of the places that it found in it.
Place = Callable[[bytearray], None]


class WithOtherCode:
    """A function with changed machine code."""

    def __init__(self, compiled: Compiled, code: bytes) -> None:
        self._compiled, self.code = compiled, code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


def _case(shape: str, sizes: Sequence[int], isas: Sequence[str], index: int) -> Case:
    text = SHAPES[shape].file(sizes[index % len(sizes)], "speed", isas)
    return read_case(text).case


def size_fault(
    name: str,
    summary: str,
    shape: str,
    sizes: Sequence[int],
    isas: tuple[str, ...] = _ISAS,
) -> Callable[[Callable[[str, Compiled], list[Place]]], None]:
    """Register a function that lists the places of a fault in the code of a large program."""

    def register(find: Callable[[str, Compiled], list[Place]]) -> None:
        def inject(case: Case, rng: Random) -> Injection:
            def change(case: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
                first, *others = program
                places = find(isa, first)
                if not places:
                    return program
                code = bytearray(first.code)
                rng.choice(places)(code)
                return [cast(Compiled, WithOtherCode(first, bytes(code))), *others]

            return Injection(code=change)

        fault(name, summary, isas=isas, cases=partial(_case, shape, sizes, isas))(inject)

    return register


# --- branches ---


def _distance(instruction: Any) -> int | None:
    """Return how far a direct branch goes, None for any other instruction."""
    if not instruction.group(capstone.CS_GRP_JUMP) or not instruction.operands:
        return None
    operand = instruction.operands[-1]
    return operand.imm - instruction.address if operand.type == capstone.CS_OP_IMM else None


def _shorten(isa: str, instruction: Any) -> Place:
    """Return what makes a branch end 4 bytes before its target."""
    at, size = instruction.address, instruction.size
    if isa == "x86_64":
        return partial(_add, at + size - 4, -4)
    low, bits = _BRANCHES.get(instruction.mnemonic, _CONDITIONAL)
    return partial(_add_to_field, at, low, bits, -1)


def _add(at: int, number: int, code: bytearray) -> None:
    (value,) = struct.unpack_from("<i", code, at)
    struct.pack_into("<i", code, at, value + number)


def _add_to_field(at: int, low: int, bits: int, number: int, code: bytearray) -> None:
    (word,) = struct.unpack_from("<I", code, at)
    mask = (1 << bits) - 1
    field = (word >> low) + number & mask
    struct.pack_into("<I", code, at, word & ~(mask << low) | field << low)


@size_fault(
    "far-branch-short", "a far branch ends 4 bytes before its target", "far_branch", (2048, 4096)
)
def _far_branch(isa: str, compiled: Compiled) -> list[Place]:
    return [
        _shorten(isa, instruction)
        for instruction in disassemble(ISAS[isa], compiled)
        if abs(_distance(instruction) or 0) >= _FAR
    ]


@size_fault(
    "veneer-offset",
    "the veneer of a branch that does not reach its target leads elsewhere",
    "far_exits",
    (10_000, 12_000),
    ("riscv64",),
)
def _veneer(isa: str, compiled: Compiled) -> list[Place]:
    """List the veneers: pairs of ``auipc`` and ``jr`` (``jalr x0``) by the same register."""
    code = compiled.code
    places: list[Place] = []
    words = struct.unpack(f"<{len(code) // 4}I", code[: len(code) // 4 * 4])
    for at, (first, second) in enumerate(pairwise(words)):
        register = first >> 7 & 31
        if first & 127 == 0x17 and second & 0xFFF == 0x67 and second >> 15 & 31 == register:
            places.append(partial(_add_to_field, 4 * at + 4, 20, 12, -4))
    return places


@size_fault(
    "veneer-offset-bit",
    "the veneer of a test of a bit that does not reach its target leads elsewhere",
    "far_bit_branch",
    (10_000, 12_000),
    ("aarch64",),
)
def _veneer_of_bit(isa: str, compiled: Compiled) -> list[Place]:
    found = {i.address: i for i in disassemble(ISAS[isa], compiled)}
    tests = [i for i in found.values() if i.mnemonic in ("tbz", "tbnz")]
    targets = [found.get(i.address + (_distance(i) or 0)) for i in tests]
    return [_shorten(isa, i) for i in targets if i is not None and i.mnemonic == "b"]


# --- tables, constants, frames ---


@size_fault(
    "table-entry-swapped", "two entries of a table of branches change", "far_table", (2048,)
)
def _table_entry(isa: str, compiled: Compiled) -> list[Place]:
    instructions = disassemble(ISAS[isa], compiled)
    places: list[Place] = []
    for start, end in data_ranges(instructions, len(compiled.code)):
        if end - start >= 4 * 32:  # the program's table has so many entries
            places += [partial(_swap, start + 4 * k) for k in (0, 1, 30)]
    return places


def _swap(at: int, code: bytearray) -> None:
    code[at : at + 8] = code[at + 4 : at + 8] + code[at : at + 4]


@size_fault(
    "far-constant-neighbour", "a constant of the pool is the next one", "far_vectors", (4096,)
)
def _constant(isa: str, compiled: Compiled) -> list[Place]:
    places: list[Place] = []
    for instruction in disassemble(ISAS[isa], compiled):
        if isa == "x86_64" and "[rip + " in instruction.op_str and instruction.disp_size == 4:
            places.append(partial(_add, instruction.address + instruction.disp_offset, 16))
        elif isa == "aarch64" and instruction.mnemonic == "ldr" and "[" not in instruction.op_str:
            places.append(partial(_add_to_field, instruction.address, 5, 19, 4))
    return places[:-1]  # behind the last one is no other


@size_fault(
    "frame-offset-truncated",
    "an offset in a large frame loses all but its lowest bits",
    "frame_of_slots",
    (1 << 20, 16 << 20),
)
def _frame_offset(isa: str, compiled: Compiled) -> list[Place]:
    places: list[Place] = []
    for instruction in disassemble(ISAS[isa], compiled):
        at = instruction.address
        if isa == "x86_64" and "[rsp + " in instruction.op_str and instruction.disp_size == 4:
            if instruction.mnemonic != "lea" or instruction.disp >= _FAR:
                places.append(partial(_truncate, at + instruction.disp_offset, 0xFFF))
        elif isa == "aarch64" and instruction.mnemonic in ("movk", "mov", "movz"):
            places += [partial(_clear_immediate, at)] * ("#0x" in instruction.op_str)
    return places


def _truncate(at: int, mask: int, code: bytearray) -> None:
    (value,) = struct.unpack_from("<I", code, at)
    struct.pack_into("<I", code, at, value & mask)


def _clear_immediate(at: int, code: bytearray) -> None:
    """Keep the 12 lowest bits of a constant: nothing of its higher half, if this is that."""
    (word,) = struct.unpack_from("<I", code, at)
    kept = 0xFFF if not word >> 21 & 3 else 0
    struct.pack_into("<I", code, at, word & ~(0xFFFF << 5) | word & kept << 5)
