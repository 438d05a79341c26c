"""Drawing inputs for cases that come without any: functions of files that have no run commands."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clif.outcome import Inputs
from fuzz.cases.case import Case
from fuzz.cases.drawn_memory import with_drawn_memory
from fuzz.entropy import PrngEntropy
from fuzz.generate.inputs import draw_inputs

#: How many inputs are drawn unless the user says it.
DRAWN_INPUTS: Final = 8


def with_drawn_inputs(case: Case, count: int = DRAWN_INPUTS) -> Case:
    """Return a case with drawn inputs, and memory if its main function takes it from outside.

    They are always the same for functions of one name.

    Args:
        count: how many; a function without parameters has only one.
    """
    main = case.main
    entropy = PrngEntropy((len(main.name), *main.name.encode()))
    types = main.signature.param_types
    inputs = draw_inputs(entropy, types, count, None) if types else Inputs(1, [])
    inputs.region = case.inputs.region
    return with_drawn_memory(replace(case, inputs=inputs))
