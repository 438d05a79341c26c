"""Which accesses an ISA has with a byte order of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cranelift.byte_order_support import explicit_orders
from backend.cranelift.compiler import isas


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
def test_these_have_little_endian_accesses_alone(isa: str) -> None:
    names = explicit_orders(isa)
    assert ("load", "i32", (), "little") in names
    assert ("store", "f64", (), "little") in names
    assert ("load", "i128", (), "little") in names
    assert ("bitcast", "i128", ("i8x16",), "little") in names
    assert ("atomic_rmw", "i16", (), "add little") in names
    assert {name[0] for name in names if name[3].endswith("big")} == {"bitcast"}


@pytest.mark.skipif("s390x" not in isas(), reason="not in this build")
def test_one_that_has_both() -> None:
    names = explicit_orders("s390x")
    for name, type_, variant in [
        ("load", "i64", ""),
        ("store", "i32x4", ""),
        ("uload16", "i64", ""),
        ("atomic_rmw", "i32", "add "),
        ("atomic_cas", "i64", ""),
    ]:
        assert {(name, type_, (), f"{variant}{order}") for order in ("little", "big")} <= names


def test_the_answer_is_kept(tmp_path: Path) -> None:
    found = explicit_orders("x86_64", cache_folder=tmp_path)
    (file,) = tmp_path.iterdir()
    assert explicit_orders.__wrapped__("x86_64", cache_folder=tmp_path) == found
    file.write_text("{}")
    assert explicit_orders.__wrapped__("x86_64", cache_folder=tmp_path) == found


@pytest.mark.skipif("riscv64" not in isas(), reason="not in this build")
def test_flags_add_types() -> None:
    vector = ("load", "i32x4", (), "little")
    assert vector not in explicit_orders("riscv64")
    assert vector in explicit_orders("riscv64", frozenset({"has_v", "has_zvl128b"}))
