"""What the instructions of s390x access, by hand, and how QEMU's log is followed."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import Functions
from backend.emulator.disassembly import disassemble, disassembler
from backend.engines.qemu_trace import TracedAccess
from backend.isa.registry import ISAS
from backend.isa.s390x.tracing import TRACING
from clif.printer import print_functions
from fuzz.cases.casefile import read_case
from fuzz.cases.target import compile_case

ISA = ISAS["s390x"]
REGISTERS = {0: 0x9999_9999, 2: 0x1000, 3: 0x200, 15: 0xFFFF_FFFF_FFFF_FFF0}

#: Of instructions, as the assembler has them, where they load and store, and how many bytes.
ACCESSES = [
    ("l %r0, 8(%r2)", "58002008", [(0x1008, 4, False)]),
    ("lg %r6, 0(%r3,%r2)", "e36320000004", [(0x1200, 8, False)]),
    ("lg %r6, -8(%r2)", "e3602ff8ff04", [(0xFF8, 8, False)]),
    ("llgc %r6, 0(%r2)", "e36020000090", [(0x1000, 1, False)]),
    ("lrvh %r6, 0(%r2)", "e3602000001f", [(0x1000, 2, False)]),
    ("ag %r6, 16(%r2)", "e36020100008", [(0x1010, 8, False)]),
    ("ch %r6, 16(%r2)", "49602010", [(0x1010, 2, False)]),
    ("stg %r3, 0(%r2)", "e33020000024", [(0x1000, 8, True)]),
    ("stc %r3, 1(%r2)", "42302001", [(0x1001, 1, True)]),
    ("strv %r3, 1(%r2)", "e3302001003e", [(0x1001, 4, True)]),
    ("ld %f0, 0(%r2)", "68002000", [(0x1000, 8, False)]),
    ("stey %f0, 0(%r2)", "ed0020000066", [(0x1000, 4, True)]),
    ("mvi 3(%r2), 7", "92072003", [(0x1003, 1, True)]),
    ("mvhhi 2(%r2), 7", "e54420020007", [(0x1002, 2, True)]),
    ("mvghi 2(%r2), 7", "e54820020007", [(0x1002, 8, True)]),
    ("mviy -1(%r2), 7", "eb072fffff52", [(0xFFF, 1, True)]),
    ("vl %v0, 0(%r2)", "e70020000006", [(0x1000, 16, False)]),
    ("vst %v24, 0(%r3,%r2)", "e7832000080e", [(0x1200, 16, True)]),
    ("vlrepg %v0, 0(%r2)", "e70020003005", [(0x1000, 8, False)]),
    ("vsteh %v0, 0(%r2), 1", "e70020001009", [(0x1000, 2, True)]),
    ("vlbrf %v0, 0(%r2)", "e60020002006", [(0x1000, 16, False)]),
    ("cs %r0, %r1, 4(%r2)", "ba012004", [(0x1004, 4, False), (0x1004, 4, True)]),
    ("csg %r8, %r3, 0(%r2)", "eb8320000030", [(0x1000, 8, False), (0x1000, 8, True)]),
    ("laa %r7, %r3, 0(%r2)", "eb73200000f8", [(0x1000, 4, False), (0x1000, 4, True)]),
    ("laog %r7, %r3, 0(%r2)", "eb73200000e6", [(0x1000, 8, False), (0x1000, 8, True)]),
    ("lmg %r6, %r15, 48(%r15)", "eb6ff0300004", [(0x20, 80, False)]),
    ("stmg %r14, %r1, 0(%r2)", "ebe120000024", [(0x1000, 32, True)]),
    # Addresses that are not accessed, and none at all.
    ("la %r6, 0(%r3,%r2)", "41632000", []),
    ("rll %r1, %r0, 0(%r2)", "eb102000001d", []),
    ("lgr %r4, %r2", "b9040042", []),
    ("vpdi %v24, %v5, %v5, 4", "e78550004884", []),
    ("bcr 14, 0", "07e0", []),
    ("brasl %r14, 0", "c0e500000000", []),
]


@pytest.mark.parametrize(
    ("code", "accesses"), [row[1:] for row in ACCESSES], ids=[row[0] for row in ACCESSES]
)
def test_what_an_instruction_accesses(code: str, accesses: list[tuple[int, int, bool]]) -> None:
    text = bytes.fromhex(code)
    assert TRACING.size(text) == len(text)
    found = TRACING.accesses(text, REGISTERS)
    assert found is not None
    assert list(found) == [TracedAccess(*access) for access in accesses]


@pytest.mark.parametrize("code", ["d20720003000", "98ef2000", "e70320000012", "eb73200000e2"])
def test_what_is_not_known(code: str) -> None:
    """Moves from memory to memory, more registers, a gather, a load that a condition makes."""
    assert TRACING.accesses(bytes.fromhex(code), REGISTERS) is None


def test_tests_of_bits_are_made_otherwise() -> None:
    tested, done = bytes.fromhex("ec19a0271857"), bytes.fromhex("ec1920271857")
    assert TRACING.followed(tested) == done
    names = [next(disassembler(ISA).disasm(code, 0)).op_str for code in (tested, done)]
    assert names == ["%r1, %r9, 0xa0, 0x27, 0x18", "%r1, %r9, 0x20, 0x27, 0x18"]
    for code in (done, bytes.fromhex("ec19a0271855"), bytes.fromhex("b9040042")):
        assert TRACING.followed(code) == code


def test_code_behind_a_constant_is_found() -> None:
    """A jump leaves the address of the constant that it passes over."""
    text = """\
test run
target s390x

function %f() system_v {
block0:
    return
}

function %main(i64) -> i64 system_v {
    fn0 = %f()
block0(v0: i64):
    call fn0()
    return v0
}
; input: %main(0)
"""
    case = read_case(text).case
    program = compile_case(case, "s390x", Functions(print_functions(case.functions)))
    (code,) = (each for each in program if each.name == "main")
    instructions = disassemble(ISA, code)
    assert "bras" in [each.mnemonic for each in instructions]
    assert instructions[-1].address + instructions[-1].size == len(code.code)
