"""What a recorded run says of each activation, worked out by hand."""

from __future__ import annotations

import interp
from backend.cranelift.reader import read_functions
from clif.outcome import Inputs, ints_from_words, words_from_ints
from clif.types import I64

LOOP = """\
function %main(i64) -> i64 {
    fn0 = %next(i64) -> i64
block0(v0: i64):
    jump block1(v0)
block1(v1: i64):
    v2 = call fn0(v1)
    brif v2, block1(v2), block2
block2:
    v3 = iadd v1, v2
    return v3
}
function %next(i64) -> i64 {
block0(v0: i64):
    v1 = iconst.i64 6
    v2 = udiv v1, v0
    v3 = isub v0, v2
    return v3
}
"""


def recorded(argument: int) -> interp.Recorder:
    recorder = interp.Recorder()
    functions = read_functions(LOOP)
    interp.run(functions, Inputs(1, [words_from_ints(I64, [argument])]), recorder=recorder)
    return recorder


def values_of(activation: interp.Activation) -> dict[int, list[int]]:
    return {
        value.number: [ints_from_words(words)[0] for words in several]
        for value, several in activation.values.items()
    }


def test_all_contents_of_all_activations() -> None:
    recorder = recorded(3)  # 3 - 6/3 = 1; 1 - 6/1 = -5; -5 - 0 = -5, and so for ever
    main, *calls = recorder.activations
    assert values_of(main)[1][:3] == [3, 1, 2**64 - 5]
    assert main.called_by is None
    assert [values_of(call)[2] for call in calls[:3]] == [[2], [6], [0]]
    assert {call.function.name for call in calls} == {"next"}
    assert all(call.called_by is not None for call in calls)
    assert {str(call.called_by.opcode.name) for call in calls if call.called_by} == {"call"}


def test_the_instruction_that_traps() -> None:
    recorder = recorded(0)
    assert recorder.ended_by is not None
    assert recorder.ended_by.opcode.name == "udiv"
    assert values_of(recorder.activations[-1]) == {0: [0], 1: [6]}


def test_a_run_that_ends_well() -> None:
    recorder = recorded(6)  # 6 - 1 = 5; 5 - 1 = 4; 4 - 1 = 3; 3 - 2 = 1; and on as above
    assert values_of(recorder.activations[0])[1][:5] == [6, 5, 4, 3, 1]
