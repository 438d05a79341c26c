"""Every setting of Cranelift is drawn, or there is a reason; drawn settings change code."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import CompileError, Functions, Target
from backend.isa.registry import ISAS
from clif.printer import print_functions
from fuzz.cases.case import DEFAULT_SETTINGS, Case
from fuzz.entropy import BytesEntropy, PrngEntropy
from fuzz.generate import Options
from fuzz.generate import settings as settings_module
from fuzz.generate.settings import (
    NOT_DRAWN,
    OTHERS,
    UNUSUAL,
    USUAL,
    draw_chaos,
    draw_isa_settings,
    draw_settings,
)
from fuzz.isle.director import directed_generator

DEFAULT = Options()
DRAWN = USUAL.keys() | UNUSUAL.keys() | OTHERS


def drawn_settings(count: int, options: Options = DEFAULT) -> list[dict[str, str]]:
    return [draw_settings(PrngEntropy((7, n)), options) for n in range(count)]


def test_every_shared_setting_is_drawn_or_there_is_a_reason() -> None:
    """An older version may lack some; of new ones test_nothing_new.py tells."""
    names = {row["name"] for row in _cranelift.settings()}
    listed = DRAWN | NOT_DRAWN.keys()
    assert names == listed or (_cranelift.version() != "0.135.8" and names <= listed)
    assert not DRAWN & NOT_DRAWN.keys()


def test_what_a_version_lacks_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in _cranelift.settings() if row["name"] != "is_pic"]
    known = {
        row["name"]: row | {"values": ["system_v"]} if row["name"] == "libcall_call_conv" else row
        for row in rows
    }
    monkeypatch.setattr(settings_module, "_SETTINGS", known)
    restricted = settings_module._as_built(UNUSUAL)
    assert UNUSUAL.keys() - restricted.keys() == {"is_pic"}
    assert restricted["libcall_call_conv"].values == ("system_v",)
    assert restricted["unwind_info"] == UNUSUAL["unwind_info"]


@pytest.mark.parametrize("isa", sorted(ISAS))
def test_every_flag_is_drawn_or_there_is_a_reason(isa: str) -> None:
    """A preset is a name for several flags; what the CPU lacks must not be on."""
    switches = {row["name"] for row in _cranelift.settings(isa) if row["kind"] != "preset"}
    flags = ISAS[isa].flags
    assert switches == {*flags.drawn, *flags.lacks, *flags.not_drawn}
    assert flags.has >= set(flags.drawn)
    assert not flags.lacks & set(flags.drawn)


@pytest.mark.parametrize("isa", sorted(ISAS))
def test_presets_are_those_that_cranelift_has_for_what_the_cpu_has(isa: str) -> None:
    flags, triple = ISAS[isa].flags, ISAS[isa].triple
    names = {row["name"] for row in _cranelift.settings(isa) if row["kind"] == "preset"}
    for name in names:
        on = set(_cranelift.TargetIsa(triple, {}, {name: "true"}).flags)
        assert (name in flags.presets) == (name in flags.has) == (on <= flags.has), name
    assert not flags.presets.keys() - names


def test_flags_of_cpus_are_drawn_together() -> None:
    cpus = set(ISAS["x86_64"].flags.cpus)
    assert ("has_sse3",) in cpus
    drawn = [
        tuple(sorted(draw_isa_settings(PrngEntropy(n), DEFAULT)["x86_64"])) for n in range(600)
    ]
    # Of ten choices two are CPUs; others hit on the same flags only now and then.
    assert sum(flags in cpus for flags in drawn) > 80
    assert cpus <= set(drawn)


def test_every_value_occurs_and_cranelift_takes_it() -> None:
    seen: dict[str, set[str]] = {}
    for settings in drawn_settings(8000):
        for name, value in settings.items():
            seen.setdefault(name, set()).add(value)
    expected = {name: set(row.values) for name, row in {**USUAL, **UNUSUAL}.items()}
    expected["bb_padding_log2_minus_one"] |= {"13", "14", "15", "16"}
    for name, values in expected.items():
        assert seen[name] == values, name
    assert seen["opt_level"] == {"none", "speed", "speed_and_size"}
    for name, values in seen.items():
        for value in values:
            for isa in ISAS:  # raises for what it does not take
                target = Target.of(isa, {**DEFAULT_SETTINGS, name: value})
                assert target.handle.pointer_bits == 8 * ISAS[isa].pointer_bytes


def test_half_of_the_cases_have_nothing_unusual() -> None:
    plain = [s for s in drawn_settings(1000) if not s.keys() - USUAL.keys() - {"opt_level"}]
    assert 400 < len(plain) < 650


def test_probes_are_inlined_where_aarch64_is_among_the_isas() -> None:
    """Outlined ones are not implemented for it: Cranelift panics."""
    for settings in drawn_settings(3000):
        on = settings.get("enable_probestack") == "true"
        assert settings.get("probestack_strategy", "") == ("inline" if on else "")
    alone = drawn_settings(3000, Options(isas=("x86_64",)))
    assert {s.get("probestack_strategy") for s in alone} == {None, "inline", "outline"}


def test_the_register_allocator_and_chaos_can_be_left_alone() -> None:
    without_either = Options(single_pass=False, chaos=False)
    assert all("regalloc_algorithm" not in s for s in drawn_settings(1000, without_either))
    assert not any(draw_chaos(PrngEntropy(n), without_either) for n in range(500))


def test_flags_are_on_and_off_in_all_pairs() -> None:
    for isa, described in ISAS.items():
        flags = described.flags.drawn
        options = Options(isas=(isa,))
        drawn = [set(draw_isa_settings(PrngEntropy((3, n)), options)[isa]) for n in range(1500)]
        free = [flag for flag in flags if flag not in described.flags.needs]
        for one in free:
            for other in free:
                if one != other:
                    kinds = {(one in flags, other in flags) for flags in drawn}
                    assert len(kinds) == 4, (one, other)


def test_a_key_to_sign_with_is_drawn_only_for_code_that_signs() -> None:
    for n in range(500):
        flags = draw_isa_settings(PrngEntropy(n), DEFAULT)["aarch64"]
        if any(flag.startswith("sign_return_address_") for flag in flags):
            assert "sign_return_address" in flags


def test_no_entropy_means_the_simplest() -> None:
    nothing = BytesEntropy(b"")
    assert draw_settings(nothing, DEFAULT) == {"opt_level": "speed"}
    assert draw_isa_settings(nothing, DEFAULT)["aarch64"] == {}
    assert draw_chaos(nothing, DEFAULT) == b""


# --- effects ---


@cache
def sample() -> list[Case]:
    """Cases of all sorts, without settings."""
    generator = directed_generator(Options(vectors=True, instructions=70))
    return [generator.generate(PrngEntropy((12, n))) for n in range(60)]


#: Calls the C library on x86-64, has a big frame, a jump table, a symbol, a call, a spectre guard.
RICH = """
function %f(i64, f64, i32) -> i64, f64 {
    gv0 = symbol %data
    sig0 = () system_v
    fn0 = %g sig0
    ss0 = explicit_slot 9000
block0(v0: i64, v1: f64, v2: i32):
    v3 = ceil v1
    v4 = symbol_value.i64 gv0
    v5 = stack_addr.i64 ss0
    store v0, v5
    call fn0()
    br_table v2, block1(v0), [block1(v4), block2(v0), block3, block2(v4)]
block1(v6: i64):
    v10 = icmp ult v6, v0
    v11 = select_spectre_guard v10, v0, v6
    return v11, v3
block2(v7: i64):
    v8 = load.i64 v5
    v9 = imul v7, v8
    return v9, v1
block3:
    v12 = iconcat v0, v4
    v13 = atomic_rmw.i64 add v5, v0
    v14 = clz v13
    v15 = ctz v14
    v16 = popcnt v15
    return v16, v3
}
"""


def unary(type_: str, *lines: str, last: str) -> str:
    """A function of two values of a type that returns one."""
    body = "\n    ".join([*lines, f"return {last}"])
    return (
        f"function %f({type_}, {type_}) -> {type_} {{\n"
        f"block0(v0: {type_}, v1: {type_}):\n    {body}\n}}\n"
    )


#: What leaves no trace in code, relocations, or alignment.
INVISIBLE = {
    "regalloc_checker": "only looks on",
    "unwind_info": "unwinding tables are not part of the code",
    "machine_code_cfg_info": "a table beside the code",
    "enable_compact_unwind_abi": "for apple_aarch64 functions",
    "libcall_call_conv": "these conventions pass floats alike",
    "enable_multi_ret_implicit_sret": "refuses what it does not allow",
    "enable_nan_canonicalization": "RICH rounds, which keeps NaNs",
    "enable_alias_analysis": "nothing to forward in RICH",
}


def code_of(text: str, isa: str, settings: dict[str, str], flags: dict[str, str], chaos=b""):
    shared = {**DEFAULT_SETTINGS, "enable_multi_ret_implicit_sret": "true", **settings}
    target = Target.of(isa, shared, flags)
    compiled = target.compile(Functions(text), chaos=chaos)
    return [(c.code, c.relocations, c.alignment) for c in compiled]


@pytest.mark.parametrize("name", sorted((USUAL.keys() | UNUSUAL.keys()) - INVISIBLE.keys()))
def test_a_setting_changes_code(name: str) -> None:
    texts = [RICH, unary("i64", last="v0")]
    if name == "enable_pinned_reg":
        texts = [print_functions(case.functions) for case in sample()]
    value = (USUAL | UNUSUAL)[name].values[0]
    extra = {"use_csdb": "true"} if "spectre" in name else {}
    assert any(
        code_of(text, isa, {}, flags) != code_of(text, isa, {name: value}, flags)
        for text in texts
        for isa, flags in (("x86_64", {}), ("aarch64", extra))
    )


#: A frame of several pages.
LARGE_FRAME = """
function %f(i64) {
    ss0 = explicit_slot 20000
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store v0, v1
    return
}
"""


def test_stack_probes_change_code() -> None:
    for isa in ISAS:
        frame = LARGE_FRAME.replace("addr.i64", f"addr.i{8 * ISAS[isa].pointer_bytes}")
        probed = {
            size: code_of(
                frame,
                isa,
                {
                    "enable_probestack": "true",
                    "probestack_strategy": "inline",
                    "probestack_size_log2": size,
                },
                {},
            )[0][0]
            for size in ("4", "12", "16")
        }
        # Pulley's frames are checked by its interpreter.
        assert len(set(probed.values())) == (1 if isa.startswith("pulley") else 3)
        assert probed["16"] == code_of(frame, isa, {}, {})[0][0]


#: As the relaxed SIMD instruction decomposes.
DOT_PRODUCT = """
function %f(i8x16, i8x16, i32x4) -> i32x4 {
block0(v0: i8x16, v1: i8x16, v2: i32x4):
    v3 = swiden_low v0
    v4 = swiden_low v1
    v5 = imul v3, v4
    v6 = swiden_high v0
    v7 = swiden_high v1
    v8 = imul v6, v7
    v9 = swiden_low v5
    v10 = swiden_high v5
    v11 = iadd_pairwise v9, v10
    v12 = swiden_low v8
    v13 = swiden_high v8
    v14 = iadd_pairwise v12, v13
    v15 = iadd_pairwise v11, v14
    v16 = iadd v15, v2
    return v16
}
"""

#: By flag: what it lowers in another way, and the flags that it needs besides.
TELLING: dict[str, tuple[str, tuple[str, ...]]] = {
    "has_sse3": (
        (
            "function %f(i64) -> f64x2 {\nblock0(v0: i64):\n"
            "    v1 = load.f64 v0\n    v2 = splat.f64x2 v1\n    return v2\n}\n"
        ),
        (),
    ),
    "has_ssse3": (unary("i8x16", "v2 = swizzle v0, v1", last="v2"), ()),
    "has_sse41": (unary("f64", "v2 = ceil v0", last="v2"), ()),
    "has_sse42": (unary("i64x2", "v2 = icmp sgt v0, v1", last="v2"), ("has_sse41",)),
    "has_popcnt": (unary("i64", "v2 = popcnt v0", last="v2"), ("has_sse42",)),
    "has_lzcnt": (unary("i64", "v2 = clz v0", last="v2"), ()),
    "has_bmi1": (unary("i64", "v2 = ctz v0", last="v2"), ()),
    "has_bmi2": (unary("i64", "v2 = ishl v0, v1", last="v2"), ()),
    "has_cmpxchg16b": (
        unary("i128", "v2, v3 = isplit v0", "v4 = atomic_load.i128 v2", last="v4"),
        (),
    ),
    "has_lse": (unary("i64", "v2 = atomic_rmw.i64 add v0, v1", last="v2"), ()),
    "has_fp16": (
        unary("f16", "v2 = f16const 0x1.8p1", last="v2"),
        (),
    ),
    "has_dotprod": (
        DOT_PRODUCT,
        (),
    ),
    "has_pauth": (RICH, ("sign_return_address",)),
    "use_bti": (RICH, ()),
    "use_csdb": (RICH, ()),
    "sign_return_address": (RICH, ()),
    "sign_return_address_all": (unary("i64", last="v0"), ("sign_return_address",)),
    "sign_return_address_with_bkey": (RICH, ("sign_return_address",)),
    "has_zca": (unary("i64", "v2 = iadd v0, v1", last="v2"), ()),
    "has_zcd": (
        "function %f(i64) -> f64 {\nblock0(v0: i64):\n    v1 = load.f64 v0\n    return v1\n}\n",
        ("has_zca",),
    ),
    "has_mie3": (unary("i64", "v2 = popcnt v0", last="v2"), ()),
    "has_vxrs_ext2": (
        (
            "function %f(i32x4) -> f32x4 {\nblock0(v0: i32x4):\n"
            "    v1 = fcvt_from_sint.f32x4 v0\n    return v1\n}\n"
        ),
        (),
    ),
}


@pytest.mark.parametrize(
    ("isa", "flag"),
    [(isa, flag) for isa in ISAS for flag in ISAS[isa].flags.drawn],
)
def test_a_flag_changes_code(isa: str, flag: str) -> None:
    text, needs = TELLING[flag]

    def outcome(flags: tuple[str, ...]) -> object:
        try:
            return code_of(text, isa, {}, dict.fromkeys(flags, "true"))
        except CompileError:
            return "not lowered"

    assert outcome(needs) != outcome((*needs, flag))


def test_chaos_changes_code() -> None:
    changed = 0
    for case in sample():
        text = print_functions(case.functions)
        bytes_ = PrngEntropy((5, changed)).bits(512).to_bytes(64, "little")
        settings, flags = case.settings, case.isa_settings
        changed += any(
            code_of(text, isa, settings, flags[isa])
            != code_of(text, isa, settings, flags[isa], bytes_)
            for isa in case.isas or flags
        )
    assert changed > len(sample()) // 2


def test_calls_are_inlined_only_in_cases_with_callees() -> None:
    generator = directed_generator(replace(DEFAULT, inlining_share=0.5))
    cases = [generator.generate(PrngEntropy((2, n))) for n in range(100)]
    assert not any(case.inlining for case in cases if len(case.functions) == 1)
    several = [bool(case.inlining) for case in cases if len(case.functions) > 1]
    assert len(several) // 4 < sum(several) < len(several)


def test_cases_have_chaos_now_and_then() -> None:
    generator = directed_generator(DEFAULT)
    chaotic = sum(bool(generator.generate(PrngEntropy((2, n))).chaos) for n in range(600))
    assert 10 <= chaotic <= 60
