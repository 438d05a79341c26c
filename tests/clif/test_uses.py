"""Definitions, uses and availability of values; loops."""

from __future__ import annotations

from backend.cranelift.reader import read_file
from clif.function import Function, Value
from clif.graph import immediate_dominators, loops, reverse_post_order
from clif.types import I64
from clif.uses import Index, fresh_number, remove_unreachable, remove_unused, used_values
from clif.validity import is_valid

TEXT = """
function %f(i32) -> i32 {
block0(v0: i32):
    v1 = ineg v0
    brif v1, block1(v1), block2
block1(v2: i32):
    v3 = iadd v2, v1
    brif v3, block1(v3), block3(v3, v0)
block2:
    v4 = bnot v0
    v5 = bnot v4
    v6 = udiv v4, v0
    jump block3(v4, v4)
block3(v7: i32, v8: i32):
    return v7
block4:
    jump block3(v0, v0)
}
"""


def function() -> Function:
    ((found, _),) = read_file(TEXT).functions
    return found


def test_index() -> None:
    f = function()
    index = Index(f)
    by_number = {value.number: value for value in index.place}
    assert [block.number for block in index.order] in ([0, 1, 2, 3], [0, 2, 1, 3])
    assert index.definition[by_number[3]].opcode.name == "iadd"
    assert by_number[2] not in index.definition
    assert index.place[by_number[3]] == (f.blocks[1], 0)
    assert index.place[by_number[7]] == (f.blocks[3], -1)
    uses = [(use.inst.opcode.name, use.position) for use in index.uses[by_number[1]]]
    assert uses == [("brif", 0), ("brif", 0), ("iadd", 1)]
    assert not index.uses[by_number[5]]
    assert len(index.incoming[f.blocks[1]]) == 2
    assert len(index.incoming[f.blocks[3]]) == 2  # block4 is not reached


def test_putting_an_operand() -> None:
    f = function()
    index = Index(f)
    v0, v1 = f.entry.params[0], f.entry.instructions[0].result
    for use in index.uses[v1]:
        assert use.value is v1
        use.put(v0)
    assert not Index(f).uses[v1]
    assert f.entry.instructions[1].targets[0].args == [v0]


def test_contexts_of_an_exception_table_are_uses() -> None:
    text = """function %f(i64, i64) tail {
        sig0 = () tail
        fn0 = %g sig0
    block0(v0: i64, v1: i64):
        try_call fn0(), sig0, block1, [ context v0, default: block1 ]
    block1:
        return
    }"""
    ((f, _),) = read_file(text).functions
    v0, v1 = f.entry.params
    (use,) = Index(f).uses[v0]
    assert use.value is v0
    assert used_values(use.inst) == [v0]
    use.put(v1)
    assert used_values(use.inst) == [v1]
    assert not Index(f).uses[v0]
    assert is_valid(f)
    use.put(Value(I64, 99))
    assert not is_valid(f)


def test_what_is_available() -> None:
    f = function()
    index = Index(f)
    join, arm = f.blocks[3], f.blocks[2]
    assert {value.number for value in index.available(join, 0)} == {0, 1, 7, 8}
    assert {value.number for value in index.available(arm, 1)} == {0, 1, 4}
    v4 = arm.instructions[0].result
    assert index.reaches(v4, arm, 1)
    assert not index.reaches(v4, arm, 0)
    assert not index.reaches(v4, join, 0)


def test_what_nobody_uses_goes_unless_it_has_effects() -> None:
    f = function()
    assert remove_unreachable(f)
    assert not remove_unreachable(f)
    assert [block.number for block in f.blocks] == [0, 1, 2, 3]
    remove_unused(f)
    names = [inst.opcode.name for inst in f.blocks[2].instructions]
    assert names == ["bnot", "udiv", "jump"]  # a division may trap
    f.blocks[2].instructions[2].targets[0].args = [f.entry.params[0]] * 2
    del f.blocks[2].instructions[1]
    remove_unused(f)
    assert [inst.opcode.name for inst in f.blocks[2].instructions] == ["jump"]


def test_values_to_keep() -> None:
    f = function()
    remove_unreachable(f)
    v5 = f.blocks[2].instructions[1].result
    remove_unused(f, frozenset({v5}))
    assert v5 in set(f.values())
    assert fresh_number(f) == 9


def test_loops() -> None:
    f = function()
    (found,), irreducible = loops(f, reverse_post_order(f), immediate_dominators(f))
    assert not irreducible
    assert found.header is f.blocks[1]
    assert found.latches == (f.blocks[1],)
    assert found.blocks == {f.blocks[1]}


def test_nested_loops_and_those_with_two_entries() -> None:
    text = """
    function %f(i32) {
    block0(v0: i32):
        jump block1
    block1:
        jump block2
    block2:
        brif v0, block2, block3
    block3:
        brif v0, block1, block4
    block4:
        brif v0, block5, block6
    block5:
        jump block6
    block6:
        brif v0, block5, block7
    block7:
        return
    }
    """
    ((f, _),) = read_file(text).functions
    found, irreducible = loops(f, reverse_post_order(f), immediate_dominators(f))
    assert irreducible
    sizes = {loop.header.number: {block.number for block in loop.blocks} for loop in found}
    assert sizes == {1: {1, 2, 3}, 2: {2}}
