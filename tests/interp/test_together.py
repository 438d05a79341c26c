"""All inputs at once have the outcomes that each has alone, on random functions."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import AbiParam, Block, BlockCall, Function, Signature, Value
from clif.outcome import Inputs, Outcomes, Region, Status, ints_from_words, words_from_ints
from clif.types import F32, F64, I8, I32, I64, I128, Type, by_name
from interp import RunOptions, run
from tests.interp.asking import random_int

_TYPES = [I8, I32, I64, I128, F32, F64, by_name("i32x4"), by_name("f32x4")]
_CONTENTS = bytes(range(64))
_INTS = ["iadd", "isub", "imul", "bxor", "smin", "umax", "band"]
_FLOATS = ["fadd", "fmul", "fmin", "fmax", "fcopysign"]
_FUEL = 3000


class _Draw:
    """A function drawn from a seed: a chain of regions, each straight, split or a loop.

    Values of every type live in block parameters, so that masks, merging and parallel copies are
    all at work. Some instructions trap or access memory by computed addresses.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.function = Function("main", Signature())
        self.builder = FunctionBuilder(self.function, OPCODES)
        types = [I64, *_TYPES]
        entry = self.builder.create_block(types)
        self.builder.block = entry
        self.address, *self.state = entry.params
        for _ in range(self.chance.randint(1, 5)):
            self.chance.choice([self.straight, self.branch, self.loop])()
        self.straight()
        self.builder.ins("return", *self.state)
        results = tuple(AbiParam(value.type) for value in self.state)
        self.function.signature = Signature(tuple(map(AbiParam, types)), results)

    def of(self, type_: Type) -> Value:
        return self.state[_TYPES.index(type_)]

    def straight(self) -> None:
        for _ in range(self.chance.randint(1, 6)):
            self.step(self.chance.choice(_TYPES))

    def step(self, type_: Type) -> None:
        builder, at, pick = self.builder, _TYPES.index(type_), self.chance.random()
        x, other = self.of(type_), self.mixed(type_)
        if type_.is_float:
            value = builder.value(self.chance.choice(_FLOATS), x, other)
        elif pick < 0.1 and not type_.is_vector:
            value = builder.value(self.chance.choice(["udiv", "srem"]), x, other)
        elif pick < 0.2:
            self.memory(x)
            value = builder.value("load", self.place(), type=type_)
        elif pick < 0.25:
            builder.ins("trapz", self.of(I8), trap="user4")
            value = builder.value("ineg", x)
        else:
            value = builder.value(self.chance.choice(_INTS), x, other)
        self.state[at] = value

    def mixed(self, type_: Type) -> Value:
        """Return another value of the type, made from the state."""
        if type_ is I64:
            return self.builder.value("uextend", self.of(I32), type=I64)
        if type_ is I32:
            return self.builder.value("ireduce", self.of(I64), type=I32)
        if type_ is F32:
            return self.builder.value("bitcast", self.of(I32), type=F32)
        return self.of(type_)

    def place(self) -> Value:
        """Return an address in the region, or (rarely) just past it."""
        mask = self.builder.iconst(I64, self.chance.choice([31, 47, 48, 63]))
        return self.builder.value(
            "iadd", self.address, self.builder.value("band", self.of(I64), mask)
        )

    def memory(self, x: Value) -> None:
        self.builder.ins("store", x, self.place())

    def condition(self) -> Value:
        left = self.of(I64)
        right = self.builder.value("uextend", self.of(I8), type=I64)
        return self.builder.value("icmp", left, right, cond=self.chance.choice(["ult", "sgt"]))

    def block(self) -> Block:
        return self.builder.create_block(_TYPES)

    def branch(self) -> None:
        then, otherwise, join = self.block(), self.block(), self.block()
        self.builder.ins(
            "brif",
            self.condition(),
            targets=[BlockCall(then, [*self.state]), BlockCall(otherwise, [*self.state])],
        )
        for side in (then, otherwise):
            self.enter(side)
            self.straight()
            self.builder.ins("jump", targets=[BlockCall(join, [*self.state])])
        self.enter(join)

    def loop(self) -> None:
        """Append a loop with as many iterations as the low bits of a state value say, even none."""
        count = self.builder.value("band", self.of(I64), self.builder.iconst(I64, 3))
        head = self.builder.create_block([I64, *_TYPES])
        body, exit_ = self.block(), self.block()
        self.builder.ins("jump", targets=[BlockCall(head, [count, *self.state])])
        self.enter(head, 1)
        left = head.params[0]
        self.builder.ins(
            "brif", left, targets=[BlockCall(body, [*self.state]), BlockCall(exit_, [*self.state])]
        )
        self.enter(body)
        self.straight()
        less = self.builder.value("iadd", left, self.builder.iconst(I64, -1))
        if self.chance.random() < 0.5:  # a second exit, after another number of iterations
            early = [BlockCall(exit_, [*self.state]), BlockCall(head, [less, *self.state])]
            self.builder.ins("brif", self.condition(), targets=early)
        else:
            self.builder.ins("jump", targets=[BlockCall(head, [less, *self.state])])
        self.enter(exit_)

    def enter(self, block: Block, skip: int = 0) -> None:
        self.builder.block = block
        self.state = [*block.params[skip:]]

    def inputs(self, count: int) -> Inputs:
        columns = [[random_int(type_, self.chance) for _ in range(count)] for type_ in _TYPES]
        words = [words_from_ints(t, c) for t, c in zip(_TYPES, columns, strict=True)]
        zeros = words_from_ints(I64, [0] * count)
        return Inputs(count, [zeros, *words], Region(0, _CONTENTS))


def _row(outcomes: Outcomes, row: int) -> tuple[object, ...]:
    """Return everything about the outcome of one input."""
    status = Status(int(outcomes.status[row]))
    assert outcomes.memory is not None
    if status is Status.RETURNED:
        said: object = [ints_from_words(words)[row] for words in outcomes.results]
    else:
        said = outcomes.traps.get(row)
    return status, said, outcomes.memory[row].tobytes()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(2, 12), st.booleans())
def test_all_inputs_at_once_equals_one_at_a_time(seed: int, count: int, canonical: bool) -> None:
    drawn = _Draw(seed)
    inputs = drawn.inputs(count)
    options = RunOptions(canonical_nans=canonical, fuel=_FUEL)
    together = run([drawn.function], inputs, options)
    for row in range(count):
        alone = run([drawn.function], inputs.select([row]), options)
        assert _row(alone, 0) == _row(together, row)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_the_layout_of_memory_does_not_matter(seed: int) -> None:
    drawn = _Draw(seed)
    inputs = drawn.inputs(6)
    first = run([drawn.function], inputs, RunOptions(fuel=_FUEL))
    second = run([drawn.function], inputs, RunOptions(fuel=_FUEL, layout=7))
    for row in range(6):
        assert _row(first, row) == _row(second, row)


def test_what_is_drawn_reaches_all_kinds_of_outcomes() -> None:
    """Otherwise the properties above would say little."""
    statuses: set[int] = set()
    codes: set[str] = set()
    for seed in range(60):
        drawn = _Draw(seed)
        outcomes = run([drawn.function], drawn.inputs(8), RunOptions(fuel=_FUEL))
        statuses |= set(outcomes.status.tolist())
        codes |= set(outcomes.traps.values())
    assert statuses == {Status.RETURNED, Status.TRAPPED}
    assert {"user4", "int_divz", "heap_oob"} <= codes
