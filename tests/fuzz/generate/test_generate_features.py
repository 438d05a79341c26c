"""Each kind of call, frame and control flow is drawn, and has the same results on all ISAs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import pytest

from clif.function import Function, Inst, Value
from clif.graph import dominates, immediate_dominators, reverse_post_order, successors
from clif.types import F32, F64, I64, I128
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate import Options, conventions
from fuzz.isle.director import directed_generator

ISAS = ("x86_64", "aarch64")
CONVENTIONS = ("system_v", "fast", "tail", "windows_fastcall", "winch", "preserve_all")
OPCODES = frozenset(
    ["call", "call_indirect", "try_call", "try_call_indirect", "return_call"]
    + ["return_call_indirect", "func_addr", "symbol_value"]
)
FEATURES = (
    *sorted(OPCODES),
    *(f"main {name}" for name in CONVENTIONS),
    *(f"callee {name}" for name in CONVENTIONS),
    *("across conventions", "sret", "many parameters", "many results", "handlers share a block"),
    *("default handler", "big frame", "frame of 64 KiB", "many slots", "wide alignment"),
    *("results in another order", "alignment in a result", "other numbers of regions"),
    *("big table", "both ways to one block", "irreducible", "cold", "permuted", "deep"),
)
#: The declaration of the alias region of what main is handed.
ARGUMENT = '1 "argument"'
MOST_CASES = 3000


def features(case: Case) -> set[str]:
    found = {f"main {case.main.signature.call_conv}"}
    found |= {f"callee {function.signature.call_conv}" for function in case.functions[1:]}
    for function in case.functions:
        found.update(_of_frame(function), _of_instructions(function), _of_flow(function))
    numbers = {
        f.alias_regions.index(ARGUMENT) for f in case.functions if ARGUMENT in f.alias_regions
    }
    if len(numbers) > 1:
        found.add("other numbers of regions")
    return found


def _of_frame(function: Function) -> Iterator[str]:
    signature, slots = function.signature, function.stack_slots
    if any(param.purpose == "sret" for param in signature.params):
        yield "sret"
    if any(e.signature.call_conv != signature.call_conv for e in function.externals):
        yield "across conventions"
    if len(signature.params) >= 20:
        yield "many parameters"
    if len(signature.returns) >= 10:
        yield "many results"
    if any(slot.size > 4096 for slot in slots):
        yield "big frame"
    if any(slot.size >= 64 << 10 for slot in slots):
        yield "frame of 64 KiB"
    if len(slots) >= 6:
        yield "many slots"
    if any(slot.align > 16 for slot in slots):
        yield "wide alignment"


def _of_instructions(function: Function) -> Iterator[str]:
    definitions = {result: inst for inst in function.instructions() for result in inst.results}
    for block in function.blocks:
        if block.cold:
            yield "cold"
        for inst in block.instructions:
            name = inst.opcode.name
            if name in OPCODES:
                yield name
            if name == "br_table" and len(inst.targets) > 16:
                yield "big table"
            if name == "brif" and inst.targets[0].block is inst.targets[1].block:
                yield "both ways to one block"
            if len({h.target.block for h in inst.handlers}) < len(inst.handlers):
                yield "handlers share a block"
            if any(handler.tag is None for handler in inst.handlers):
                yield "default handler"
            if name.startswith("try_call") and _reordered(inst.targets[0].args):
                yield "results in another order"
            if name == "band" and _is_misalignment(inst, definitions):
                yield "alignment in a result"


def _reordered(args: Sequence[Value | str]) -> bool:
    """Return whether the results that an edge takes are not in order."""
    results = [arg for arg in args if isinstance(arg, str)]
    return results != sorted(results)


def _is_misalignment(inst: Inst, definitions: Mapping[Value, Inst]) -> bool:
    """Return whether an instruction has the low bits of a slot's address."""
    address, mask = (definitions.get(arg) for arg in inst.args)
    return address is not None and address.opcode.name == "stack_addr" and mask is not None


def _of_flow(function: Function) -> Iterator[str]:
    dominator = immediate_dominators(function)
    rank = {block: n for n, block in enumerate(reverse_post_order(function))}
    for block in rank:
        for to in successors(block):
            back = rank[to] <= rank[block]
            if back and not dominates(dominator, to, block):
                yield "irreducible"
        for target in block.instructions[-1].targets:
            own = [arg for arg in target.args if arg in target.block.params]
            if len(own) > 1 and not any(
                a is b for a, b in zip(own, target.block.params, strict=False)
            ):
                yield "permuted"
    depth = {function.entry: 0}
    for block in rank:  # a dominator comes before what it dominates
        depth[block] = depth[dominator[block]] + 1
    if max(depth.values()) >= 7:
        yield "deep"


@cache
def found() -> dict[str, Case]:
    """Return the first case with each feature."""
    generator = directed_generator(Options(inputs=4, alone=False))
    cases: dict[str, Case] = {}
    for seed in range(MOST_CASES):
        case = generator.generate(PrngEntropy((5, seed)))
        for feature in features(case):
            cases.setdefault(feature, case)
        if len(cases) >= len(FEATURES) and set(FEATURES) <= cases.keys():
            break
    return cases


@pytest.mark.parametrize("feature", FEATURES)
def test_it_is_drawn_and_runs_alike_on_both_isas(feature: str) -> None:
    case = found()[feature]
    verdict = Pipeline(ISAS).check(case)
    assert not verdict.rejected
    assert not verdict.findings
    assert verdict.hangs == 0
    assert verdict.executions == 2 * case.inputs.count
    assert case.trapping or (verdict.expected is not None and not verdict.expected.traps)


def test_apples_convention_is_drawn_where_aarch64_is_alone() -> None:
    generator = directed_generator(Options(inputs=4, isas=("aarch64",)))
    pipeline = Pipeline(("aarch64",))
    drawn = (generator.generate(PrngEntropy((6, seed))) for seed in range(400))
    apples = [case for case in drawn if case.main.signature.call_conv == "apple_aarch64"]
    assert len(apples) >= 3
    for case in apples:
        verdict = pipeline.check(case)
        assert not verdict.rejected
        assert not verdict.findings
    assert "apple_aarch64" not in conventions.common(ISAS)


@pytest.mark.parametrize(
    ("convention", "types", "fits"),
    [
        ("system_v", [I64, I64, F64, F32], True),
        ("system_v", [I128, I64], False),
        ("tail", [I64] * 6, True),
        ("tail", [I64] * 7, False),
        ("windows_fastcall", [I64, I64, F64], True),
        ("windows_fastcall", [F64, F64], False),
        ("winch", [F64], True),
        ("winch", [I64, F64], False),
        ("winch", [I128], False),
        ("preserve_all", [], True),
        ("preserve_all", [I64], False),
    ],
)
def test_what_a_convention_returns_in_registers(convention, types, fits) -> None:
    assert conventions.fits(convention, types) is fits
