"""The thunks' machine code, read back by a disassembler."""

from __future__ import annotations

import capstone
import pytest

from backend.emulator import control_block
from backend.emulator.convention import Convention
from backend.emulator.guest_memory import CONTROL
from backend.emulator.thunk import LABELS, Thunk, encode
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.types import I8, I64
from tests.backend.emulator.machine import BOTH, Code, arm, run_code, signature, values

ADDRESS = 0x10_1000

_MODES = {
    "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
}


def thunk(isa: str, convention: str = "system_v", pinned: str | None = None) -> Thunk:
    return encode(ISAS[isa], ISAS[isa].convention(convention), pinned, ADDRESS)


def disassemble(isa: str, code: bytes) -> list[tuple[int, str, str]]:
    """Address, mnemonic and operands of each instruction; all of the code must be some."""
    engine = capstone.Cs(*_MODES[isa])
    instructions = [(i.address, i.mnemonic, i.op_str) for i in engine.disasm(code, ADDRESS)]
    decoded = sum(i.size for i in engine.disasm(code, ADDRESS))
    assert decoded == len(code)
    return instructions


@BOTH
@pytest.mark.parametrize(
    "convention", ["system_v", "fast", "tail", "windows_fastcall", "winch", "preserve_all"]
)
def test_it_decodes_to_the_end_and_ends_in_a_trap(isa, convention):
    code = thunk(isa, convention)
    address, mnemonic, _ = disassemble(isa, code.code)[-1]
    assert address == code.violated
    assert mnemonic in ("ud2", "udf")


@BOTH
def test_jumps_go_to_instructions(isa):
    instructions = disassemble(isa, thunk(isa).code)
    addresses = {address for address, _, _ in instructions}
    jumps = [
        (mnemonic, int(operands.split(", ")[-1].lstrip("#"), 16))
        for _, mnemonic, operands in instructions
        if mnemonic in ("jne", "cbnz", "adr", "push")
    ]
    # Two ways in, two ways back, one way from the short way to the other.
    assert len(jumps) == 5
    assert {target for _, target in jumps} <= addresses


def word_of(text: str) -> int:
    """The control word that an operand names, relative to the block or absolute."""
    address = int(text, 16) if text.startswith("0x") else int(text)
    return (address - (CONTROL if address >= CONTROL else 0)) // 8


@BOTH
def test_every_callee_saved_register_is_compared_loaded_saved_and_restored(isa):
    isa_ = ISAS[isa]
    code = thunk(isa)
    assert set(code.preserved.words) == set(isa_.convention("system_v").preserved)
    text = [f"{mnemonic} {operands}" for _, mnemonic, operands in disassemble(isa, code.code)]
    for register, slot in code.preserved.words.items():
        saved, pattern = (
            8 * (base + slot) for base in (control_block.SAVED, control_block.PATTERNS)
        )
        if isa == "x86_64":
            saved, pattern = saved + CONTROL, pattern + CONTROL
            assert text.count(f"mov qword ptr [{saved:#x}], {register}") == 1
            assert text.count(f"mov {register}, qword ptr [{saved:#x}]") == 1
            assert text.count(f"mov {register}, qword ptr [{pattern:#x}]") == 1
            assert text.count(f"xor r10, qword ptr [{pattern:#x}]") == 3
        else:
            assert text.count(f"str {register}, [x16, #{saved:#x}]") == 1
            assert text.count(f"ldr {register}, [x16, #{saved:#x}]") == 1
            assert text.count(f"ldr {register}, [x16, #{pattern:#x}]") == 1
            assert text.count(f"ldr x9, [x16, #{pattern:#x}]") == 3


@BOTH
def test_arguments_and_results_are_never_written(isa):
    untouched = {
        "x86_64": ["rdi", "rsi", "rdx", "rcx", "r8", "r9", *(f"xmm{n}" for n in range(8))],
        "aarch64": [
            f"{kind}{n}"
            for kind in "xwqd"
            for n in range(9)
            if (kind, n) not in {("q", 8), ("d", 8)}
        ],
    }[isa]
    for _, mnemonic, operands in disassemble(isa, thunk(isa).code):
        words = operands.replace("[", " ").replace("]", " ").replace(",", " ").split()
        assert not set(words) & set(untouched), f"{mnemonic} {operands}"


@BOTH
def test_all_memory_operands_are_words_of_the_control_block(isa):
    for _, mnemonic, operands in disassemble(isa, thunk(isa).code):
        if "[" not in operands:
            continue
        inside = operands[operands.index("[") + 1 : operands.index("]")]
        word = word_of(inside.removeprefix("x16").lstrip(", #") or "0")
        assert 0 <= word < control_block.PATTERNS + control_block.PATTERN_WORDS, (
            f"{mnemonic} {operands}"
        )


@BOTH
def test_a_pinned_register_is_not_checked(isa):
    pinned = ISAS[isa].pinned
    usual, without = thunk(isa), thunk(isa, pinned=pinned)
    slots = usual.preserved.words
    assert set(slots) - set(without.preserved.words) == {pinned}
    # The others keep their words: the patterns are in the registers before any thunk runs.
    assert all(slots[name] == slot for name, slot in without.preserved.words.items())


@BOTH
def test_any_convention_may_be_described(isa):
    some = ISAS[isa].preserved[1:3]
    code = encode(ISAS[isa], Convention(some), None, ADDRESS)
    assert tuple(code.preserved.words) == some
    disassemble(isa, code.code)


def test_the_labels_are_the_blocks():
    assert LABELS[0] == "enter"
    assert LABELS[-1] == "violated"


@BOTH
@pytest.mark.parametrize(("count", "saves"), [(1, False), (30, True)])
def test_only_drivers_that_use_callee_saved_registers_take_the_way_that_saves(isa, count, saves):
    words = executor_for(isa).words
    words[control_block.SAVED : control_block.SAVED + control_block.PATTERN_WORDS] = 0
    code = b"\xc3" if isa == "x86_64" else arm(0xD65F03C0)  # ret
    outcomes = run_code(isa, [Code("f", code)], signature([I8] * count, []), [[0] * count])
    assert outcomes.status.tolist() == [0]
    assert (
        words[control_block.SAVED : control_block.SAVED + control_block.PATTERN_WORDS].any()
        == saves
    )


@BOTH
def test_the_function_finds_the_patterns(isa):
    executor = executor_for(isa)
    for register, pattern in executor.cpu.patterns().items():
        if register.startswith("d"):
            program = Code("f", arm(0x9E660000 | int(register[1:]) << 5, 0xD65F03C0))
        elif isa == "aarch64":
            program = Code("f", arm(0xAA0003E0 | int(register[1:]) << 16, 0xD65F03C0))
        else:
            number = {"rbx": 3}.get(register) or int(register[1:])
            rex, modrm = 0x48 | number >> 3 << 2, 0xC0 | (number & 7) << 3
            program = Code("f", bytes([rex, 0x89, modrm, 0xC3]))
        for count in (0, 30):
            row = [[0] * count]
            got = values(run_code(isa, [program], signature([I8] * count, [I64]), row))
            assert got == [pattern]
