"""CLIF text is read into objects, and printed again."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import CompilerPanic, Functions, ReadError
from backend.cranelift.reader import (
    UnrepresentableError,
    read_file,
    read_file_in_part,
    read_functions,
    read_run_command,
)
from clif import types
from clif.function import AbiParam, Block, External, Function, Inst, MemFlags, Signature, StackSlot
from clif.printer import print_function, print_functions
from clif.testfile import Comment, Literal, RunCommand, TargetLine

FILE = """\
test run
test interpret
set opt_level=speed
set enable_verifier=false
target x86_64 has_sse41=false
target riscv64 has_v
target aarch64
; before it all

; second comment
function %first(i32 sext, i64 sret) -> i8 uext system_v {
    ; in the preamble
    ss0 = explicit_slot 24, align = 16
block0(v0: i32, v1: i64): ; at a block
    v2 = iconst.i8 -1 ; at an instruction
    return v2
}
; run: %first(1, 2) == 3
; print: %first(1, 2)

function u7:3() fast {
block0:
    return
}
; last"""


def one(body: str, signature: str = "()") -> Function:
    (function,) = read_functions(f"function %f{signature} system_v {{\n{body}\n}}")
    return function


def only(body: str, signature: str = "(i64, i32, f64)") -> Inst:
    params = "block0(v0: i64, v1: i32, v2: f64):\n"
    return one(f"{params}    {body}\n    trap user1", signature).entry.instructions[0]


def test_headers_comments_and_functions() -> None:
    file = read_file(FILE)
    assert file.commands == ["run", "interpret"]
    assert file.settings == ["opt_level=speed", "enable_verifier=false"]
    assert file.targets == [
        TargetLine("x86_64", ("has_sse41=false",)),
        TargetLine("riscv64", ("has_v",)),
        TargetLine("aarch64"),
    ]
    assert file.preamble == [Comment("; before it all", 8), Comment("; second comment", 10)]
    (first, first_comments), (second, second_comments) = file.functions
    assert first.name == "first"
    assert first.signature == Signature(
        (AbiParam(types.I32, "sext"), AbiParam(types.I64, purpose="sret")),
        (AbiParam(types.I8, "uext"),),
    )
    assert first_comments == [
        Comment("; in the preamble", 12),
        Comment("; at a block", 14),
        Comment("; at an instruction", 15),
        Comment("; run: %first(1, 2) == 3", 18),
        Comment("; print: %first(1, 2)", 19),
    ]
    (slot,) = first.stack_slots
    assert (slot.size, slot.align, slot.kind) == (24, 16, "explicit_slot")
    assert second.name == "u7:3"
    assert second.signature.call_conv == "fast"
    assert second_comments == [Comment("; last", 25)]


def test_features() -> None:
    file = read_file(
        'test run\nfeature "wasm"\nfeature ! "other"\nfunction %f() { block0: return }'
    )
    assert file.features == ["wasm", "!other"]


def test_bare_functions_and_nothing_at_all() -> None:
    assert read_file("").functions == []
    assert [function.name for function in read_functions("function %a() {\nblock0:\n return\n}")]


def test_operands() -> None:
    function = one(
        """
block0(v0: i64):
    v1 = iconst.i64 5
    v2 = isub v0, v1
    v3 = uextend.i128 v2
    v4, v5 = isplit v3
    return
""",
        "(i64)",
    )
    isub, uextend, isplit = function.entry.instructions[1:4]
    assert isub.args == [function.entry.params[0], function.entry.instructions[0].result]
    assert isub.type is types.I64
    assert uextend.type is types.I128
    assert [value.type for value in isplit.results] == [types.I64, types.I64]
    assert [value.number for value in isplit.results] == [4, 5]


@pytest.mark.parametrize(
    ("text", "imm"),
    [
        ("v9 = iconst.i8 -1", -1),
        ("v9 = iconst.i64 0x7fff_ffff_ffff_ffff", (1 << 63) - 1),
        ("v9 = iconst.i64 -9223372036854775808", -(1 << 63)),
        ("v9 = f32const -0.0", 1 << 31),
        ("v9 = f64const 0x1.8p1", 0x4008 << 48),
        ("v9 = f64const +NaN", 0x7FF8 << 48),
        ("v9 = f64const +sNaN:0x1", (0x7FF0 << 48) | 1),
        ("v9 = f16const 0x1.0p0", 0x3C00),
        ("v9 = f128const 0x1.0p0", 0x3FFF << 112),
        ("v9 = vconst.i32x4 [1 2 3 -1]", 0xFFFFFFFF_00000003_00000002_00000001),
        (
            "v9 = vconst.i8x16 0x000102030405060708090a0b0c0d0e0f",
            0x000102030405060708090A0B0C0D0E0F,
        ),
    ],
)
def test_immediates(text: str, imm: int) -> None:
    inst = only(text)
    bits = inst.result.type.bits
    assert (inst.imm - imm) % (1 << bits) == 0


def test_shuffle_and_lanes() -> None:
    function = one(
        """
block0(v0: i8x16, v1: i8x16, v2: i8):
    v3 = shuffle v0, v1, [0 1 2 3 4 5 6 7 24 25 26 27 28 29 30 31]
    v4 = insertlane v3, v2, 5
    v5 = extractlane v4, 15
    return
""",
        "(i8x16, i8x16, i8)",
    )
    shuffle, insert, extract = function.entry.instructions[:3]
    mask = [*range(8), *range(24, 32)]
    assert shuffle.imm == int.from_bytes(bytes(mask), "little")
    assert (insert.imm, extract.imm) == (5, 15)
    assert [value.number for value in insert.args] == [3, 2]


def test_memory_flags() -> None:
    assert only("v9 = load.i64 v0").flags == MemFlags()
    assert only("v9 = load.i64 notrap aligned v0+8").flags == MemFlags(trap=None, aligned=True)
    assert only("v9 = load.i64 notrap aligned v0+8").offset == 8
    flags = only("v9 = load.f32 user3 readonly can_move big v0-16").flags
    assert flags == MemFlags("user3", readonly=True, can_move=True, endianness="big")
    store = only("store little v1, v0+4")
    assert [value.number for value in store.args] == [1, 0]
    assert store.type is types.I32
    assert store.flags.endianness == "little"
    region = one('region0 = 7 "heap"\nblock0(v0: i64):\n v1 = load.i8 region0 v0\n return', "(i64)")
    assert region.alias_regions == ['7 "heap"']
    assert region.entry.instructions[0].flags.alias_region == 0


def test_conditions_traps_and_atomics() -> None:
    assert only("v9 = icmp slt v0, v0").cond == "slt"
    assert only("v9 = fcmp uno v2, v2").cond == "uno"
    assert only("trapnz v0, int_divz").trap == "int_divz"
    assert only("v9 = uadd_overflow_trap v0, v0, user7").trap == "user7"
    rmw = only("v9 = atomic_rmw.i32 nand v0, v1")
    assert (rmw.rmw, rmw.type) == ("nand", types.I32)
    cas = only("v9 = atomic_cas.i32 v0, v1, v1")
    assert [value.number for value in cas.args] == [0, 1, 1]


def test_entities() -> None:
    function = one(
        """
    ss0 = explicit_slot 8
    ss1 = explicit_slot 16
    sig0 = (i64) -> i32 fast
    fn0 = colocated %g(i8) system_v
    fn1 = %h sig0
    fn2 = %FmaF64(f64, f64, f64) -> f64 system_v
    gv0 = symbol colocated %data+16
block0(v0: i64, v1: i8):
    v2 = stack_addr.i64 ss1+4
    call fn0(v1)
    v3 = call fn1(v0)
    v4 = call_indirect sig0, v0(v2)
    v5 = func_addr.i64 fn1
    v6 = symbol_value.i64 gv0
    return
""",
        "(i64, i8)",
    )
    stack, _, call, indirect, address, symbol = function.entry.instructions[:6]
    assert stack.ref is function.stack_slots[1]
    assert isinstance(stack.ref, StackSlot)
    assert stack.offset == 4
    assert call.ref is function.externals[1]
    assert isinstance(call.ref, External)
    assert (call.ref.name, call.ref.colocated) == ("h", False)
    assert call.ref.signature.call_conv == "fast"
    assert function.externals[0].colocated
    assert function.externals[2].name == "FmaF64"
    assert indirect.ref == call.ref.signature
    assert [value.number for value in indirect.args] == [0, 2]
    assert address.ref is function.externals[1]
    assert symbol.ref is function.global_values[0]
    assert (function.global_values[0].symbol, function.global_values[0].offset) == ("data", 16)


def test_branches_in_layout_order() -> None:
    function = one(
        """
block0(v0: i32):
    br_table v0, block3(v0), [block1, block2(v0), block1]
block3(v4: i32) cold:
    brif v4, block1, block2(v4)
block2(v1: i32):
    jump block2(v1)
block1:
    return
""",
        "(i32)",
    )
    assert [block.number for block in function.blocks] == [0, 3, 2, 1]
    table = function.entry.instructions[0]
    assert [target.block.number for target in table.targets] == [3, 1, 2, 1]
    assert table.targets[0].args == [function.entry.params[0]]
    assert table.targets[1].args == []
    assert function.blocks[1].cold
    assert not function.blocks[2].cold
    brif = function.blocks[1].instructions[0]
    assert [target.block for target in brif.targets] == [function.blocks[3], function.blocks[2]]


def test_exception_tables() -> None:
    function = one(
        """
    sig0 = (i32) -> i32 tail
    fn0 = %g sig0
block0(v0: i32):
    try_call fn0(v0), sig0, block1(ret0, v0), [ tag5: block2(exn0), default: block3 ]
block1(v1: i32, v2: i32):
    return v1
block2(v3: i64):
    return v0
block3:
    return v0
""",
        "(i32) -> i32",
    )
    call = function.entry.instructions[0]
    assert isinstance(call.ref, External)
    (normal,) = call.targets
    assert normal.args == ["ret0", function.entry.params[0]]
    assert [(handler.tag, handler.target.args) for handler in call.handlers] == [
        (5, ["exn0"]),
        (None, []),
    ]
    assert isinstance(call.handlers[0].target.block, Block)


def test_aliases_are_resolved_and_order_does_not_matter() -> None:
    function = one(
        """
block0(v0: i32):
    jump block2
block1:
    return v3
block2:
    v4 -> v0
    v3 = iadd v4, v0
    v5 -> v3
    jump block3
block3:
    v6 = iadd v5, v5
    jump block1
""",
        "(i32) -> i32",
    )
    returned = function.blocks[1].instructions[0].args[0]
    add = function.blocks[2].instructions[0]
    assert returned is add.result
    assert add.args == [function.entry.params[0]] * 2
    assert function.blocks[3].instructions[0].args == [add.result] * 2


ROUND_TRIP = """function %f(i64, f32x4 , i8 sext) -> i64, i8 uext system_v {
    ss0 = explicit_slot 24, align = 8
    region0 = 3 "heap"
    gv0 = vmctx
    gv1 = iadd_imm.i64 gv0, 8
    gv2 = symbol colocated %data
    sig0 = (i64, f32) -> i64 tail
    sig1 = (i64) system_v
    fn0 = colocated %g sig0
    fn1 = %h sig1
block0(v0: i64, v1: f32x4, v2: i8):
    v3 = extractlane v1, 2
    v4 = call fn0(v0, v3)
    v5 = func_addr.i64 fn1
    v6 = call_indirect sig0, v5(v4, v3)
    v7 = iadd.i64 v6, v4
    v8 = symbol_value.i64 gv2
    v9 = stack_addr.i64 ss0+8
    store notrap aligned region0 v8, v9
    v10 = bitcast.i32 v3
    v11 = atomic_rmw.i32 little add v0, v10
    br_table v11, block3, [block1(v7), block2]
block1(v12: i64) cold:
    trapz v12, user9
    return v12, v2
block2:
    v13 = f64const -0x1.999999999999ap-4
    v14 = fcvt_to_sint_sat.i64 v13
    v15 = icmp ult v14, v0
    brif v15, block1(v14), block3
block3:
    trap heap_oob
}
"""


def test_reading_and_printing_round_trips() -> None:
    (function,) = read_functions(ROUND_TRIP)
    printed = print_function(function)
    (again,) = read_functions(printed)
    assert print_function(again) == printed
    assert print_functions([function.clone()]) == printed
    # Cranelift reads the same instructions in both.
    opcodes = [inst.opcode for inst in function.instructions()]
    assert [inst.opcode for inst in again.instructions()] == opcodes
    assert len(opcodes) == ROUND_TRIP.count("\n    ") - 10 + 1


DYNAMIC = """function %f(i32) {
    gv0 = dyn_scale_target_const.i32x4
    dt0 = i32x4*gv0
block0(v0: i32):
    v1 = splat.dt0 v0
    return
}"""


NO_SIGNATURE = """function %f(i64) {
block0(v0: i64):
    try_call_indirect v0(), sig2, block1, []
block1:
    return
}"""


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("function %f() {\nblock0:\n  v0 = iadd v1, v1\n  return\n}", 3, "v1"),
        ("test run\nset no_such=1\nfunction %f() {\nblock0:\n return\n}", 2, "no_such"),
        ("\x00\xff", 1, ""),
        (DYNAMIC, 5, "dynamic vectors are not supported"),
        ("function %f() {\nblock0:\n    jump block6\n}", 3, "block6 is not defined"),
        (NO_SIGNATURE, 3, "sig2 is not defined"),
    ],
)
def test_refusals(text: str, line: int, words: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_file(text)
    assert caught.value.line == line
    assert words in caught.value.message


@pytest.mark.parametrize(
    "entity",
    [
        "v310000000",
        "block4000000",
        "ss1000000",
        "dss1000000",
        "dt1000000",
        "gv1000000",
        "sig1000000",
        "fn1000000",
    ],
)
def test_no_word_of_a_text_takes_gigabytes(entity: str) -> None:
    text = f"function %f() {{\nblock0:\n  jump block0; fine\n  {entity}"
    for reads in (Functions, read_file):
        with pytest.raises(ReadError, match=f"line 4: {entity} is too large a number"):
            reads(text)


def test_a_long_text_may_have_as_many_entities() -> None:
    body = "function %f() {\nblock0:\n    v1000000 = iconst.i64 1\n    return\n}\n"
    padding = "; nothing\n" * 400_001
    assert len(Functions(body + padding)) == 1
    with pytest.raises(ReadError, match="v1000000 is too large a number"):
        Functions(body + padding[:-10_000])


@pytest.mark.parametrize(
    "text",
    [
        "function %v1000000() {\nblock0: ; v1000000\n    return\n}",
        "function %f() {\nblock0:\n    v999999 = iconst.i64 1000000\n    return\n}",
        "function %f() {\nblock0:\n    return\n}\n; sig1000000",
    ],
)
def test_large_numbers_elsewhere_are_fine(text: str) -> None:
    assert len(Functions(text)) == 1


def test_binary_junk() -> None:
    junk = bytes(range(256)) * 3
    for start in range(0, 256, 7):
        text = junk[start : start + 300].decode("latin-1")
        with pytest.raises((ReadError, CompilerPanic)):
            Functions(text)


INT = Signature((AbiParam(types.I8), AbiParam(types.I64)), (AbiParam(types.I64),))
FLOAT = Signature((AbiParam(types.F32), AbiParam(types.by_name("i32x4"))), (AbiParam(types.F64),))


def test_run_commands() -> None:
    assert read_run_command("; run: %f(-1, 0x10) == -2", INT) == RunCommand(
        "f",
        (Literal(types.I8, 0xFF), Literal(types.I64, 16)),
        "==",
        (Literal(types.I64, (1 << 64) - 2),),
    )
    assert read_run_command("; print: %f(1, 2)", INT) == RunCommand(
        "f", (Literal(types.I8, 1), Literal(types.I64, 2))
    )
    command = read_run_command("; run: %f(-0x0.0, [1 2 3 4]) != +NaN", FLOAT)
    assert command is not None
    assert command.comparison == "!="
    zero, vector = command.args
    assert zero == Literal(types.F32, 1 << 31)
    assert vector == Literal(types.by_name("i32x4"), 4 << 96 | 3 << 64 | 2 << 32 | 1)
    assert command.expected == (Literal(types.F64, 0x7FF8 << 48),)


@pytest.mark.parametrize("comment", ["; hello", ";", "", "; check: nothing", "; running"])
def test_other_comments(comment: str) -> None:
    assert read_run_command(comment, INT) is None


@pytest.mark.parametrize(
    "comment",
    [
        "; run: %f(1)",
        "; run: %f(1, 2, 3) == 1",
        "; run: %f(1, 2.5) == 1",
        "; run: f",
        "; run: %f(1, 2) ==",
    ],
)
def test_bad_run_commands(comment: str) -> None:
    with pytest.raises(ReadError):
        read_run_command(comment, INT)


def test_a_gap_in_the_numbers_of_callees() -> None:
    text = "function %f() { sig0 = () system_v fn2 = %g sig0 block0: call fn2() return }"
    (function,) = read_functions(text)
    assert [callee.name for callee in function.externals] == ["g"]
    assert "call fn0()" in print_function(function)


DYNAMIC = """
function %inside(i8) -> i8x16 {
    gv0 = dyn_scale_target_const.i8x16
    dt0 = i8x16*gv0
block0(v0: i8):
    v1 = splat.dt0 v0
    v2 = extract_vector v1, 0
    return v2
}
; run: %inside(0) == 0x00
function %plain(i8) -> i8 {
block0(v0: i8):
    return v0
}
"""


def test_a_file_is_read_in_part() -> None:
    file, refused = read_file_in_part(DYNAMIC)
    assert list(refused) == ["inside"]
    (inside, comments), (plain, _) = file.functions
    assert (inside.blocks, inside.signature.param_types) == ([], (types.I8,))
    assert [comment.line for comment in comments] == [10]
    assert len(plain.blocks) == 1
    with pytest.raises(UnrepresentableError, match="line 6") as caught:
        read_file(DYNAMIC)
    assert caught.value is not None
    with pytest.raises(ReadError, match="iaddd"):
        read_file_in_part("function %f() { block0: v0 = iaddd v0, v0 }")


CONTEXTS = """\
function %f(i64, i32) -> i32 tail {
    sig0 = (i64) -> i32 tail
    fn0 = %g sig0
block0(v0: i64, v1: i32):
    try_call fn0(v0), sig0, block1(ret0), [ context v0, tag1: block2(exn0), tag2: block2(exn1), \
context v1, context v0, default: block2(exn0) ]
block1(v2: i32):
    return v2
block2(v3: i64):
    return v1
}
"""


def test_contexts_of_exception_tables_survive() -> None:
    (function,) = read_functions(CONTEXTS)
    handlers = function.entry.instructions[-1].handlers
    v0, v1 = function.entry.params
    assert [handler.contexts for handler in handlers] == [[v0], [], [v1, v0]]
    assert [handler.tag for handler in handlers] == [1, 2, None]
    assert print_function(function) == CONTEXTS
    copy = function.clone()
    assert print_function(copy) == CONTEXTS
    copied = copy.entry.instructions[-1].handlers[2].contexts
    assert copied == copy.entry.params[::-1] != [v1, v0]


def test_a_context_that_no_handler_follows() -> None:
    text = CONTEXTS.replace("context v0, default: block2(exn0) ]", "context v0 ]")
    with pytest.raises(UnrepresentableError, match="behind the last handler"):
        read_functions(text)


NAMES = """\
function u0:3(i32) -> i32 fast {
    gv0 = symbol colocated u1:0+8
    gv1 = symbol tls %tls_name
    sig0 = (i32) -> i32 fast
    fn0 = colocated u0:3 sig0
    fn1 = patchable u42:7 sig0
    fn2 = %FloorF64 sig0
block0(v0: i32):
    v1 = symbol_value.i64 gv0
    v2 = call fn0(v0)
    v3 = call fn1(v2)
    return v3
}
"""


def test_names_of_all_forms_survive() -> None:
    (function,) = read_functions(NAMES)
    assert function.name == "u0:3"
    assert [callee.name for callee in function.externals] == ["u0:3", "u42:7", "FloorF64"]
    assert [callee.patchable for callee in function.externals] == [False, True, False]
    assert print_function(function) == NAMES
    assert print_function(function.clone()) == NAMES


ANNOTATED = """\
function %f(i32) -> i32 system_v {
    ss0 = explicit_slot 8, align = 4, key = 13
    ss1 = explicit_slot 4
    sig0 = (i32) -> i32 system_v
    fn0 = %g sig0
block0(v0: i32):
    <7, ss1> sequence_point
    @0030 v1 = iadd.i32 v0, v0
    <1> @1a2b3c v2 = call fn0(v1), stack_map=[i32 @ ss0+4, i8 @ ss1+0]
    return v2
}
"""


def test_what_is_said_beside_the_code_survives() -> None:
    (function,) = read_functions(ANNOTATED)
    tagged, located, call, _ = function.instructions()
    assert tagged.annotations is not None
    assert tagged.annotations.tags == (7, function.stack_slots[1])
    assert located.annotations is not None
    assert located.annotations.location == 0x30
    assert call.annotations is not None
    first, second = call.annotations.stack_map
    assert (first.type, first.slot, first.offset) == (types.I32, function.stack_slots[0], 4)
    assert second.slot is function.stack_slots[1]
    copy = function.clone()
    assert print_function(copy) == print_function(function) == ANNOTATED
    (_, _, copied, _) = copy.instructions()
    assert copied.annotations is not None
    assert copied.annotations.stack_map[0].slot is copy.stack_slots[0]


def test_settings_before_a_target_that_is_not_built_in() -> None:
    text = "test run\nset opt_level=speed\ntarget x86_64\nset preserve_frame_pointers\n"
    file = read_file(f"{text}target no_such_isa has_it\nfunction %f() {{\nblock0:\n  return\n}}\n")
    assert file.settings == ["opt_level=speed", "preserve_frame_pointers"]
    assert file.targets == [TargetLine("x86_64"), TargetLine("no_such_isa", ("has_it",))]
    assert file.functions[0][0].name == "f"
