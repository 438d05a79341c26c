"""Building, printing, copying and checking functions."""

from collections.abc import Callable

import pytest

from backend.cranelift.opcodes import OPCODES
from backend.cranelift.reader import read_functions
from clif.builder import FunctionBuilder
from clif.function import AbiParam, Block, BlockCall, Function, MemFlags, Signature, Value
from clif.graph import dominates, immediate_dominators, predecessors, reverse_post_order
from clif.printer import print_function
from clif.types import F32, I32, I64, by_name
from clif.validity import is_valid, problems

I8X16 = by_name("i8x16")


def builder(*params: AbiParam, returns: tuple[AbiParam, ...] = ()) -> FunctionBuilder:
    b = FunctionBuilder(Function("main", Signature(params, returns)), OPCODES)
    b.block = b.create_block([param.type for param in params])
    return b


def loop() -> Function:
    """Make a loop that counts the argument down to 0 and adds up the iterations."""
    b = builder(AbiParam(I32), returns=(AbiParam(I32),))
    head, body, done = b.create_block([I32, I32]), b.create_block(), b.create_block()
    start = b.block.params[0]
    b.ins("jump", targets=[BlockCall(head, [start, b.iconst(I32, 0)])])
    b.block = head
    left, total = head.params
    b.ins("brif", left, targets=[BlockCall(body), BlockCall(done)])
    b.block = body
    less = b.value("isub", left, b.iconst(I32, 1))
    b.ins("jump", targets=[BlockCall(head, [less, b.value("iadd", total, left)])])
    b.block = done
    b.ins("return", total)
    return b.function


def everything() -> Function:
    """Make a function with an instruction of most formats."""
    b = builder(AbiParam(I64), AbiParam(I32), AbiParam(F32), returns=(AbiParam(I32, "sext"),))
    address, x, f = b.block.params
    slot = b.stack_slot(16, 8)
    callee = b.external("other", Signature((AbiParam(I32, "uext"),), (AbiParam(I32),), "tail"))
    flags = MemFlags(trap=None, aligned=True, endianness="little")
    loaded = b.ins("load", address, type=I32, flags=flags, offset=-8).result
    b.ins("store", loaded, b.address(slot, 4), flags=MemFlags(trap="user7"), offset=4)
    vector = b.ins("vconst", type=I8X16, imm=0x0102).result
    vector = b.ins("shuffle", vector, vector, imm=int.from_bytes(bytes(range(16)), "little")).result
    lane = b.ins("extractlane", vector, imm=3).result
    x = b.value("iadd", x, b.ins("uextend", lane, type=I32).result)
    less = b.ins("icmp", x, loaded, cond="slt").result
    x = b.value("select", less, x, loaded)
    ordered = b.ins("fcmp", f, b.ins("f32const", imm=0x7FC00001).result, cond="uno").result
    b.ins("trapz", ordered, trap="user1")
    x = b.ins("call", x, ref=callee).result
    x = b.ins(
        "call_indirect", b.ins("func_addr", type=I64, ref=callee).result, x, ref=callee.signature
    ).result
    x = b.ins("atomic_rmw", address, x, type=I32, rmw="umax", flags=MemFlags(trap=None)).result
    x = b.ins("uadd_overflow_trap", x, loaded, trap="int_ovf").result
    end, other = b.create_block([I32]), b.create_block()
    other.cold = True
    b.ins("br_table", x, targets=[BlockCall(other), BlockCall(end, [x]), BlockCall(other)])
    b.block = end
    b.ins("return", end.params[0])
    b.block = other
    b.ins("trap", trap="user2")
    return b.function


@pytest.mark.parametrize("make", [loop, everything])
def test_print_read_print(make: Callable[[], Function]) -> None:
    text = print_function(make())
    (again,) = read_functions(text)
    assert print_function(again) == text


@pytest.mark.parametrize("make", [loop, everything])
def test_clone_is_equal_and_shares_nothing(make: Callable[[], Function]) -> None:
    function = make()
    copy = function.clone()
    text = print_function(function)
    assert print_function(copy) == text
    assert not set(map(id, copy.values())) & set(map(id, function.values()))
    for block in copy.blocks:
        block.instructions.clear()
    copy.stack_slots.clear()
    assert print_function(function) == text


def test_graph_of_a_loop() -> None:
    function = loop()
    entry, head, body, done = function.blocks
    order = reverse_post_order(function)
    assert order[:2] == [entry, head]
    assert predecessors(function)[head] == [entry, body]
    dominator = immediate_dominators(function)
    assert (dominator[body], dominator[done], dominator[head]) == (head, head, entry)
    assert dominates(dominator, entry, done)
    assert not dominates(dominator, body, done)


@pytest.mark.parametrize("make", [loop, everything])
def test_good_functions_are_valid(make: Callable[[], Function]) -> None:
    assert list(problems(make())) == []


def drop_terminator(function: Function) -> None:
    function.blocks[-1].instructions.pop()


def use_before_definition(function: Function) -> None:
    function.blocks[0].instructions[-1].targets[0].args[0] = (
        function.blocks[2].instructions[0].result
    )


def use_undefined(function: Function) -> None:
    function.blocks[3].instructions[0].args[0] = Value(I32, 99)


def wrong_operand_type(function: Function) -> None:
    function.blocks[2].instructions[1].args[1] = Value(I64, 98)


def lost_branch_argument(function: Function) -> None:
    function.blocks[0].instructions[-1].targets[0].args.pop()


def define_twice(function: Function) -> None:
    function.blocks[3].params.append(function.blocks[1].params[0])


def empty_block(function: Function) -> None:
    function.blocks.append(Block(77))


def terminator_in_the_middle(function: Function) -> None:
    body = function.blocks[2].instructions
    body.insert(0, body[-1])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (drop_terminator, "is empty"),
        (use_before_definition, "does not dominate"),
        (use_undefined, "is not defined"),
        (wrong_operand_type, "is i64"),
        (lost_branch_argument, "do not match the parameters"),
        (define_twice, "defined twice"),
        (empty_block, "is empty"),
        (terminator_in_the_middle, "in the middle"),
    ],
)
def test_damage_is_seen(damage: Callable[[Function], None], said: str) -> None:
    function = loop()
    assert is_valid(function)
    damage(function)
    assert any(said in problem for problem in problems(function)), list(problems(function))
