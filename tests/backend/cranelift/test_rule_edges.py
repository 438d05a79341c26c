"""From edges to ISLE rules: rules that a function must fire and a similar one must not."""

from __future__ import annotations

import ctypes
import json
import os
import platform
from pathlib import Path

import numpy as np
import pytest

from backend.cranelift import _cranelift, edge_counters, isle_generated, post_dominators, rule_edges
from backend.cranelift.compiler import Target, compile_text
from backend.cranelift.edge_counters import CoveredEdges
from backend.cranelift.isle_generated import BlockDisassembler
from backend.cranelift.rule_edges import RulesError, load_rule_map
from backend.cranelift.rule_map import GROUPS, RuleId, RuleMap

BUILD = load_rule_map()


def rule(group: str, file: str, text: str) -> RuleId:
    """Return the only rule of a file that begins with a text."""
    found = [
        rule
        for rule in BUILD.rules
        if rule.group == group
        and rule.file.endswith(file)
        and BUILD.source_line(rule).startswith(text)
    ]
    assert len(found) == 1, (text, found)
    return found[0]


def fired(text: str, isa: str, opt_level: str = "speed") -> set[RuleId]:
    edges = CoveredEdges()
    compile_text(text, Target.of(isa, {"opt_level": opt_level}))
    edges.collect()
    return {r for r, f in zip(BUILD.rules, BUILD.fired(edges.covered), strict=True) if f}


def function(signature: str, *body: str) -> str:
    """Return a function of instructions that define v0, v1..., and return the last value."""
    params, _, returns = signature.partition(" -> ")
    types = params.split()
    args = ", ".join(f"v{n}: {type_}" for n, type_ in enumerate(types))
    first = len(types)
    lines = [f"    v{first + n} = {line}" for n, line in enumerate(body)]
    lines.append(f"    return v{first + len(body) - 1}")
    head = f"function %f({', '.join(types)}) -> {returns} system_v {{\nblock0({args}):\n"
    return head + "\n".join(lines) + "\n}\n"


I32 = "i32 i32 -> i32"
I64 = "i64 i64 -> i64"

# Instructions that fire a rule, and the same with one thing changed that its left-hand side needs.
MID_END = {
    "not under or and": (
        ("bitops.isle", "(rule (simplify (bor ty (band ty x (bnot ty y)) y)) (bor ty y x))"),
        (I32, "bnot v1", "band v0, v2", "bor v3, v1"),
        (I32, "bnot v1", "band v0, v2", "bxor v3, v1"),
    ),
    "umin of itself": (
        ("arithmetic.isle", "(rule (simplify (umin ty x x)) x)"),
        (I64, "iadd v0, v1", "umin v2, v2"),
        (I64, "iadd v0, v1", "umin v2, v0"),
    ),
    "bswap twice": (
        ("bitops.isle", "(rule (simplify (bswap ty (bswap ty x))) (subsume x))"),
        (I32, "bswap v0", "bswap v2", "iadd v3, v1"),
        (I32, "bitrev v0", "bswap v2", "iadd v3, v1"),
    ),
    "difference of nots": (
        ("bitops.isle", "(rule (simplify (isub ty (bnot ty x) (bnot ty y))) (isub ty y x))"),
        (I32, "bnot v0", "bnot v1", "isub v2, v3"),
        (I32, "bnot v0", "bnot v1", "imul v2, v3"),
    ),
    "sum of x and not x": (
        ("arithmetic.isle", "(rule (simplify (iadd ty (bnot ty x) x)) (iconst_s ty -1))"),
        (I32, "bnot v0", "iadd v2, v0"),
        (I32, "bnot v0", "iadd v2, v1"),
    ),
    "sextend of uextend": (
        ("extends.isle", "(rule (simplify (sextend ty (uextend _intermediate_ty x)))"),
        ("i8 -> i64", "uextend.i32 v0", "sextend.i64 v1"),
        ("i8 -> i64", "sextend.i32 v0", "uextend.i64 v1"),
    ),
    "rounding a constant": (
        ("cprop.isle", "(rule (simplify (ceil $F64 (f64const $F64 n)))"),
        ("i64 -> f64", "f64const 0x1.8p0", "ceil v1"),
        ("i64 -> f64", "f64const 0x1.8p0", "floor v1"),
    ),
    "srem by minus one": (
        ("arithmetic.isle", "(rule (simplify_skeleton (srem x (iconst_s ty -1))) (iconst_u ty 0))"),
        ("i32 -> i32", "iconst.i32 -1", "srem v0, v1"),
        ("i32 -> i32", "iconst.i32 2", "srem v0, v1"),
    ),
}
LOWERING = {
    ("x86_64", "bswap"): (
        "(rule (lower (bswap $I32 src))",
        ("i32 -> i32", "bswap v0"),
        ("i64 -> i64", "bswap v0"),
    ),
    ("x86_64", "fabs"): (
        "(rule (lower (fabs $F32 x))",
        ("f32 -> f32", "fabs v0"),
        ("f64 -> f64", "fabs v0"),
    ),
    ("x86_64", "iabs"): (
        "(rule (lower (iabs $I32X4 x))",
        ("i32x4 -> i32x4", "iabs v0"),
        ("i16x8 -> i16x8", "iabs v0"),
    ),
    ("x86_64", "vector isub"): (
        "(rule (lower (isub (multi_lane 8 16) x y))",
        ("i8x16 i8x16 -> i8x16", "isub v0, v1"),
        ("i16x8 i16x8 -> i16x8", "isub v0, v1"),
    ),
    # Their edges are before the right-hand side, not in it.
    ("x86_64", "load sunk into fmul"): (
        "(rule 1 (lower (fmul $F32 (sinkable_load_32 x) y))",
        ("f32 i64 -> f32", "load.f32 v1", "fmul v2, v0"),
        ("f32 i64 -> f32", "load.f32 v1", "fadd v2, v0"),
    ),
    ("x86_64", "bxor of i8x16"): (
        "(rule 6 (lower (bxor ty @ (multi_lane _bits _lanes) x y))",
        ("i8x16 i8x16 -> i8x16", "bxor v0, v1"),
        ("i64 i64 -> i64", "bxor v0, v1"),
    ),
    ("aarch64", "band of bnot"): (
        "(rule band_not_right 1 (lower (band (fits_in_64 (ty_int ty)) x (bnot _ y)))",
        (I64, "bnot v1", "band v0, v2"),
        (I64, "bnot v1", "imul v0, v2"),
    ),
    ("aarch64", "fcvt_from_uint"): (
        "(rule 1 (lower (fcvt_from_uint $F32 x @ (value_type $I64)))",
        ("i64 -> f32", "fcvt_from_uint.f32 v0"),
        ("i32 -> f32", "fcvt_from_uint.f32 v0"),
    ),
    ("aarch64", "iadd of imul"): (
        "(rule iadd_imul_right 7 (lower (iadd (ty_int_ref_scalar_64_extract ty) x (imul _ y z)))",
        (I64, "imul v0, v1", "iadd v0, v2"),
        (I64, "udiv v0, v1", "iadd v0, v2"),
    ),
    ("aarch64", "bitrev"): (
        "(rule (lower (bitrev $I8 x))",
        ("i8 -> i8", "bitrev v0"),
        ("i16 -> i16", "bitrev v0"),
    ),
    ("aarch64", "popcnt"): (
        "(rule popcnt_8x16 (lower (popcnt $I8X16 x))",
        ("i8x16 -> i8x16", "popcnt v0"),
        ("i32 -> i32", "popcnt v0"),
    ),
    ("aarch64", "fdemote"): (
        "(rule (lower (fdemote $F32 x))",
        ("f64 -> f32", "fdemote.f32 v0"),
        ("f32 -> f64", "fpromote.f64 v0"),
    ),
}


@pytest.mark.parametrize("name", MID_END)
def test_a_rule_of_the_mid_end_fires_where_it_matches_and_when_optimising(name: str) -> None:
    (file, text), matching, other = MID_END[name]
    wanted = rule("mid_end", file, text)
    for isa in ("x86_64", "aarch64"):
        assert wanted in fired(function(*matching), isa)
        assert wanted not in fired(function(*other), isa)
        if "skeleton" not in text:
            assert wanted not in fired(function(*matching), isa, opt_level="none")


@pytest.mark.parametrize(("isa", "name"), LOWERING)
def test_a_lowering_rule_fires_where_it_matches_and_on_its_isa(isa: str, name: str) -> None:
    text, matching, other = LOWERING[isa, name]
    wanted = rule(isa, "lower.isle", text)
    assert wanted in fired(function(*matching), isa)
    assert wanted not in fired(function(*other), isa)
    others = {r.group for r in fired(function(*matching), isa)} - {"mid_end", "mid_end (other)"}
    assert others <= {isa, f"{isa} (other)"}


def test_most_rules_have_code_of_their_own() -> None:
    counts = BUILD.by_group(np.zeros(len(BUILD.rules), np.bool_))
    assert {group: fired for group, (fired, _) in counts.items()} == dict.fromkeys(counts, 0)
    assert list(counts)[: len(GROUPS)] == list(GROUPS)
    for group in GROUPS:
        assert counts[group][1] > 5 * BUILD.merged[group]
    sources = [BUILD.source_line(rule) for rule in BUILD.rules]
    assert all(source.startswith("(") for source in sources)
    assert sum(source.startswith("(rule") for source in sources) > 0.95 * len(sources)
    everything = BUILD.by_group(BUILD.fired(np.ones(len(edge_counters.counters()), np.bool_)))
    assert all(fired == total for fired, total in everything.values())


# --- the generated code ---


def test_the_right_hand_side_is_what_stands_in_the_innermost_block() -> None:
    code = """\
fn f() {
    if a {
        if b {
            let v1 = g(ctx);
            // Rule at src/a.isle line 3.
            return v1;
        }
        let v2 = S {
            x: v1,
        };
        // Rule at src/b.isle line 4.
        returns.extend(Some(v2));
        if returns.len() >= MAX_ISLE_RETURNS { return; }
        // Rule at src/b.isle line 5.
        returns.extend(Some(
            v3
        ));
        if returns.len() >= MAX_ISLE_RETURNS { return; }
        let v6 = h(ctx);
        if v6 {
        }
    }
}
"""
    places, owners = isle_generated.right_hand_sides(code)
    one, two, three = ("src/a.isle", 3), ("src/b.isle", 4), ("src/b.isle", 5)
    assert places == {one, two, three}
    assert owners == (
        dict.fromkeys([4, 5, 6], one)
        | dict.fromkeys(range(8, 14), two)
        | dict.fromkeys(range(14, 19), three)
    )


# --- the cache ---


def facts(found: RuleMap) -> object:
    edges = {str(r): found.edges(r) for r in found.rules[::50]}
    return found.rules, found.merged, found.sources, edges


def test_the_map_is_cached_and_a_damaged_cache_is_mended(tmp_path, monkeypatch) -> None:
    first = load_rule_map(cache_folder=tmp_path)
    (file,) = tmp_path.iterdir()
    written = file.read_bytes()
    for damage in (b"{", b"[]", b"\xff", b'{"rules": [["a", "b", 1, [99999999]]]}'):
        file.write_bytes(damage)
        assert facts(load_rule_map(cache_folder=tmp_path)) == facts(first)
        assert file.read_bytes() == written
    monkeypatch.setattr(_cranelift, "source_lines", None)
    assert facts(load_rule_map(cache_folder=tmp_path)) == facts(first)


def test_an_edge_that_the_build_does_not_have_is_damage(tmp_path) -> None:
    first = load_rule_map(cache_folder=tmp_path)
    (file,) = tmp_path.iterdir()
    raw = json.loads(file.read_text())
    raw["rules"][0][3] = [len(edge_counters.counters())]
    file.write_text(json.dumps(raw))
    assert facts(load_rule_map(cache_folder=tmp_path)) == facts(first)


def test_making_the_map_covers_nothing(tmp_path) -> None:
    edge_counters.counters()[:] = 0
    load_rule_map(cache_folder=tmp_path)
    assert (
        np.count_nonzero(edge_counters.counters().copy()) < 100
    )  # only those of reading the counters


def test_generated_code_that_is_gone_is_said(tmp_path, monkeypatch) -> None:
    gone = os.fspath(tmp_path / "isle_opt.rs")
    monkeypatch.setattr(_cranelift, "source_lines", lambda *_: ([gone], [(0, 0, 1)]))
    with pytest.raises(RulesError, match=r"isle_opt\.rs"):
        load_rule_map(cache_folder=tmp_path)


def test_a_library_that_is_not_the_loaded_one_is_refused(tmp_path) -> None:
    (tmp_path / "lib.so").write_bytes(b"\x7fELF nothing")
    with pytest.raises(ValueError, match=r"lib\.so"):
        _cranelift.source_lines(tmp_path / "lib.so", [], "isle_")


def test_lines_of_addresses() -> None:
    pcs = edge_counters.edge_pcs().tolist()
    library = Path(_cranelift.__file__)
    files, rows = _cranelift.source_lines(library, pcs, "compile.rs")
    assert {Path(file).name for file in files} == {"compile.rs"}
    assert {index for index, _, _ in rows} < set(range(len(pcs)))
    assert _cranelift.source_lines(library, [0, 2**64 - 1], "compile.rs") == ([], [])


def test_sources_of_a_lone_folder(tmp_path) -> None:
    """The debug information has a shortened path; the file that cargo writes has all of it."""
    out, deps = tmp_path / "build" / "cranelift-codegen-1" / "out", tmp_path / "deps"
    for folder in (out, deps, tmp_path / "my codegen" / "src"):
        folder.mkdir(parents=True)
    files = [f"{out}/isle_opt.rs", "cranelift-codegen/src/isle_prelude.rs"]
    names = {"src/prelude.isle", "<OUT_DIR>/clif_opt.isle"}
    generated_only = {"<OUT_DIR>/clif_opt.isle": out / "clif_opt.isle"}
    assert rule_edges._sources(files, {0: "mid_end"}, names) == generated_only
    place = f"{tmp_path}/my\\ codegen/src/isle_prelude.rs"
    (deps / "cranelift_codegen-1.d").write_text(f"{files[0]}:\n\n{place}:\n")
    assert rule_edges._sources(files, {0: "mid_end"}, names) == {
        **generated_only,
        "src/prelude.isle": tmp_path / "my codegen" / "src" / "prelude.isle",
    }


# --- what edges tell ---


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # Both edges lead to the one right-hand side.
        ({4: {("a", 1)}}, {("a", 2), ("a", 3)}),
        # Only one of them has a block of it at once.
        ({2: {("a", 1)}, 3: {("b", 8)}}, {("a", 2), ("b", 3)}),
        # What two right-hand sides begin with is assigned to one of them.
        ({4: {("a", 1)}, 5: {("a", 2)}, 6: {("b", 8)}}, {("a", 5), ("b", 6)}),
        # So is what they end with.
        ({5: {("a", 2)}, 6: {("b", 8)}, 7: {("a", 3)}}, {("a", 5), ("b", 6)}),
    ],
)
def test_which_rules_an_edge_tells_of(
    lines: dict[int, set[tuple[str, int]]], expected: set[tuple[str, int]]
) -> None:
    targets = {1: (2, 3), 2: (4,), 3: (4,), 4: (5, 6), 5: (7,), 6: (7,), 7: (0,)}
    blocks = {start: post_dominators.Block((start,), found) for start, found in targets.items()}
    code = post_dominators.FunctionCode(
        (1, 2, 3, 5, 6), blocks, post_dominators.immediate_post_dominators(blocks)
    )
    function = rule_edges._Function(code, {edge: edge for edge in (2, 3, 5, 6)}, {})
    owners = {
        block: {rule_edges._Owner(RuleId("x86_64", name, 1), (0, 0), line) for name, line in found}
        for block, found in lines.items()
    }
    found = {(rule.file, edge) for rule, edge in rule_edges._telling(function, owners)}
    assert found == expected


# --- basic blocks ---


@pytest.mark.parametrize(
    ("machine", "code", "length", "targets"),
    [
        ("x86_64", "90 7401 c3 90", 1, [3, 4]),  # nop; je +1
        ("x86_64", "90 90 ebfc", 2, [0]),  # nop; nop; jmp -4
        ("x86_64", "90 ffe0", 1, []),  # nop; jmp rax
        ("x86_64", "90 c3", 1, []),  # nop; ret
        ("aarch64", "1f2003d5 40000054", 1, [8, 12]),  # nop; b.eq +8
        ("aarch64", "1f2003d5 40001836", 1, [8, 12]),  # nop; tbz w0, #3, +8
        ("aarch64", "1f2003d5 ffffff17", 1, [0]),  # nop; b -4
        ("aarch64", "1f2003d5 00001fd6", 1, []),  # nop; br x0
    ],
)
def test_where_a_block_goes_on(
    monkeypatch: pytest.MonkeyPatch, machine: str, code: str, length: int, targets: list[int]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    memory = ctypes.create_string_buffer(bytes.fromhex(code))
    start = ctypes.addressof(memory)
    instructions, found = BlockDisassembler(start + len(memory)).block(start)
    assert len(instructions) == length
    assert sorted(target - start for target in found) == targets
