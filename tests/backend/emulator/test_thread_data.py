"""Thread-local symbols: each model's code finds them, and preserves what it must."""

from __future__ import annotations

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import Target, compile_text
from backend.emulator.guest_memory import THREAD
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.function import AbiParam, Signature
from clif.outcome import ints_from_words
from clif.types import I64
from tests.backend.emulator.machine import inputs

MODELS = pytest.mark.parametrize(
    ("isa", "model"),
    [
        ("x86_64", "elf_gd"),
        ("x86_64", "macho"),
        ("x86_64", "coff"),
        ("aarch64", "elf_gd"),
        ("aarch64", "macho"),
        ("riscv64", "elf_gd"),
    ],
)
SIGNATURE = Signature((AbiParam(I64),), (AbiParam(I64),) * 2)
TEXT = """
function %f(i64) -> i64, i64 system_v {{
    gv0 = symbol colocated tls %one{offset}
    gv1 = symbol tls %other
block0(v0: i64):
    v1 = tls_value.i64 gv0
    v2 = tls_value.i64 gv1
    v3 = iadd v2, v0
    return v1, v3
}}
"""


def addresses(isa: str, model: str, offset: str = "") -> list[int]:
    """The addresses of two symbols; to the second one an argument of 77 is added."""
    settings = {"tls_model": model, "enable_llvm_abi_extensions": "true"}
    code = compile_text(
        TEXT.format(offset=offset), Target.of(isa, {**ISAS[isa].settings, **settings})
    )
    outcomes = executor_for(isa).run(code, SIGNATURE, inputs([I64], [[77]]), settings=settings)
    assert not outcomes.status.any(), outcomes.details
    return [ints_from_words(words)[0] for words in outcomes.results]


def symbol(isa: str, name: str) -> int:
    return executor_for(isa).library.address("", f"%{name}")


@MODELS
def test_a_symbol_is_where_the_thread_has_it(isa: str, model: str) -> None:
    assert addresses(isa, model) == [symbol(isa, "one"), symbol(isa, "other") + 77]
    assert THREAD not in addresses(isa, model)


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
@MODELS
def test_an_offset_is_ignored(isa: str, model: str) -> None:
    """docs/findings.md: ``tls_value`` of a symbol with an offset."""
    assert addresses(isa, model, "+8")[0] == symbol(isa, "one")
