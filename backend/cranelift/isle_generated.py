"""The code that ISLE generates for its rules, as Rust source and as machine code.

In the source, a rule becomes nested conditions with this inside::

    let v326 = constructor_smin(ctx, v2.0, v99.0, v99.1);
    // Rule at src/opts/arithmetic.isle line 482.
    returns.extend(Some(v326));
    if returns.len() >= MAX_ISLE_RETURNS { return true; }

Everything in the block before the comment belongs to the rule's right-hand side: up to the block's
beginning, the end of a nested block or the statements of another rule. It runs once all conditions
of the left-hand side hold.

In machine code, ``BlockDisassembler`` finds the instructions, and those that end a basic block.
"""

from __future__ import annotations

import ctypes
import platform
import re
from collections.abc import Iterator, Sequence
from typing import Final

import capstone

_COMMENT: Final = re.compile(r"\s*// Rule at (.+) line (\d+)\.\s*$")
_OVERFLOW: Final = "if returns.len() >= MAX_ISLE_RETURNS"

#: A rule's file, as the comment names it, and its line there.
Place = tuple[str, int]


def right_hand_sides(code: str) -> tuple[set[Place], dict[int, Place]]:
    """Return the rules of a generated file, and which rule each line belongs to.

    Returns:
        The places of all rules; and by line, counted from 1, the place of the rule on whose
        right-hand side it is. Lines of no rule are left out.
    """
    lines = code.splitlines()
    owners: dict[int, Place] = {}
    free = 0  # the first line that does not belong to an earlier rule
    for index, line in enumerate(lines):
        found = _COMMENT.match(line)
        if found is None:
            continue
        place = found[1].replace("\\", "/"), int(found[2])
        start, stop = _start(lines, index, free), _stop(lines, index)
        owners.update(dict.fromkeys(range(start + 1, stop + 1), place))
        free = stop
    return set(owners.values()), owners


def _start(lines: Sequence[str], comment: int, free: int) -> int:
    """Return the index of the first line that belongs to the rule."""
    depth = _indent(lines[comment])
    start = comment
    while start > free:
        text = lines[start - 1].strip()
        indent = _indent(lines[start - 1])
        if text and (indent < depth or (indent == depth and text == "}")):
            break
        start -= 1
    return start


def _stop(lines: Sequence[str], comment: int) -> int:
    """Return the index behind the last line that belongs to the rule."""
    depth = _indent(lines[comment])
    stop = comment + 1
    while stop < len(lines) and _indent(lines[stop]) >= depth:
        stop += 1
        if lines[stop - 1].endswith(";") and _indent(lines[stop - 1]) == depth:
            break
    if stop < len(lines) and lines[stop].strip().startswith(_OVERFLOW):
        stop += 1
    return stop


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


# --- machine code ---

_MACHINES: Final = {
    "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
}
_MACHINE_ALIASES: Final = {"AMD64": "x86_64", "arm64": "aarch64"}
#: The mnemonics that end a block. On x86-64 all jumps do as well: theirs begin with a j.
_ENDS: Final = frozenset(
    ["ret", "ud2", "int3", "b", "br", "cbz", "cbnz", "tbz", "tbnz", "brk", "hlt", "udf"]
)
#: Those behind which the code never goes on.
_WITHOUT_NEXT: Final = frozenset(
    ["jmp", "ret", "ud2", "int3", "b", "br", "brk", "hlt", "udf"],
)
#: The operand of a branch to a place that does not depend on data; the last one, if it has several.
_TARGET: Final = re.compile(r"(?:^|[ #,])#?(0x[0-9a-f]+)$")
_MOST_BYTES: Final = 512


class BlockDisassembler:
    """Disassembles machine code of this process.

    A call does not end a block: it comes back unless it panics. Nothing is known of the code of a
    machine that is not one of the known ones.

    Args:
        stop: an address up to which the code may be read.
    """

    def __init__(self, stop: int) -> None:
        self.stop = stop
        machine = platform.machine()
        known = _MACHINES.get(_MACHINE_ALIASES.get(machine, machine))
        self._disassembler = capstone.Cs(*known) if known is not None else None

    def block(self, start: int) -> tuple[list[int], list[int]]:
        """Return the addresses of the instructions from ``start`` on, without the final branch, and
        those at which the code may go on after it."""
        instructions: list[int] = []
        if self._disassembler is None:
            return instructions, []
        code = ctypes.string_at(start, max(0, min(_MOST_BYTES, self.stop - start)))
        for address, size, mnemonic, operands in self._disassembler.disasm_lite(code, start):
            targets = _targets(address, size, mnemonic, operands)
            if targets is not None:
                return instructions, targets
            instructions.append(address)
        return instructions, []

    def sweep(self, first: int, stop: int) -> Iterator[tuple[int, int, list[int] | None]]:
        """Yield the instructions from ``first`` on up to ``stop``: their addresses and sizes; and
        of those that end a block, the addresses at which the code may go on after them."""
        if self._disassembler is None:
            return
        code = ctypes.string_at(first, max(0, min(stop, self.stop) - first))
        for address, size, mnemonic, operands in self._disassembler.disasm_lite(code, first):
            yield address, size, _targets(address, size, mnemonic, operands)


def _targets(address: int, size: int, mnemonic: str, operands: str) -> list[int] | None:
    """Return where the code may go on after a branch or return; None for another instruction.

    The place after an instruction is the first of them, if the code may go on there.
    """
    if not mnemonic.startswith("j") and mnemonic.partition(".")[0] not in _ENDS:
        return None
    target = _TARGET.search(operands)
    behind = [address + size] * (mnemonic not in _WITHOUT_NEXT)
    return behind + ([int(target[1], 16)] if target else [])
