"""Idioms: each fits somewhere, compiles everywhere, and never traps; others can be handed in."""

from __future__ import annotations

from itertools import chain

import pytest

import interp
from backend.cranelift.compiler import Functions, Target
from clif.outcome import Status
from clif.printer import print_functions
from clif.types import I64
from fuzz.cases.case import DEFAULT_SETTINGS, Case
from fuzz.entropy import Entropy, PrngEntropy
from fuzz.generate import Options
from fuzz.generate.constants import draw_halves, draw_immediate, draw_mask
from fuzz.generate.idioms import algebra, floats, integer, operands, vectors
from fuzz.generate.idioms.part import EmitPart, Idiom, Unfit, op
from fuzz.generate.idioms.vectors import shuffle_mask
from fuzz.generate.operands import pick
from fuzz.generate.writer import Writer
from fuzz.isle.director import directed_generator

THEMES = {
    "integer": integer.IDIOMS,
    "algebra": algebra.IDIOMS,
    "operands": operands.IDIOMS,
    "floats": floats.IDIOMS,
    "vectors": vectors.IDIOMS,
}
EACH = [
    (theme, number)
    for theme, idioms in THEMES.items()
    for number in range(len(dict.fromkeys(idioms)))
]


class Counting:
    """A part that counts how often another one fits."""

    def __init__(self, part: EmitPart) -> None:
        self.part = part
        self.fits = 0

    def __call__(self, w: Writer, entropy: Entropy) -> bool:
        fits = self.part(w, entropy)
        self.fits += fits
        return fits


def check_valid(case: Case) -> None:
    text = print_functions(case.functions)
    for isa in ("x86_64", "aarch64"):
        target = Target.of(isa, {**DEFAULT_SETTINGS, **case.settings}, case.isa_settings[isa])
        target.compile(Functions(text), chaos=case.chaos)
    canonical = case.settings.get("enable_nan_canonicalization") == "true"
    outcomes = interp.run(case.functions, case.inputs, interp.RunOptions(canonical_nans=canonical))
    assert set(outcomes.status.tolist()) == {Status.RETURNED}


@pytest.mark.parametrize(("theme", "number"), EACH)
def test_each_fits_somewhere_and_is_valid(theme: str, number: int) -> None:
    part = Counting(list(dict.fromkeys(THEMES[theme]))[number])
    vectors_too = theme == "vectors"
    options = Options(
        vectors=vectors_too,
        extra_parts=(part,),
        trapping_share=0.0,
        directed_share=0.0,
        alone=False,
    )
    generator = directed_generator(options)
    for seed in range(400):
        case = generator.generate(PrngEntropy((seed, number)))
        if part.fits and (seed < 12 or part.fits < 5):
            check_valid(case)
        if part.fits >= 5 and seed >= 12:
            break
    assert part.fits >= 5


def test_fragments_may_be_handed_in() -> None:
    """Every other idiom is one of them, as long as they fit."""

    def unlikely(w: Writer, entropy: Entropy) -> bool:
        w.keep(w.op("iadd", pick(w, I64), w.constant(I64, 0x5EED_0000 + entropy.below(9))))
        return True

    generator = directed_generator(Options(extra_parts=(unlikely,), directed_share=0.0))
    texts = [print_functions(generator.generate(PrngEntropy(seed)).functions) for seed in range(60)]
    assert sum(str(0x5EED_0000)[:6] in text for text in texts) >= 20


def test_one_that_does_not_fit_is_no_harm() -> None:
    tried = []

    def never(w: Writer, entropy: Entropy) -> bool:
        tried.append(entropy)
        return False

    def unfit(w: Writer, entropy: Entropy) -> bool:
        return Idiom(lambda w, t: op(w, "fadd", pick(w, t), pick(w, t)), (I64,))(w, entropy)

    generator = directed_generator(
        Options(extra_parts=(never, unfit), trapping_share=0.0, directed_share=0.0, alone=False)
    )
    for seed in range(20):
        check_valid(generator.generate(PrngEntropy(seed)))
    assert tried


def test_an_operation_that_is_not_lowered_is_told() -> None:
    caught = []

    def probing(w: Writer, entropy: Entropy) -> bool:
        try:
            op(w, "fadd", pick(w, I64), pick(w, I64))
        except Unfit as error:
            caught.append(error)
        return False

    generator = directed_generator(Options(extra_parts=(probing,)))
    for seed in range(10):
        generator.generate(PrngEntropy(seed))
    assert caught


# --- constants ---


def is_logical_immediate(value: int, bits: int) -> bool:
    """Whether aarch64 can encode it: one rotated run of ones in each of equal elements."""
    size = bits
    while size > 2 and value & (1 << size // 2) - 1 == value >> size // 2 & (1 << size // 2) - 1:
        size //= 2
    element = value & (1 << size) - 1
    turns = (element ^ (element >> 1 | element << (size - 1))) & (1 << size) - 1
    return turns.bit_count() == 2


@pytest.mark.parametrize("bits", [32, 64])
def test_masks_are_logical_immediates(bits: int) -> None:
    entropy = PrngEntropy(1)
    drawn = {draw_mask(entropy, bits) for _ in range(600)}
    assert len(drawn) > 200
    assert all(is_logical_immediate(value, bits) for value in drawn)
    assert not is_logical_immediate(0x1234_5678, bits)


def test_halves_are_what_few_moves_build() -> None:
    entropy = PrngEntropy(2)
    for _ in range(300):
        value = draw_halves(entropy, 64)
        parts = [value >> shift & 0xFFFF for shift in range(0, 64, 16)]
        assert min(sum(p != 0 for p in parts), sum(p != 0xFFFF for p in parts)) <= 2


@pytest.mark.parametrize("bits", [8, 16, 32, 64, 128])
def test_immediates_fit_their_width(bits: int) -> None:
    entropy = PrngEntropy(3)
    drawn = [draw_immediate(entropy, bits) for _ in range(500)]
    assert all(value >> bits == 0 for value in drawn)
    assert len(set(drawn)) > 60


def test_shuffle_masks_name_lanes_in_their_order() -> None:
    entropy = PrngEntropy(4)
    masks = {shuffle_mask(entropy).to_bytes(16, "little") for _ in range(3000)}
    assert max(chain.from_iterable(masks)) < 32
    known = (
        "00100111021203130414051506160717",  # bytes of both by turns
        "000102031011121304050607" + "14151617",  # 32-bit lanes by turns
        "0001040508090c0d1011141518191c1d",  # even 16-bit lanes
        "0f0e0d0c0b0a09080706050403020100",  # reversed
    )
    for text in known:
        assert bytes.fromhex(text) in masks
