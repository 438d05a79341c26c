"""The signature pool of main functions: bounded, the same everywhere, and callable."""

import pytest

from clif.types import F32, F64, F128, I64, I128, INTS, Type, by_name
from fuzz.entropy import PrngEntropy
from fuzz.generate import Options, conventions
from fuzz.generate.options import EVERY_TYPE
from fuzz.generate.signature_pool import (
    POOL_SIZE,
    UNCOMMON_SIZE,
    pick_signature,
    signature_pool,
)
from fuzz.isle.director import directed_generator

I32X4, I8X2 = by_name("i32x4"), by_name("i8x2")
ALLOWED = (*INTS, F32, F64)


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("region", [False, True])
@pytest.mark.parametrize("uncommon", [None, F128, I32X4, I8X2])
def test_the_pool(uncommon: Type | None, multi: bool, region: bool) -> None:
    signatures = signature_pool(uncommon, multi, region)
    assert len(signatures) == (POOL_SIZE if uncommon is None else UNCOMMON_SIZE)
    drawn = {
        param.type for signature in signatures for param in (*signature.params, *signature.returns)
    }
    assert drawn <= {*ALLOWED, uncommon}
    assert uncommon is None or uncommon in drawn
    for signature in signatures:
        assert signature.returns
        assert multi or conventions.fits("system_v", [param.type for param in signature.returns])
        assert (signature.memory is not None) == region
        if signature.memory is not None:
            assert signature.params[signature.memory].type is I64
    if uncommon is None:
        assert any(len(signature.returns) > 3 for signature in signatures) == multi


def test_the_one_that_suits_is_preferred() -> None:
    narrow = [pick_signature(PrngEntropy(n), (I64,), False, False) for n in range(50)]
    wide = [pick_signature(PrngEntropy(n), ALLOWED, False, False) for n in range(50)]
    foreign = sum(signature.foreign((I64,)) for signature in narrow)
    assert foreign < sum(signature.foreign((I64,)) for signature in wide)


@pytest.mark.parametrize(
    ("types", "fits"),
    [([I64, I64, F64, F32], True), ([I128, I64], False), ([F32] * 3, False), ([I128], True)],
)
def test_what_fits_into_registers(types: list[Type], fits: bool) -> None:
    assert conventions.fits("system_v", types) is fits


def test_an_uncommon_type_of_the_case_is_in_its_signature() -> None:
    signatures = [pick_signature(PrngEntropy(n), (I64, I32X4), False, True) for n in range(50)]
    having = sum(any(p.type is I32X4 for p in (*s.params, *s.returns)) for s in signatures)
    assert having >= 40


def test_most_main_functions_share_a_signature() -> None:
    generator = directed_generator(Options(inputs=2, instructions=8))
    drawn = [generator.generate(PrngEntropy(n)).main.signature for n in range(400)]
    signatures = [signature for signature in drawn if signature.call_conv == "system_v"]
    assert len(signatures) > 250
    menus = 4 * (POOL_SIZE + UNCOMMON_SIZE * (len(EVERY_TYPE) - len(ALLOWED)))
    assert len(set(signatures)) < min(menus, 300) + 400 // 10
    assert len(set(signatures)) > POOL_SIZE
