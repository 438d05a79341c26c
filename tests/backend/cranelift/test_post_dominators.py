"""Tests of what is sure to run once an edge is passed."""

from __future__ import annotations

import ctypes
import platform

import pytest

from backend.cranelift import edge_counters, post_dominators
from backend.cranelift.isle_generated import BlockDisassembler
from backend.cranelift.post_dominators import (
    Block,
    FunctionCode,
    blocks_of,
    functions_of,
    immediate_post_dominators,
)


def test_a_block_begins_with_its_counter_and_goes_on_with_later_code() -> None:
    pcs = edge_counters.edge_pcs().tolist()
    lengths = set()
    for function in functions_of(pcs, edge_counters.entry_pcs(), range(2000)):
        for edge in function.edges:
            assert function.blocks[pcs[edge]].instructions[0] == pcs[edge]
            sure = function.post_dominators(pcs[edge])
            assert len(set(sure)) == len(sure)
            assert not set(sure) & set(function.may_follow(pcs[edge]))
            lengths.add(len(sure))
        for block in function.blocks.values():
            assert list(block.instructions) == sorted(set(block.instructions))
    assert {1, 2, 3} <= lengths


def test_an_unknown_machine_has_the_edges_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    (found,) = functions_of([1234, 5678], [1234], [0, 1])
    assert found.post_dominators(1234) == [1234]
    assert found.blocks[5678].instructions == (5678,)


@pytest.mark.parametrize(
    ("machine", "code"),
    [
        # nop; je to the second nop; nop; jmp to the last two; nop; nop; ret
        ("x86_64", "90 7403 90 eb01 90 90 c3"),
        ("aarch64", "1f2003d5 60000054 1f2003d5 02000014 1f2003d5 1f2003d5 c0035fd6"),
    ],
)
def test_both_ways_of_a_branch_lead_to_one_block(
    monkeypatch: pytest.MonkeyPatch, machine: str, code: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    memory = ctypes.create_string_buffer(bytes.fromhex(code))
    start = ctypes.addressof(memory)
    stop = start + len(memory) - 1
    blocks = blocks_of(BlockDisassembler(stop), start, stop, [])
    first, left, right, both = sorted(blocks)[:4]
    assert first == start
    assert sorted(blocks[first].targets) == [left, right]
    behind = immediate_post_dominators(blocks)
    function = FunctionCode((), blocks, behind)
    assert function.post_dominators(first) == [first, both]
    assert set(function.may_follow(first)) == {left, right}
    assert {behind[first], behind[left], behind[right]} == {both}
    assert behind[both] == post_dominators._END


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({1: [2], 2: [3], 3: [0]}, {1: 2, 2: 3, 3: 0}),
        ({1: [2, 3], 2: [4], 3: [4], 4: [0]}, {1: 4, 2: 4, 3: 4, 4: 0}),
        # A way that leaves the function early.
        ({1: [2, 3], 2: [0], 3: [4], 4: [0]}, {1: 0, 2: 0, 3: 4, 4: 0}),
        # A loop, and one without an end.
        ({1: [2], 2: [1, 3], 3: [0]}, {1: 2, 2: 3, 3: 0}),
        ({1: [2, 3], 2: [2], 3: [0]}, {1: 3, 3: 0}),
    ],
)
def test_what_all_ways_go_through(targets: dict[int, list[int]], expected: dict[int, int]) -> None:
    blocks = {start: Block((start,), tuple(found)) for start, found in targets.items()}
    assert immediate_post_dominators(blocks) == expected
