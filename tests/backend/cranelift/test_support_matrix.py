"""The support matrix: its entries, what it leaves out, and its cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from random import Random

import pytest

from backend.cranelift import shipped, support_matrix
from backend.cranelift.compiler import SettingsError, Target
from backend.cranelift.opcodes import OPCODES
from backend.cranelift.probes import all_probes, probe_text
from backend.cranelift.support_matrix import Support, SupportMatrix, probe
from backend.isa.registry import ISAS as EMULATED
from clif.typed_instructions import (
    FIRST_LANE,
    FLOAT_CONDITIONS,
    INT_CONDITIONS,
    LAST_LANE,
    InstructionName,
    variants_of,
)
from clif.types import F32, F64, I8, I16, I32, I64, I128, by_name
from tests.backend.emulator.machine import BOTH, ISAS

SETTINGS = {"enable_llvm_abi_extensions": "true"}


@pytest.fixture(autouse=True, scope="module")
def nothing_ships() -> Iterator[None]:
    """Matrices are computed here, not taken from the file that ships."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(shipped.OFF, "off")
        support_matrix.shipped_matrices.cache_clear()
        yield
    support_matrix.shipped_matrices.cache_clear()


@pytest.fixture(scope="module")
def matrices(tmp_path_factory) -> dict[str, SupportMatrix]:
    cache = tmp_path_factory.mktemp("cache")
    return {isa: probe(isa, SETTINGS, cache=cache) for isa in ISAS}


@BOTH
@pytest.mark.parametrize("type_", [I8, I16, I32, I64], ids=str)
@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "band", "umin", "bnot", "sdiv", "clz"])
def test_scalar_integers_are_supported(matrices, isa, name, type_):
    assert matrices[isa].status(name, type_) is Support.SUPPORTED


@BOTH
def test_what_an_isa_lacks_is_told_from_what_makes_it_panic(matrices, isa):
    matrix = matrices[isa]
    assert matrix.status("udiv", I128) is Support.UNSUPPORTED
    assert matrix.status("smin", I128) in (Support.UNSUPPORTED, Support.PANICS)
    assert matrix.count(Support.PANICS) > 0
    assert matrix.count(Support.UNSUPPORTED) > 100
    assert matrix.count(Support.SUPPORTED) > 1000


@BOTH
def test_conversions_are_asked_for_with_their_source(matrices, isa):
    matrix = matrices[isa]
    assert matrix.status("uextend", I64, I8) is Support.SUPPORTED
    assert matrix.status("fpromote", F64, F32) is Support.SUPPORTED
    assert matrix.status("fcvt_from_sint", F64, I32) is Support.SUPPORTED
    assert matrix.status("fcvt_from_uint", F64, I128) is Support.UNSUPPORTED
    assert matrix.status("ishl", I32, I8) is Support.SUPPORTED
    assert matrix.status("select", F64, I32) is Support.SUPPORTED


@BOTH
def test_what_is_no_instruction_is_invalid(matrices, isa):
    matrix = matrices[isa]
    assert matrix.status("uextend", I8, I64) is Support.INVALID
    assert matrix.status("uextend", I64) is Support.INVALID
    assert matrix.status("bitcast", I64, F32) is Support.INVALID
    assert matrix.status("no_such_opcode", I64) is Support.INVALID
    assert matrix.status("icmp", I64, variant="lt") is Support.INVALID


@BOTH
@pytest.mark.parametrize(
    ("name", "vector", "source"),
    [
        ("fcvt_from_sint", "f64x2", "i32x4"),
        ("fcvt_from_uint", "f32x4", "i8x16"),
        ("fcvt_to_sint_sat", "i32x4", "f64x2"),
    ],
)
def test_conversions_between_lane_counts_mean_nothing_and_are_left_out(
    matrices, isa, name, vector, source
):
    assert matrices[isa].status(name, by_name(vector), by_name(source)) is Support.INVALID


@BOTH
def test_conditions_are_probed_each(matrices, isa):
    matrix = matrices[isa]
    for condition in INT_CONDITIONS:
        assert matrix.status("icmp", I128, variant=condition) is Support.SUPPORTED
    for condition in FLOAT_CONDITIONS:
        assert matrix.status("fcmp", F32, variant=condition) is Support.SUPPORTED
    assert matrix.status("icmp", I128) is Support.SUPPORTED
    assert matrix.status("fcmp", F32) is Support.SUPPORTED
    assert matrix.status("fcmp", by_name("f16")) is Support.PANICS
    assert matrix.status("atomic_rmw", I32, variant="nand") is Support.SUPPORTED


def test_one_condition_that_fails_makes_the_whole_fail():
    entries: dict[InstructionName, Support] = {
        ("icmp", "i8", (), c): Support.SUPPORTED for c in INT_CONDITIONS
    }
    assert SupportMatrix("x", entries).status("icmp", I8) is Support.SUPPORTED
    entries["icmp", "i8", (), "ult"] = Support.PANICS
    assert SupportMatrix("x", entries).status("icmp", I8) is Support.PANICS


@BOTH
def test_instructions_of_every_kind_are_probed(matrices, isa):
    supported = {opcode for opcode, *_ in matrices[isa].names()}
    assert supported >= {"jump", "brif", "br_table", "return", "trap", "trapz", "call", "func_addr"}
    assert supported >= {"call_indirect", "stack_addr", "symbol_value", "load", "store", "iconst"}
    assert supported >= {"uload8", "istore32", "atomic_cas", "fence", "try_call", "shuffle"}
    assert supported >= {"vconst", "f32const", "f64const", "bitcast", "nop", "splat"}


def test_addresses_are_always_of_64_bits():
    for one in all_probes():
        if one.opcode.name in ("load", "store", "stack_addr", "atomic_load", "istore8"):
            assert not one.instruction.open_operands
        if one.opcode.name in ("uload32", "stack_addr", "call_indirect"):
            assert one.type is I64


def test_settings_and_flags_change_the_matrix(tmp_path):
    plain = probe("x86_64", SETTINGS, cache=tmp_path)
    pinned = probe("x86_64", {**SETTINGS, "enable_pinned_reg": "true"}, cache=tmp_path)
    assert plain.status("get_pinned_reg", I64) is Support.INVALID
    assert pinned.status("get_pinned_reg", I64) is Support.SUPPORTED
    sse = {f"has_{name}": "true" for name in ("sse3", "ssse3", "sse41", "sse42")}
    flagged = probe("x86_64", SETTINGS, sse, cache=tmp_path)
    assert plain.status("x86_pshufb") is Support.UNSUPPORTED
    assert flagged.status("x86_pshufb") is Support.SUPPORTED


def test_settings_that_do_not_matter_share_a_matrix(tmp_path):
    for level in ("none", "speed"):
        probe("aarch64", {**SETTINGS, "opt_level": level}, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


COUNTING = {"has_ssse3", "has_sse41", "has_bmi2", "has_cmpxchg16b"}
X64, ARM = EMULATED["x86_64"].flags.has, EMULATED["aarch64"].flags.has
X64_FLAGS = sorted(f for f in EMULATED["x86_64"].flags.has if f.startswith("has_"))


def test_flags_that_do_not_matter_share_a_matrix(tmp_path):
    """Which flags matter is learnt, and is what Cranelift's rules say."""

    def target(*flags: str) -> Target:
        return support_matrix.probed_target(
            "x86_64", SETTINGS, dict.fromkeys(flags, "true"), switches=X64, cache=tmp_path
        )

    assert target("has_lzcnt", "has_popcnt", "has_sse42") == target()
    assert {flag for flag in X64_FLAGS if target(flag) != target()} == COUNTING
    assert dict(target(*X64_FLAGS).flags) == dict.fromkeys(COUNTING, "true")
    off = {"has_bmi2": "false", "has_lzcnt": "true"}
    assert (
        support_matrix.probed_target("x86_64", SETTINGS, off, switches=X64, cache=tmp_path)
        == target()
    )


def test_what_was_not_learnt_about_keeps_its_own_matrix(tmp_path):
    """Presets, and flags that the emulated CPU lacks, are not learnt about."""
    for flags in ({"has_avx": "true", "has_lzcnt": "true"}, {"sse42": "true"}):
        target = support_matrix.probed_target(
            "x86_64", SETTINGS, flags, switches=X64, cache=tmp_path
        )
        assert dict(target.flags) == flags


def test_which_flags_count_is_kept(tmp_path, monkeypatch):
    flags = {"has_lse": "true"}
    first = support_matrix.probed_target("aarch64", SETTINGS, flags, switches=ARM, cache=tmp_path)
    (file,) = tmp_path.glob("flags-*")
    support_matrix._counting_flags.cache_clear()
    monkeypatch.setattr(support_matrix, "learn_flags", lambda *_: pytest.fail("learnt again"))
    assert (
        support_matrix.probed_target("aarch64", SETTINGS, flags, switches=ARM, cache=tmp_path)
        == first
    )
    support_matrix._counting_flags.cache_clear()
    file.write_text('{"flags": ["has_wings"]}')
    monkeypatch.setattr(support_matrix, "learn_flags", lambda *_: frozenset({"has_lse"}))
    again = support_matrix.probed_target("aarch64", SETTINGS, flags, switches=ARM, cache=tmp_path)
    assert dict(again.flags) == flags


def test_combinations_of_flags_lower_what_their_matrix_says(tmp_path):
    """Combinations that nothing was learnt from: any flags, on instructions of all kinds."""
    random = Random(4)
    for _ in range(6):
        flags = {flag: "true" for flag in X64_FLAGS if random.random() < 0.5}
        matrix = probe("x86_64", SETTINGS, flags, switches=X64, cache=tmp_path)
        target = Target.of("x86_64", {**SETTINGS, "enable_verifier": "true"}, flags)
        for one in random.sample(list(all_probes()), 300):
            status = support_matrix._try(support_matrix._parsed(one), target)
            assert matrix.entries.get(one.name, Support.INVALID) is status


def test_only_what_flags_can_change_is_compiled_for_some_of_them(tmp_path, monkeypatch):
    plain = support_matrix.probed_target("x86_64", SETTINGS)
    nothing = support_matrix._entries(plain, tmp_path)
    everything = support_matrix._entries(support_matrix.every_flag(plain), tmp_path)
    varying = {name for name in nothing if nothing[name] is not everything[name]}
    assert 10 < len(varying) < len(nothing) / 10
    some = Target.of("x86_64", dict(plain.settings), {"has_fma": "true", "has_avx": "true"})
    whole = support_matrix.compile_probes(some)
    compiled = []
    compiling = support_matrix._try

    def counted(program, target):
        compiled.append(target)
        return compiling(program, target)

    monkeypatch.setattr(support_matrix, "_try", counted)
    assert support_matrix._entries(some, tmp_path) == whole
    assert len(compiled) == len(varying)


def test_unknown_settings_are_an_error(tmp_path):
    for settings, flags in (({"colour": "red"}, {}), ({}, {"has_wings": "true"})):
        with pytest.raises(SettingsError):
            probe("x86_64", settings, flags, cache=tmp_path)
    with pytest.raises(SettingsError):
        probe("vax", cache=tmp_path)


# --- the cache ---


def forget() -> None:
    """Forget what this process has in memory."""
    support_matrix._matrix.cache_clear()
    support_matrix._counting_flags.cache_clear()


@pytest.fixture
def cached(tmp_path):
    """Make a cached matrix. Returns it and its file."""
    matrix = probe("aarch64", SETTINGS, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    return matrix, file


def no_compiling(monkeypatch) -> None:
    """Make compiling fail, and forget what this process has in memory."""
    forget()

    def refuse(*_: object) -> Support:
        raise AssertionError("probed although it is in the cache")

    monkeypatch.setattr(support_matrix, "_try", refuse)


def test_the_cache_is_used(cached, tmp_path, monkeypatch):
    no_compiling(monkeypatch)
    assert probe("aarch64", SETTINGS, cache=tmp_path).entries == cached[0].entries
    with pytest.raises(AssertionError):
        probe("x86_64", SETTINGS, cache=tmp_path)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"entries": 3}', b'{"entries": [["iadd"]]}']
    + [b'{"entries": [["iadd", "i8", [], "", "perhaps"]]}'],
)
def test_a_damaged_cache_is_probed_again_and_mended(cached, tmp_path, damage, monkeypatch):
    matrix, file = cached
    file.write_bytes(damage)
    forget()
    assert probe("aarch64", SETTINGS, cache=tmp_path).entries == matrix.entries
    no_compiling(monkeypatch)
    assert probe("aarch64", SETTINGS, cache=tmp_path).entries == matrix.entries


def test_another_build_does_not_use_it(cached, tmp_path, monkeypatch):
    monkeypatch.setattr(support_matrix, "_build", lambda: b"another")
    forget()
    probe("aarch64", SETTINGS, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert not list(tmp_path.glob("*.tmp"))


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert probe("aarch64", SETTINGS, cache=blocked / "inside").count(Support.SUPPORTED) > 1000


def test_the_users_cache_folder_is_the_default(tmp_path):
    program = "from backend.cranelift.support_matrix import probe; probe('aarch64')"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    (file,) = (tmp_path / "clif-fuzz").iterdir()
    assert json.loads(file.read_text())["entries"]


# --- the probes ---


def test_every_probe_has_a_text_and_no_two_are_alike():
    probes = list(all_probes())
    assert len(probes) == len({one.name for one in probes}) > 2000
    for one in probes:
        text = probe_text(one)
        assert one.opcode.name in text
        if one.variant in (FIRST_LANE, LAST_LANE):
            assert one.type is not None
            lane = 0 if one.variant == FIRST_LANE else one.type.lanes - 1
            assert f", {lane}\n" in text
        else:
            assert one.variant in text


def test_variants_are_those_of_the_format():
    assert variants_of(OPCODES["icmp"]) == INT_CONDITIONS
    assert variants_of(OPCODES["iadd"]) == ()
    assert {name for name, opcode in OPCODES.items() if variants_of(opcode)} == {
        "icmp",
        "fcmp",
        "atomic_rmw",
        "extractlane",
        "extract_vector",
        "insertlane",
    }
    assert variants_of(OPCODES["insertlane"]) == (FIRST_LANE, LAST_LANE)
