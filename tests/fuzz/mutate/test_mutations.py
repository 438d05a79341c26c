"""Each mutation changes what it says, and nothing that keeps a case valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from clif.function import External, Inst
from clif.outcome import Status
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.oracle import interpreter
from fuzz.entropy import PrngEntropy
from fuzz.generate import Options
from fuzz.mutate import MUTATIONS, mutator_of

OPTIONS = Options()
SEEDS = range(60)

PURE = """
        function %main(i32, i32, i64) -> i32, i64 {
        block0(v0: i32, v1: i32, v2: i64):
            v3 = iconst.i32 1000
            v4 = iadd v0, v3
            v5 = imul v4, v1
            v6 = icmp slt v5, v0
            v7 = uextend.i32 v6
            v8 = bxor v7, v5
            v9 = ineg v2
            return v8, v9
        }
        ; print: %main(5, 6, 7)
        ; print: %main(-5, 0x80000000, 9)
        """
MEMORY = """
        ; region: argument 0, 32 bytes
        ; contents: 0102030405060708090a0b0c0d0e0f10
        function %main(i64, i32) -> i32, i64 {
            ss0 = explicit_slot 16, align = 16
        block0(v0: i64, v1: i32):
            v2 = stack_addr.i64 ss0
            v3 = sextend.i64 v1
            store notrap aligned v3, v2
            store notrap aligned v3, v2+8
            v4 = load.i32 notrap aligned v2+4
            v5 = load.i64 notrap aligned readonly v0+8
            store user42 v1, v0+20
            v6 = iadd v4, v1
            return v6, v5
        }
        ; print: %main(0, 7)
        ; print: %main(0, -9)
        """
FLOW = """
        function %main(i32, i32) -> i32 {
        block0(v0: i32, v1: i32):
            v2 = iconst.i32 0
            jump block1(v2, v0)
        block1(v3: i32, v4: i32):
            v5 = icmp ugt v4, v1
            brif v5, block2(v0), block3(v1)
        block2(v6: i32):
            v7 = imul v6, v4
            jump block4(v7)
        block3(v8: i32):
            v9 = bnot v8
            jump block4(v9)
        block4(v10: i32):
            v11 = iconst.i32 1
            v12 = iadd v3, v11
            v13 = iconst.i32 5
            v14 = icmp ult v12, v13
            brif v14, block1(v12, v10), block5
        block5:
            return v10
        }
        ; print: %main(5, 6)
        ; print: %main(-5, 0x80000000)
        """
CALLS = """
        ; region: argument 0, 64 bytes
        ; contents: ffffffffffffffffffffffffffffffff
        function %helper(i64, i32) -> i32 {
        block0(v0: i64, v1: i32):
            v2 = load.i32 notrap v0+48
            store v1, v0+60
            v3 = bxor v1, v2
            return v3
        }
        function %main(i64, i32) -> i32 {
            fn0 = %helper(i64, i32) -> i32
        block0(v0: i64, v1: i32):
            v2 = call fn0(v0, v1)
            v3 = iadd v1, v2
            return v3
        }
        ; print: %main(0, 5)
        """
CALLER = """
        ; region: argument 0, 64 bytes
        function %helper(i64, i32) -> i32 {
        block0(v0: i64, v1: i32):
            v3 = ineg v1
            return v3
        }
        function %main(i64, i32) -> i32 {
            fn0 = %helper(i64, i32) -> i32
        block0(v0: i64, v1: i32):
            v2 = call fn0(v0, v1)
            v3 = call fn0(v0, v2)
            return v3
        }
        ; print: %main(0, 5)
        """


def read(text: str) -> Case:
    return read_case(text).case


def mutants(name: str, text: str, other: str | None = None) -> list[Case]:
    """Return mutants by one step of one mutation, without those for which it found no place."""
    mutator, case = mutator_of(OPTIONS), read(text)
    second = None if other is None else read(other)
    before = print_functions(case.functions)
    made = []
    for seed in SEEDS:
        mutant = mutator.mutate(case, PrngEntropy(seed), steps=1, only=[name], other=second)
        assert mutant.steps in ([name], [])
        if mutant.steps:
            made.append(mutant.case)
    assert print_functions(case.functions) == before
    assert made
    for each in made:
        assert set(interpreter(each).status.tolist()) == {Status.RETURNED}
    return made


def all_of(case: Case) -> Iterator[Inst]:
    for function in case.functions:
        yield from function.instructions()


def names(case: Case) -> list[str]:
    return [inst.opcode.name for inst in all_of(case)]


def differing(made: list[Case], text: str, what: Callable[[Inst], object]) -> set[object]:
    """Return what changed instructions became, in mutants with as many instructions as before."""
    before = [what(inst) for inst in all_of(read(text))]
    found = set()
    for case in made:
        after = [what(inst) for inst in all_of(case)]
        if len(after) == len(before):
            found |= {new for old, new in zip(before, after, strict=True) if old != new}
    return found


def test_every_mutation_has_a_test() -> None:
    tested = {name.removeprefix("test_").replace("_", "-") for name in globals()}
    assert set(MUTATIONS) <= tested
    assert all(mutation.name == name for name, mutation in MUTATIONS.items())


def test_opcode() -> None:
    made = mutants("opcode", PURE)
    assert len(differing(made, PURE, lambda inst: inst.opcode.name)) > 10
    assert not differing(made, PURE, lambda inst: tuple(v.type for v in inst.args))
    assert not differing(made, PURE, lambda inst: tuple(v.type for v in inst.results))


def test_opcode_of_divisions() -> None:
    text = """
        function %main(i32, i32) -> i32 {
        block0(v0: i32, v1: i32):
            v2 = iconst.i32 1
            v3 = bor v1, v2
            v4 = udiv v0, v3
            return v4
        }
        ; print: %main(0x80000000, -1)
        """
    made = mutants("opcode", text)
    # sdiv could trap, and the bor that keeps the divisor from being 0 is protected.
    assert {name for case in made for name in names(case)} == {
        *("iconst", "bor", "return", "urem", "srem")
    }


def test_operand() -> None:
    made = mutants("operand", PURE)
    assert not differing(made, PURE, lambda inst: tuple(v.type for v in inst.args))
    assert len(differing(made, PURE, lambda inst: tuple(v.number for v in inst.args))) > 5


def test_constant() -> None:
    made = mutants("constant", PURE)
    constants = differing(made, PURE, lambda inst: inst.imm)
    assert len(constants) > 10
    assert {999, 1001} <= constants


def test_constant_leaves_counters_alone() -> None:
    mutator, case = mutator_of(OPTIONS), read(FLOW)
    for seed in SEEDS:
        assert not mutator.mutate(case, PrngEntropy(seed), steps=1, only=["constant"]).steps


def test_type() -> None:
    made = mutants("type", PURE)
    types = {str(inst.type) for case in made for inst in all_of(case) if inst.opcode.name == "imul"}
    assert {"i8", "i16", "i64"} <= types
    assert any({"sextend", "ireduce"} <= set(names(case)) for case in made)


def test_condition() -> None:
    made = mutants("condition", PURE)
    assert len(differing(made, PURE, lambda inst: inst.cond)) >= 8
    changed = mutants("condition", FLOW)
    assert {[inst.cond for inst in all_of(case) if inst.cond][1] for case in changed} == {"ult"}


def test_insert() -> None:
    made = mutants("insert", PURE)
    before = len(names(read(PURE)))
    assert all(len(names(case)) > before for case in made)
    assert len({name for case in made for name in names(case)}) > 20


def test_delete() -> None:
    made = mutants("delete", PURE)
    before = len(names(read(PURE)))
    assert all(len(names(case)) < before for case in made)


def test_delete_leaves_stores_to_slots() -> None:
    made = mutants("delete", MEMORY)
    counts = {names(case).count("store") for case in made}
    assert counts == {2, 3}  # that to the region may go


def test_duplicate() -> None:
    made = mutants("duplicate", PURE)
    before = names(read(PURE))
    for case in made:
        (twice,) = {n for n in names(case) if names(case).count(n) > before.count(n)}
        assert twice in ("imul", "iadd", "iconst")  # those with several users
    stored = mutants("duplicate", MEMORY)
    assert any(names(case).count("store") == 4 for case in stored)


def test_move() -> None:
    made = mutants("move", PURE)
    before = names(read(PURE))
    assert all(sorted(names(case)) == sorted(before) for case in made)
    assert len({tuple(names(case)) for case in made} - {tuple(before)}) > 2
    hoisted = mutants("move", FLOW.replace("imul v6, v4", "imul v1, v4"))
    heads = [[i.opcode.name for i in case.main.blocks[1].instructions] for case in hoisted]
    assert any("imul" in head for head in heads)  # block2's, now in front of the branch


def test_branch() -> None:
    made = mutants("branch", FLOW)
    targets = {
        tuple(target.block.number for target in case.main.blocks[1].instructions[-1].targets)
        for case in made
    }
    assert targets == {(3, 2), (2, 2), (3, 3)}
    # The loop's own branch stays.
    assert all(names(case).count("brif") == 2 for case in made)


def test_branch_of_a_table() -> None:
    text = """
        function %main(i32) -> i32 {
        block0(v0: i32):
            br_table v0, block1, [block2, block1]
        block1:
            v1 = ineg v0
            return v1
        block2:
            return v0
        }
        ; print: %main(0)
        """
    made = mutants("branch", text)
    lengths = {len(case.main.entry.instructions[-1].targets) for case in made}
    assert lengths == {3, 4}


def test_offset() -> None:
    made = mutants("offset", MEMORY)
    for case in made:
        slot_load, region_load, store = [
            inst for inst in all_of(case) if inst.opcode.name in ("load", "store")
        ][2:]
        assert 0 <= slot_load.offset <= 12
        assert 0 <= region_load.offset <= 24
        assert 16 <= store.offset <= 28 or not region_load.flags.readonly
    assert len(differing(made, MEMORY, lambda inst: inst.offset)) > 10
    assert all(names(case) == names(read(MEMORY)) for case in made)


def test_offset_leaves_loads_from_unwritten_slots_alone() -> None:
    text = MEMORY.replace("store notrap aligned v3, v2+8\n", "")
    for case in mutants("offset", text):
        from_slot, _ = [inst for inst in all_of(case) if inst.opcode.name == "load"]
        assert from_slot.offset == 4


def test_memory_flags() -> None:
    made = mutants("memory-flags", MEMORY)
    flags = {str(flag) for flag in differing(made, MEMORY, lambda inst: inst.flags)}
    assert any("can_move" in words for words in flags)
    assert any("little" in words for words in flags)
    assert any("aligned" not in words for words in flags)
    loads = [[inst for inst in all_of(case) if inst.opcode.name == "load"] for case in made]
    assert not any(slot.flags.readonly for slot, _ in loads)
    assert not any(names(case) != names(read(MEMORY)) for case in made)


def test_settings() -> None:
    made = mutants("settings", PURE)
    assert {case.settings["opt_level"] for case in made} >= {"speed", "speed_and_size"}
    kept = "set enable_multi_ret_implicit_sret=true\nset enable_nan_canonicalization=true\n"
    for case in mutants("settings", kept + PURE):
        assert case.settings["enable_multi_ret_implicit_sret"] == "true"
        assert case.settings["enable_nan_canonicalization"] == "true"


def test_isa_flags() -> None:
    made = mutants("isa-flags", PURE)
    assert len({tuple(case.isa_settings["x86_64"]) for case in made}) > 3


def test_isa_flags_keep_what_the_case_needs() -> None:
    text = """
        target x86_64 has_sse3 has_ssse3 has_popcnt
        function %main(i8x16) -> i8x16 {
        block0(v0: i8x16):
            v1 = x86_pshufb v0, v0
            return v1
        }
        ; print: %main(0x00000000000000000000000000000001)
        """
    mutator = mutator_of(OPTIONS)
    changed = 0
    for seed in SEEDS:
        mutant = mutator.mutate(read(text), PrngEntropy(seed), steps=1, only=["isa-flags"])
        assert mutant.case.isa_settings["x86_64"]["has_ssse3"] == "true"
        changed += bool(mutant.steps)
    assert changed


def test_chaos() -> None:
    made = mutants("chaos", PURE)
    assert len({case.chaos for case in made}) > 50


def test_inlining() -> None:
    mutator, alone = mutator_of(OPTIONS), read(PURE)
    assert not mutator.mutate(alone, PrngEntropy(1), steps=1, only=["inlining"]).steps
    assert len({case.inlining for case in mutants("inlining", CALLS)}) > 50


def test_inputs() -> None:
    original = read(MEMORY)
    made = mutants("inputs", MEMORY)
    args = {tuple(case.inputs.args[1].ravel().tolist()) for case in made}
    contents = {case.inputs.region.contents for case in made if case.inputs.region}
    assert len(args) > 10
    assert len(contents) > 5
    assert {len(bytes_) for bytes_ in contents} == {32}
    assert original.inputs.args[1].ravel().tolist() == [7, 2**32 - 9]


def test_splice() -> None:
    made = mutants("splice", PURE, other=FLOW)
    for case in made:
        assert len(case.functions) == 2
        assert case.functions[1].name == "g1"
        calls = [inst for inst in all_of(case) if "is_call" in inst.opcode.flags]
        (result,) = calls[0].results
        assert any(result in inst.args for inst in case.main.instructions())
    assert {n for case in made for n in names(case) if n.startswith("call")} == {
        "call",
        "call_indirect",
    }


def test_splice_shares_the_region() -> None:
    made = mutants("splice", MEMORY, other=CALLS)
    for case in made:
        region = case.inputs.region
        assert region is not None
        taken = {function.name for function in case.functions}
        assert taken in ({"main", "g1"}, {"main", "g1", "g2"})  # with what it calls
        assert region.size == 64
        assert region.contents[:16] == bytes(range(1, 17))
        assert not any(inst.flags.readonly for inst in all_of(case))


def test_splice_leaves_functions_that_could_trap_alone() -> None:
    text = PURE.replace("imul v4, v1", "udiv v4, v1")
    mutator = mutator_of(OPTIONS)
    for seed in SEEDS:
        mutant = mutator.crossover(read(FLOW), read(text), PrngEntropy(seed))
        assert not mutant.steps


def test_swap_callee() -> None:
    made = mutants("swap-callee", CALLER, other=CALLS)
    for case in made:
        refs = [inst.ref for inst in case.main.instructions()]
        called = [ref.name for ref in refs if isinstance(ref, External)]
        assert sorted(called) == ["g1", "helper"]
        assert [function.name for function in case.functions][2:] == ["g1"]


@pytest.mark.parametrize("name", [n for n, m in MUTATIONS.items() if m.needs_other])
def test_crossover_needs_another_case(name: str) -> None:
    mutant = mutator_of(OPTIONS).mutate(read(CALLER), PrngEntropy(1), only=["operand", name])
    assert set(mutant.steps) <= {"operand"}
