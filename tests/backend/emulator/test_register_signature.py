"""Signatures that share a driver are passed as those with a driver of their own."""

from __future__ import annotations

import random

import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.emulator import driver
from backend.emulator.convention import ArgumentRegisters, Convention, ResultRegisters
from backend.emulator.register_signature import register_signature
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.function import AbiParam, Signature
from clif.outcome import Status, ints_from_words
from clif.types import F32, F64, I8, I16, I32, I64, I128, Type, by_name
from tests.backend.emulator.machine import SETTINGS, inputs

TYPES = [I8, I16, I32, I64, I128, F32, F64, by_name("i8x16"), by_name("f32x4")]
INTEGERS = {I8, I16, I32}
DESCRIBED = [
    (isa.name, name)
    for isa in ISAS.values()
    for name, convention in isa.conventions.items()
    if convention.passed is not None
]


def drawn(
    rng: random.Random, convention: str, types: list[Type] = TYPES
) -> tuple[Signature, list[int]]:
    """A signature, and for each result the parameter that it returns."""
    params = []
    for _ in range(rng.randrange(1, 12)):
        type_ = rng.choice(types)
        extension = rng.choice([None, "uext", "sext"]) if type_ in INTEGERS else None
        params.append(AbiParam(type_, extension))
    taken = [rng.randrange(len(params)) for _ in range(rng.randrange(5))]
    returns = [AbiParam(params[n].type, params[n].extension) for n in taken]
    return Signature(tuple(params), tuple(returns), convention), taken


def run(isa: str, signature: Signature, taken: list[int], rows: list[list[int]]):
    args = ", ".join(f"v{n}: {param.type}" for n, param in enumerate(signature.params))
    results = ", ".join(f"v{n}" for n in taken)
    text = f"function %f{signature} {{\nblock0({args}):\n    return {results}\n}}"
    settings = {**SETTINGS}
    if signature.call_conv == "tail":
        settings |= ISAS[isa].tail_call_settings
    code = compile_text(text, Target(isa, tuple(settings.items()), ()))
    return executor_for(isa).run(
        code, signature, inputs(signature.param_types, rows), settings=settings
    )


@pytest.mark.parametrize(("isa", "convention"), DESCRIBED)
def test_arguments_and_results_arrive(isa, convention):
    rng = random.Random(f"{isa} {convention}")
    described = ISAS[isa].convention(convention)
    assert described.passed is not None
    types = [t for t in TYPES if not t.is_vector] if described.passed.vectors == 0 else TYPES
    shared = 0
    for _ in range(60):
        signature, taken = drawn(rng, convention, types)
        rows = [[rng.getrandbits(p.type.bits) for p in signature.params] for _ in range(3)]
        found = register_signature(described, signature, ISAS[isa].byte_order, extends_results=True)
        if found is None:
            continue
        shared += 1
        outcomes = run(isa, signature, taken, rows)
        assert outcomes.status.tolist() == [Status.RETURNED] * 3, (signature, outcomes.details)
        got = [ints_from_words(words) for words in outcomes.results]
        assert got == [[row[n] for row in rows] for n in taken], signature
    assert shared > 3


@pytest.mark.parametrize(("isa", "convention"), DESCRIBED)
def test_every_register_is_the_one_of_a_driver_of_its_own(isa, convention, monkeypatch):
    """Results that are taken from other registers would show for one of the two drivers."""
    executor, rng = executor_for(isa), random.Random(f"own {isa} {convention}")
    described = ISAS[isa].convention(convention)
    signatures: list[tuple[Signature, list[int]]] = []
    while len(signatures) < 6:
        signature, taken = drawn(rng, convention)
        if (
            register_signature(described, signature, ISAS[isa].byte_order, extends_results=True)
            is not None
        ):
            signatures.append((signature, taken))
    monkeypatch.setattr(driver, "register_signature", lambda *_, **__: None)
    monkeypatch.setattr(executor.drivers, "known", {})
    monkeypatch.setattr(executor.drivers, "last", None)
    for signature, taken in signatures:
        rows = [[rng.getrandbits(p.type.bits) for p in signature.params] for _ in range(2)]
        got = [ints_from_words(w) for w in run(isa, signature, taken, rows).results]
        assert got == [[row[n] for row in rows] for n in taken], signature
    executor.drivers.last = None


def test_signatures_share_drivers():
    executor = executor_for("x86_64")
    one = Signature((AbiParam(I8), AbiParam(F64)), (AbiParam(I32),))
    other = Signature((AbiParam(F32), AbiParam(I64), AbiParam(I16)), (AbiParam(I8),))
    first, second = (executor.drivers.get(signature, SETTINGS) for signature in (one, other))
    assert first is not second
    assert first.address == second.address


@pytest.mark.parametrize(
    "signature",
    [
        Signature((AbiParam(I64),) * 7),
        Signature((AbiParam(F64),) * 9),
        Signature((AbiParam(I64, None, "vmctx"),)),
        Signature((), (AbiParam(I64),) * 3),
        Signature((AbiParam(I64),) * 5 + (AbiParam(I128),)),
        Signature((AbiParam(I64),), (), "windows_fastcall"),
    ],
    ids=str,
)
def test_what_is_not_in_registers_alone_has_a_driver_of_its_own(signature):
    convention = ISAS["x86_64"].convention(signature.call_conv)
    assert register_signature(convention, signature, "little", extends_results=True) is None


def test_floats_and_vectors_may_have_registers_of_their_own():
    registers = ArgumentRegisters(5, 4, vectors=8, wide=False)
    convention = Convention(passed=registers, results=ResultRegisters(4, 4, 16, 8, wide=False))
    vector = AbiParam(by_name("i32x4"))
    params = (AbiParam(I8), AbiParam(F32), vector, AbiParam(F64), vector)
    found = register_signature(
        convention, Signature(params, (vector, AbiParam(F64))), "big", extends_results=False
    )
    assert found is not None
    assert [place.column for place in found.params.places] == [0, 5, 9, 6, 10]
    assert [place.column for place in found.returns.places] == [8, 4]
    assert found.params.columns == 11
    for wide in (I128, by_name("f128")):
        signature = Signature((AbiParam(wide),))
        assert register_signature(convention, signature, "big", extends_results=False) is None
