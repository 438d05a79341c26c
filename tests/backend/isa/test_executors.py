"""Which engine runs an ISA, and what is said of an ISA that none runs here."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from backend.engines.registry import ENGINES
from backend.isa import executors
from backend.isa.registry import DEFAULT_ISAS, ISAS
from fuzz.cli import options

CACHED = (executors.default_engine, executors._why_missing)


@pytest.fixture(autouse=True)
def _asked_again() -> Iterator[None]:
    for function in CACHED:
        function.cache_clear()
    yield
    for function in CACHED:
        function.cache_clear()


@pytest.mark.parametrize("isa", ISAS)
def test_the_default_engine_is_the_first_that_is_there(isa, monkeypatch):
    first = executors.default_engine(isa)
    assert ENGINES[first].knows(ISAS[isa])
    able = [name for name, engine in ENGINES.items() if engine.knows(ISAS[isa])]
    for name in able:
        monkeypatch.setattr(type(ENGINES[name]), "missing", lambda *_: "install it")
    executors._why_missing.cache_clear()
    executors.default_engine.cache_clear()
    assert executors.default_engine(isa) == able[0]
    assert executors.left_out(isa) == "install it"


def test_an_engine_that_does_not_run_an_isa_is_not_the_one_that_runs_it(monkeypatch):
    monkeypatch.setenv("CLIF_FUZZ_ENGINE", "qemu-user")
    monkeypatch.setattr(type(ENGINES["qemu-user"]), "missing", lambda *_: "install it")
    assert {executors.engine_of(isa) for isa in DEFAULT_ISAS} == {"unicorn"}


def test_an_isa_that_nothing_runs_is_left_out_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(options, "_left_out", lambda n: "install it" if n == "aarch64" else "")
    assert options.those_run_here(("interp", "x86_64", "aarch64")) == ("interp", "x86_64")
    assert capsys.readouterr().err == "aarch64 is left out: install it\n"
    with pytest.raises(click.BadParameter, match="aarch64: install it"):
        options.those_run_here(("aarch64",))
