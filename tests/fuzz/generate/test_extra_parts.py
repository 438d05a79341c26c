"""Parts that a caller hands to the generator."""

from __future__ import annotations

import interp
from backend.cranelift.compiler import Functions, Target
from clif.outcome import Status
from clif.printer import print_functions
from clif.types import I64
from fuzz.cases.case import DEFAULT_SETTINGS, Case
from fuzz.entropy import Entropy, PrngEntropy
from fuzz.generate import Options
from fuzz.generate.operands import pick
from fuzz.generate.writer import Writer
from fuzz.isle.director import directed_generator


def check_valid(case: Case) -> None:
    text = print_functions(case.functions)
    for isa in ("x86_64", "aarch64"):
        target = Target.of(isa, {**DEFAULT_SETTINGS, **case.settings}, case.isa_settings[isa])
        target.compile(Functions(text), chaos=case.chaos)
    canonical = case.settings.get("enable_nan_canonicalization") == "true"
    outcomes = interp.run(case.functions, case.inputs, interp.RunOptions(canonical_nans=canonical))
    assert set(outcomes.status.tolist()) == {Status.RETURNED}


def test_extra_parts_are_emitted() -> None:
    def unlikely(w: Writer, entropy: Entropy) -> bool:
        w.keep(w.op("iadd", pick(w, I64), w.constant(I64, 0x5EED_0000 + entropy.below(9))))
        return True

    generator = directed_generator(Options(extra_parts=(unlikely,), directed_share=0.0))
    texts = [
        print_functions(generator.generate(PrngEntropy(seed)).functions) for seed in range(120)
    ]
    assert sum(str(0x5EED_0000)[:6] in text for text in texts) >= 20


def test_an_extra_part_that_does_not_fit_does_no_harm() -> None:
    tried = []

    def never(w: Writer, entropy: Entropy) -> bool:
        tried.append(entropy)
        w.op("iadd", pick(w, I64), pick(w, I64))
        return False

    generator = directed_generator(
        Options(extra_parts=(never,), trapping_share=0.0, directed_share=0.0, alone=False)
    )
    for seed in range(20):
        check_valid(generator.generate(PrngEntropy(seed)))
    assert tried
