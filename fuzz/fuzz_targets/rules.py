"""Cranelift's rules: short cases, every part of which is aimed at one of its ISLE rules."""

from __future__ import annotations

from fuzz.fuzz_targets.differential import Differential
from fuzz.generate import Generator, Options

#: Rules distinguish values rather than paths: short functions, many inputs.
_INPUTS = 24
_INSTRUCTIONS = 8


def target(isas: tuple[str, ...]) -> Differential:
    options = Options(
        instructions=_INSTRUCTIONS, inputs=_INPUTS, isas=isas, callees=0, directed_share=1.0
    )
    return Differential(isas, Generator(options))
