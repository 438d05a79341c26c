"""Functions that ``cranelift-frontend`` makes anew: the same outcomes, and maps of what is live."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cranelift.reader import read_functions
from backend.emulator.objects import MARK
from clif.printer import print_functions
from fuzz.cases.case import Case, ExtraCheck, has_canonical_nans
from fuzz.cases.casefile import read_case
from fuzz.cases.compare import compare
from fuzz.differential.oracle import interpreter
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator, Options
from fuzz.generate.frontend import (
    Sealing,
    live_at_calls,
    named_by_maps,
    references_of,
    translate,
)
from fuzz.generate.references import Kept, with_references
from tests.paths import CORPUS

SEEDS = sorted((CORPUS / "seeds").glob("*/*.clif"))

#: v3 is live behind both calls of the first block, v4 behind the first one, in a loop.
PROGRAM = f"""\
function %main(i64) -> i64 {{
    ss0 = explicit_slot 32, align = 8
    fn0 = %collect() system_v
block0(v0: i64):
    v2 = iconst.i64 {MARK}
    v3 = stack_addr.i64 ss0
    v4 = stack_addr.i64 ss0+16
    store v2, v3
    store v0, v3+8
    store v2, v4
    store v0, v4+8
    call fn0()
    v5 = load.i64 v4+8
    call fn0()
    v6 = iconst.i64 0
    jump block1(v0, v6)
block1(v7: i64, v8: i64):
    v9 = load.i64 v3+8
    v10 = iadd v8, v9
    call fn0()
    v11 = iconst.i64 1
    v12 = isub v7, v11
    brif v12, block1(v12, v10), block2
block2:
    call fn0()
    v13 = iadd v10, v5
    return v13
}}
; run: %main(3) == 12

function %collect() system_v {{
block0:
    return
}}
"""


def same(one: Case, other: Case) -> bool:
    canonical = has_canonical_nans(one)
    return not compare(interpreter(one), interpreter(other), canonical_nans=canonical)


def test_liveness_by_hand() -> None:
    main, _ = read_functions(PROGRAM)
    assert {value.number for value in references_of(main)} == {3, 4}
    assert live_at_calls(main) == [2, 1, 1, 0]
    assert named_by_maps(main) == [0, 0, 0, 0]


@pytest.mark.parametrize("sealing", Sealing)
def test_maps_name_what_is_live(sealing: Sealing) -> None:
    case = read_case(PROGRAM).case
    translated = translate(case, "x86_64", sealing)
    assert translated.checks == {ExtraCheck.STACK_MAPS}
    assert named_by_maps(translated.main) == [2, 1, 1, 0]
    assert same(case, translated)


def test_without_references_nothing_is_spilled() -> None:
    case = read_case(PROGRAM.replace(f"v2 = iconst.i64 {MARK}", "v2 = iconst.i64 5")).case
    translated = translate(case, "aarch64", Sealing.LATE)
    assert named_by_maps(translated.main) == [0, 0, 0, 0]
    assert len(translated.main.stack_slots) == 1


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_seeds_do_the_same(path: Path) -> None:
    case = read_case(path.read_text()).case
    for sealing in Sealing:
        translated = translate(case, case.emulated_isas[0], sealing)
        assert print_functions(translated.functions) != print_functions(case.functions)
        assert same(case, translated)


def test_drawn_cases_do_the_same() -> None:
    options = Options(inputs=2, trapping_share=0.0, directed_share=0.0)
    live = 0
    for seed in range(12):
        drawn = Generator(options).generate(PrngEntropy(seed))
        case = with_references(drawn, PrngEntropy(seed), Kept.VALUES)
        assert not case.checks
        for sealing in Sealing:
            translated = translate(case, "x86_64", sealing)
            for before, after in zip(case.functions, translated.functions, strict=True):
                assert live_at_calls(before) == named_by_maps(after)
                live += sum(live_at_calls(before))
            assert same(case, translated)
    assert live > 20
