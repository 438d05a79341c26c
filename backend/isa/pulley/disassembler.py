"""Disassembles Pulley bytecode, with the interpreter's program."""

from __future__ import annotations

import os
import subprocess
from functools import cache

from backend.cranelift import _cranelift
from backend.emulator.disassembly import Instruction
from backend.engines.guest_process import file_of


@cache
def _program() -> str:
    """Return a path of the program, which this process keeps open."""
    return f"/proc/{os.getpid()}/fd/{file_of(_cranelift.pulley_program()[0])}"


def disassemble(code: bytes) -> list[Instruction]:
    """Return the instructions in code. Jump tables belong to the instructions in front of them."""
    command = [_program(), "disassemble"]
    done = subprocess.run(command, input=code, capture_output=True, check=True)
    return [_instruction(code, line) for line in done.stdout.decode().splitlines()]


def _instruction(code: bytes, line: str) -> Instruction:
    start, size, mnemonic, *operands = line.split(maxsplit=3)
    place, length = int(start), int(size)
    text = "".join(operands).replace("    // target =", " ->")
    return Instruction(place, length, mnemonic, text, code[place : place + length])
