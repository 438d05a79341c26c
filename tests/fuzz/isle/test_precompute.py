"""What ships with the sources is what computing it anew gives."""

from __future__ import annotations

import json
import random
import zlib

import pytest

from backend.cranelift import _cranelift, shipped, support_matrix
from backend.cranelift.compiler import Target
from backend.cranelift.support_matrix import ShippedMatrices, Support, compile_probes, switchable
from backend.engines.features import with_flags
from backend.engines.names import DEFAULT_ENGINE
from backend.isa.registry import DEFAULT_ISAS, DESCRIBED, ISAS
from clif.typed_instructions import InstructionName
from fuzz.generate.instruction_sets import switches
from fuzz.generate.options import EVERY_TYPE, Options
from fuzz.isle import fragment_cache, precompute
from fuzz.isle.director import RuleDirector
from fuzz.isle.fragment_cache import shipped_fragments
from fuzz.isle.rule_fragments import VARIANTS

of_this_release = pytest.mark.skipif(
    not _cranelift.published or not _cranelift.debug_assertions,
    reason="what ships is for the pinned release with debug assertions",
)


@of_this_release
def test_what_ships_is_for_these_sources() -> None:
    assert support_matrix.ships(), "run scripts/precompute"
    assert fragment_cache.ships(), "run scripts/precompute"
    size = sum(module.SHIPPED.stat().st_size for module in (support_matrix, fragment_cache))
    assert size < 3_000_000


@of_this_release
def test_shipped_matrices_are_what_compiling_gives() -> None:
    matrices = support_matrix.shipped_matrices()
    for isa in DEFAULT_ISAS:
        (plain, *_) = precompute.plain_targets([isa])
        counting = matrices.flags(plain, switchable(isa, switches(isa)))
        assert counting is not None
        target = list(precompute.flag_targets(plain, counting))[-1]
        assert matrices.entries(target) == compile_probes(target)


@of_this_release
def test_shipped_fragments_are_what_making_them_gives() -> None:
    pool = RuleDirector(Options(), cached=False).pool
    ships = shipped_fragments(DEFAULT_ISAS, EVERY_TYPE)
    rules = [*pool.main, *pool.rest]
    assert {rule.name for rule in rules} == ships.keys()
    for rule in random.Random(1).sample(rules, 25):
        made = [fragment_cache.encode(rule.chosen(n)) for n in range(VARIANTS)]
        assert json.loads(json.dumps(made)) == json.loads(ships[rule.name]), rule.name


def test_a_file_is_read_only_with_its_key(tmp_path, monkeypatch) -> None:
    file = tmp_path / "file.z"
    monkeypatch.delenv(shipped.OFF, raising=False)
    shipped.write_shipped(file, "key", [1, {"a": None}])
    found = shipped.read_shipped(file, "key")
    assert found == ([1, {"a": None}] if _cranelift.published else None)
    assert shipped.read_shipped(file, "another") is None
    assert shipped.read_shipped(tmp_path / "missing", "key") is None
    file.write_bytes(b"junk")
    assert shipped.read_shipped(file, "key") is None
    file.write_bytes(zlib.compress(b"[]"))
    assert shipped.read_shipped(file, "key") is None
    monkeypatch.setenv(shipped.OFF, "off")
    shipped.write_shipped(file, "key", 1)
    assert shipped.read_shipped(file, "key") is None


def test_the_key_depends_on_the_sources() -> None:
    assert shipped.key_of(["clif"]) != shipped.key_of(["interp"])
    assert shipped.key_of(["clif/types.py"]) == shipped.key_of(["clif/types.py"])


def test_matrices_survive_shipping() -> None:
    name: InstructionName = ("iadd", "i32", (), "")
    other: InstructionName = ("ishl", "i64", ("i8",), "")
    plain = Target.of("x86_64", {"opt_level": "none"})
    flagged = Target.of("x86_64", {"opt_level": "none"}, {"has_sse41": "true"})
    first = {name: Support.SUPPORTED, other: Support.PANICS}
    second = {name: Support.UNSUPPORTED, other: Support.INVALID}
    known = frozenset({"has_sse3", "has_sse41"})
    contents = support_matrix.to_ship(
        [(plain, first), (flagged, second)], [(plain, known, frozenset({"has_sse41"}))]
    )
    matrices = ShippedMatrices(contents)
    assert matrices.entries(plain) == first
    assert matrices.entries(flagged) == second
    assert matrices.entries(Target.of("aarch64")) is None
    assert matrices.flags(plain, known) == frozenset({"has_sse41"})
    assert matrices.flags(plain, frozenset()) is None
    assert ShippedMatrices(None).entries(plain) is None


def test_combinations_of_flags() -> None:
    plain = Target.of("x86_64")
    few = list(precompute.flag_targets(plain, ["has_sse3", "has_bmi1"]))
    assert [tuple(dict(target.flags)) for target in few] == [
        (),
        ("has_bmi1",),
        ("has_sse3",),
        ("has_bmi1", "has_sse3"),
    ]
    many = [f"flag{n}" for n in range(8)]
    assert len(list(precompute.flag_targets(plain, many))) == 1 + 8 + 1


# --- engines ---


def test_what_engines_ship_is_joined() -> None:
    one = {"names": ["a"], "matrices": {"x": "S"}, "flags": {"x": ["f"]}}
    other = {"names": ["a"], "matrices": {"x": "S", "y": "U"}, "flags": {"y": []}}
    assert precompute.merged([one, other]) == {
        "names": ["a"],
        "matrices": {"x": "S", "y": "U"},
        "flags": {"x": ["f"], "y": []},
    }
    assert precompute.merged([[1], [1]]) == [1]


def test_each_engine_has_its_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precompute.engine_choices()[0] == DEFAULT_ENGINE
    usual = precompute.isa_choices()
    assert usual[0] == DEFAULT_ISAS
    assert {isas for isas in usual if len(isas) == 1} == {(isa,) for isa in DEFAULT_ISAS}
    monkeypatch.setitem(ISAS, "x86_64", with_flags(DESCRIBED["x86_64"], frozenset({"has_avx"})))
    assert precompute.isa_choices() == [DEFAULT_ISAS, ("x86_64",)]


def test_fragments_are_those_of_the_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fragment_cache.shipped_name(("x86_64",), EVERY_TYPE)
    monkeypatch.setitem(ISAS, "x86_64", with_flags(DESCRIBED["x86_64"], frozenset({"has_avx"})))
    assert fragment_cache.shipped_name(("x86_64",), EVERY_TYPE) != before
