"""Tables of frames, read by hand and by pyelftools, and followed at each instruction."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import Functions, Target
from backend.emulator.frames import Misled
from backend.emulator.unwind_tables import DwarfTable, UnwindTableError, WindowsTable, tables_of
from backend.isa.registry import ISAS
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.cases.frame_check import can_follow_frames, misleading_tables, with_frame_check
from fuzz.cases.target import compile_case

X64, ARM = ISAS["x86_64"], ISAS["aarch64"]


class State:
    """A CPU whose registers and memory are given."""

    def __init__(self, registers: dict[str, int], memory: dict[int, int]) -> None:
        self.registers, self.memory = registers, memory

    def register(self, name: str) -> int:
        return self.registers[name]

    def word(self, address: int, size: int = 8) -> int:
        if address not in self.memory:
            raise UnwindTableError(f"nothing at {address:#x}")
        return self.memory[address]


# --- Windows, by hand from Microsoft's description of the format ---

#: push rbp (1), sub rsp, 0x40 (5), lea rbp, [rsp + 0x40] (10), mov [rsp + 0x28], rbx (15),
#: movaps [rsp + 0x30], xmm6 (20): distances from the frame's base, which is rbp - 0x40.
INFO = bytes.fromhex(
    "0114 0745"  # version 1, a prologue of 20 bytes, 7 slots, rbp is the base + 4 * 16
    "1468 0300"  # SAVE_XMM128 xmm6, 3 * 16
    "0f34 0500"  # SAVE_NONVOL rbx, 5 * 8
    "0a03"  # SET_FPREG
    "0572"  # ALLOC_SMALL 7 * 8 + 8
    "0150"  # PUSH_NONVOL rbp
)


def test_windows_codes_by_hand() -> None:
    table = WindowsTable(INFO, X64)
    memory = {0x1028: 11, 0x1030: 66, 0x1040: 55, 0x1048: 0xCA11}
    with pytest.raises(UnwindTableError, match="nothing at"):
        table.caller(20, State({"rsp": 0x1000, "rbp": 0x2000}, memory))
    # The stack pointer may be lower than the frame's base by then.
    found = table.caller(20, State({"rsp": 0x0F00, "rbp": 0x1040}, memory))
    assert (found.frame_address, found.return_address) == (0x1050, 0xCA11)
    assert found.registers == {"rbx": 11, "xmm6": 66, "rbp": 55}
    # At the first instruction nothing is done: the stack pointer is at the return address.
    entered = table.caller(0, State({"rsp": 0x1048, "rbp": 1}, memory))
    assert (entered.frame_address, entered.return_address) == (0x1050, 0xCA11)
    assert entered.registers == {}
    pushed = table.caller(1, State({"rsp": 0x1040, "rbp": 1}, memory))
    assert (pushed.frame_address, pushed.return_address) == (0x1050, 0xCA11)
    assert pushed.registers == {"rbp": 55}
    assert table.is_prologue(9)
    assert not table.is_prologue(10)


@pytest.mark.parametrize(
    ("codes", "size"),
    [("0472", 0x40), ("0401 1000", 0x80), ("0411 0000 0100", 0x10000)],
)
def test_sizes_of_windows_frames(codes: str, size: int) -> None:
    data = bytes.fromhex(codes)
    info = bytes([1, 4, len(data) // 2, 0]) + data
    state = State({"rsp": 0x1000}, {0x1000 + size: 0xCA11})
    found = WindowsTable(info, X64).caller(4, state)
    assert (found.frame_address, found.return_address) == (0x1008 + size, 0xCA11)


@pytest.mark.parametrize(("info", "why"), [("02000000", "version 2"), ("0100", "cannot be read")])
def test_bad_windows_tables(info: str, why: str) -> None:
    with pytest.raises(UnwindTableError, match=why):
        WindowsTable(bytes.fromhex(info), X64)


def test_an_unknown_operation_of_windows() -> None:
    with pytest.raises(UnwindTableError, match="operation 7"):
        WindowsTable(bytes.fromhex("01000100 0407"), X64)


# --- DWARF ---

CALLS = """\
function %callee(i64) -> i64 {
block0(v0: i64):
    return v0
}
function %main(i64, i64) -> i64 {
    fn0 = %callee(i64) -> i64
block0(v0: i64, v1: i64):
    v2 = call fn0(v0)
    v3 = iadd v2, v1
    return v3
}
; run: %main(1, 2) == 3
; run: %main(5, 6) == 11
"""


def dwarf(isa: str) -> DwarfTable:
    target = Target.of(isa)
    _, main = target.compile(Functions(CALLS))
    (table,) = tables_of(main, target.handle, ISAS[isa], "system_v")
    assert isinstance(table, DwarfTable)
    return table


def test_a_frame_of_x86_64() -> None:
    table = dwarf("x86_64")
    memory = {0x1008: 0xCA11, 0x1000: 55, 0x0FF0: 33, 0x0FF8: 44}
    entered = table.caller(0, State({"rsp": 0x1008}, memory))
    assert (entered.frame_address, entered.return_address) == (0x1010, 0xCA11)
    pushed = table.caller(1, State({"rsp": 0x1000}, memory))
    assert (pushed.frame_address, pushed.registers) == (0x1010, {"rbp": 55})
    inside = table.caller(4, State({"rsp": 0, "rbp": 0x1000}, memory))
    assert (inside.frame_address, inside.return_address) == (0x1010, 0xCA11)


def test_a_frame_of_aarch64() -> None:
    table = dwarf("aarch64")
    memory = {0x0FF0: 29, 0x0FF8: 0xCA11}
    entered = table.caller(0, State({"sp": 0x1000, "x30": 0xCA11}, memory))
    assert (entered.frame_address, entered.return_address) == (0x1000, 0xCA11)
    inside = table.caller(8, State({"sp": 0, "x29": 0x0FF0}, memory))
    assert (inside.frame_address, inside.return_address) == (0x1000, 0xCA11)
    assert inside.registers == {"x29": 29}


def test_what_is_no_table() -> None:
    with pytest.raises(UnwindTableError, match="0 entries"):
        DwarfTable(b"", X64)
    with pytest.raises(UnwindTableError, match="cannot be read"):
        DwarfTable(b"\x10\0\0\0\0", ARM)


# --- followed while the code runs ---


def followed(text: str, isa: str) -> set[str]:
    """What tables lead astray to, in a case that is run for all inputs."""
    case = with_frame_check(read_case(text).case)
    code = compile_case(case, isa, Functions(print_functions(case.functions)))
    return {each.detail for each in misleading_tables(case, isa, code, range(case.inputs.count))}


@pytest.mark.parametrize("isa", [name for name in ISAS if can_follow_frames(name)])
@pytest.mark.parametrize("convention", ["system_v", "fast", "tail"])
def test_calls_and_recursion(isa: str, convention: str) -> None:
    assert followed(CALLS.replace(") -> i64", f") -> i64 {convention}"), isa) == set()
    recursive = """\
function %main(i64) -> i64 CONVENTION {
    fn0 = %main(i64) -> i64 CONVENTION
block0(v0: i64):
    v1 = iconst.i64 1
    brif v0, block1, block2
block1:
    v2 = isub v0, v1
    v3 = call fn0(v2)
    v4 = iadd v3, v0
    return v4
block2:
    return v1
}
; run: %main(4) == 11
"""
    assert followed(recursive.replace("CONVENTION", convention), isa) == set()


@pytest.mark.parametrize("isa", [name for name in ISAS if can_follow_frames(name)])
def test_tail_calls_take_the_place_of_frames(isa: str) -> None:
    text = """\
set preserve_frame_pointers=true
target x86_64
target aarch64
function %more(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> i64 tail {
    fn0 = %less(i64) -> i64 tail
block0(v0: i64, v1: i64, v2: i64, v3: i64, v4: i64, v5: i64, v6: i64, v7: i64, v8: i64, v9: i64):
    v10 = iadd v9, v8
    return_call fn0(v10)
}
function %less(i64) -> i64 tail {
block0(v0: i64):
    v1 = iadd v0, v0
    return v1
}
function %main(i64) -> i64 tail {
    fn0 = %more(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> i64 tail
    fn1 = %less(i64) -> i64 tail
block0(v0: i64):
    v1 = call fn1(v0)
    return_call fn0(v0, v1, v0, v0, v0, v0, v0, v0, v0, v1)
}
; run: %main(3) == 18
"""
    # docs/findings.md: unwind-late-frame, unwind-tail-call-saves.
    others = {detail for detail in followed(text, isa) if " in the prologue" not in detail}
    assert others == ({"DWARF saved register"} if isa == "x86_64" else set())


class Displaced:
    """Code whose table has the frame's address 8 bytes too high, until a frame pointer is used."""

    def __init__(self, code: object) -> None:
        self.code_with_table = code

    def __getattr__(self, name: str) -> object:
        return getattr(self.code_with_table, name)

    def debug_frame(self, target: object) -> bytes:
        section = bytearray(self.code_with_table.debug_frame(target))  # type: ignore[attr-defined]
        at = section.index(b"\x0e\x10")  # DW_CFA_def_cfa_offset 16
        section[at + 1] = 24
        return bytes(section)


def test_a_wrong_table_is_seen() -> None:
    case: Case = with_frame_check(read_case(CALLS).case)
    functions = Functions(print_functions(case.functions))
    main, callee = compile_case(case, "x86_64", functions)
    found = misleading_tables(case, "x86_64", [Displaced(main), callee], [0])  # type: ignore[list-item]
    assert {each.function for each in found} == {"main"}
    assert Misled.FRAME in {each.what for each in found}
    assert all(each.table == "DWARF" for each in found)
    assert str(found[0]).startswith("%main+0x1: DWARF frame address in the prologue: ")
