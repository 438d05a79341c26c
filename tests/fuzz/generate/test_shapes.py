"""Parts that are made for one stage of Cranelift each: what they consist of, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations

import interp
from clif.function import Function, Inst, Value
from clif.memory_access import access_of
from clif.outcome import Status
from fuzz.cases.case import Case
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator, Options

CASES = 400
CONSTANTS = frozenset({"iconst", "f32const", "f64const", "f16const", "f128const", "vconst"})
OVERFLOWS = frozenset(
    f"{sign}{name}_overflow" for sign in ("u", "s") for name in ("add", "sub", "mul")
)


@cache
def drawn() -> list[Case]:
    generator = Generator(Options(inputs=4))
    return [generator.generate(PrngEntropy((311, n))) for n in range(CASES)]


def definitions(function: Function) -> dict[Value, Inst]:
    return {result: inst for inst in function.instructions() for result in inst.results}


def share(has: Callable[[Function], bool]) -> float:
    return sum(any(map(has, case.functions)) for case in drawn()) / CASES


def test_drawn_cases_keep_alias_regions_apart() -> None:
    several = 0
    for case in drawn():
        several += any(len(function.alias_regions) > 1 for function in case.functions)
        canonical = case.settings.get("enable_nan_canonicalization") == "true"
        options = interp.RunOptions(canonical_nans=canonical)
        outcomes = interp.run(case.functions, case.inputs, options)
        assert Status.VIOLATED not in outcomes.status
    assert several >= CASES // 20


# --- stores and loads of one address ---


def at_one_address(function: Function) -> Iterator[tuple[Inst, Inst]]:
    """Yield pairs of accesses, in layout order, that name one address value and offset."""
    accesses = [a for a in map(access_of, function.instructions()) if a is not None]
    for first, second in combinations(accesses, 2):
        if first.address is second.address and first.offset == second.offset:
            yield first.inst, second.inst


def _size(inst: Inst) -> int:
    access = access_of(inst)
    assert access is not None
    return access.size


def stores_again(function: Function) -> bool:
    return any(
        one.opcode.name == other.opcode.name == "store" and _size(one) == _size(other)
        for one, other in at_one_address(function)
    )


def stores_another_width(function: Function) -> bool:
    return any(
        "can_store" in one.opcode.flags & other.opcode.flags and _size(one) != _size(other)
        for one, other in at_one_address(function)
    )


def loads_otherwise(function: Function) -> bool:
    return any(
        "can_store" in one.opcode.flags
        and "can_load" in other.opcode.flags
        and (_size(one) != _size(other) or one.flags != other.flags)
        for one, other in at_one_address(function)
    )


def test_stores_and_loads_meet_at_one_address() -> None:
    for has in (stores_again, stores_another_width, loads_otherwise):
        assert share(has) > 0.03, has.__name__


# --- flags of overflow operations ---


def uses_of_flags(function: Function) -> Counter[tuple[str, bool]]:
    """Count the uses of flags, by the opcode and by whether it is in the operation's block."""
    block_of = {
        inst.results[1]: block
        for block in function.blocks
        for inst in block.instructions
        if inst.opcode.name in OVERFLOWS
    }
    return Counter(
        (inst.opcode.name, block_of[inst.args[0]] is block)
        for block in function.blocks
        for inst in block.instructions
        if inst.args and inst.args[0] in block_of
    )


def test_flags_are_branched_selected_and_trapped_on() -> None:
    found: Counter[tuple[str, bool]] = Counter()
    for case in drawn():
        for function in case.functions:
            found += uses_of_flags(function)
    for name in ("brif", "select", "trapnz"):
        for here in (False, True):
            assert found[name, here], (name, here)


# --- constants ---


def divides_by_the_least(function: Function) -> bool:
    defined = definitions(function)
    return any(
        inst.opcode.name in ("udiv", "sdiv", "urem", "srem")
        and (by := defined.get(inst.args[1])) is not None
        and by.opcode.name == "iconst"
        and by.imm == inst.args[1].type.sign_bit
        for inst in function.instructions()
    )


def opcodes_of_constants(function: Function) -> set[str]:
    """Return the pure opcodes that are applied to constants only."""
    defined = definitions(function)
    return {
        inst.opcode.name
        for inst in function.instructions()
        if inst.args
        and not inst.opcode.flags
        and all(arg in defined and defined[arg].opcode.name in CONSTANTS for arg in inst.args)
    }


def has_negative_zero(function: Function) -> bool:
    return any(
        inst.opcode.name in ("f32const", "f64const") and inst.imm == inst.result.type.sign_bit
        for inst in function.instructions()
    )


def test_constants_are_where_cranelift_looks_for_them() -> None:
    assert share(divides_by_the_least) > 0.005
    assert share(has_negative_zero) > 0.002
    functions = (function for case in drawn() for function in case.functions)
    assert len(set().union(*map(opcodes_of_constants, functions))) >= 35


# --- addresses ---


def extends_a_narrow_sum(function: Function) -> bool:
    """Return whether an access is at a base plus an extended sum of fewer bits."""
    defined = definitions(function)
    for access in map(access_of, function.instructions()):
        total = defined.get(access.address) if access is not None else None
        for operand in total.args if total is not None and total.opcode.name == "iadd" else ():
            extend = defined.get(operand)
            if extend is not None and extend.opcode.name in ("uextend", "sextend"):
                inner = defined.get(extend.args[0])
                if inner is not None and inner.opcode.name in ("iadd", "isub", "ishl"):
                    return True
    return False


def test_addresses_add_narrow_sums() -> None:
    assert share(extends_a_narrow_sum) > 0.05


# --- edges ---


def has_entries_with_other_arguments(function: Function) -> bool:
    for inst in function.instructions():
        if inst.opcode.name == "br_table":
            for one, other in combinations(inst.targets, 2):
                if one.block is other.block and one.args != other.args:
                    return True
    return False


def test_entries_of_a_table_lead_to_one_block_with_other_arguments() -> None:
    assert share(has_entries_with_other_arguments) > 0.04


# --- extended parameters and results ---


def extends_once_more(function: Function) -> bool:
    """Return whether a parameter that is extended is extended by the function, too."""
    words = {"uext": "uextend", "sext": "sextend"}
    expected = {
        (words[param.extension], value)
        for value, param in zip(function.entry.params, function.signature.params, strict=True)
        if param.extension is not None
    }
    return any(
        inst.opcode.name in ("uextend", "sextend") and (inst.opcode.name, inst.args[0]) in expected
        for inst in function.instructions()
    )


def test_functions_extend_extended_parameters() -> None:
    assert share(extends_once_more) > 0.1


# --- without what is made for single stages ---


def test_without_stage_parts_there_are_hardly_any_of_these_shapes() -> None:
    generator = Generator(Options(inputs=4, stage_parts=False))
    cases = [generator.generate(PrngEntropy((311, n))) for n in range(CASES // 4)]
    functions = [function for case in cases for function in case.functions]
    assert not any(map(extends_a_narrow_sum, functions))
    assert not any(map(has_negative_zero, functions))
    assert sum(map(loads_otherwise, functions)) < len(functions) // 20
    uses = sum(map(uses_of_flags, functions), Counter[tuple[str, bool]]())
    assert sum(count for (name, _), count in uses.items() if name in ("brif", "trapnz")) < 10
