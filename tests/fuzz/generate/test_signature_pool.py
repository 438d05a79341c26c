"""The menu of main functions' signatures: bounded, the same everywhere, and callable."""

import pytest

from clif.types import F32, F64, F128, I64, I128, INTS, Type, by_name
from fuzz.entropy import PrngEntropy
from fuzz.generate import Options
from fuzz.generate.options import EVERY_TYPE
from fuzz.generate.signature_pool import MENU_SIZE, ODD_SIZE, fits_registers, menu, pick_shape
from fuzz.isle.director import directed_generator

I32X4, I8X2 = by_name("i32x4"), by_name("i8x2")
ALLOWED = (*INTS, F32, F64)


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("region", [False, True])
@pytest.mark.parametrize("odd", [None, F128, I32X4, I8X2])
def test_menu(odd: Type | None, multi: bool, region: bool) -> None:
    shapes = menu(odd, multi, region)
    assert len(shapes) == (MENU_SIZE if odd is None else ODD_SIZE)
    drawn = {param.type for shape in shapes for param in (*shape.params, *shape.returns)}
    assert drawn <= {*ALLOWED, odd}
    assert odd is None or odd in drawn
    for shape in shapes:
        assert shape.returns
        assert multi or fits_registers([param.type for param in shape.returns])
        assert (shape.memory is not None) == region
        if shape.memory is not None:
            assert shape.params[shape.memory].type is I64
    if odd is None:
        assert any(len(shape.returns) > 3 for shape in shapes) == multi


def test_the_one_that_suits_is_preferred() -> None:
    narrow = [pick_shape(PrngEntropy(n), (I64,), False, False) for n in range(50)]
    wide = [pick_shape(PrngEntropy(n), ALLOWED, False, False) for n in range(50)]
    foreign = sum(shape.foreign((I64,)) for shape in narrow)
    assert foreign < sum(shape.foreign((I64,)) for shape in wide)


@pytest.mark.parametrize(
    ("types", "fits"),
    [([I64, I64, F64, F32], True), ([I128, I64], False), ([F32] * 3, False), ([I128], True)],
)
def test_what_fits_into_registers(types: list[object], fits: bool) -> None:
    assert fits_registers(types) is fits  # type: ignore[arg-type]


def test_an_odd_type_of_the_case_is_in_its_signature() -> None:
    shapes = [pick_shape(PrngEntropy(n), (I64, I32X4), False, True) for n in range(50)]
    having = sum(any(p.type is I32X4 for p in (*s.params, *s.returns)) for s in shapes)
    assert having >= 40


def test_most_main_functions_share_a_signature() -> None:
    generator = directed_generator(Options(inputs=2, instructions=8))
    drawn = [generator.generate(PrngEntropy(n)).main.signature for n in range(400)]
    signatures = [signature for signature in drawn if signature.call_conv == "system_v"]
    assert len(signatures) > 250
    menus = 4 * (MENU_SIZE + ODD_SIZE * (len(EVERY_TYPE) - len(ALLOWED)))
    assert len(set(signatures)) < min(menus, 300) + 400 // 10
    assert len(set(signatures)) > MENU_SIZE
