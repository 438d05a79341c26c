"""Draws the cases of a fuzz target until one detects the fault that is switched on.

    python -m scripts.benchmarks.detect_surrounding_fault SEED SECONDS TARGET

This runs in an environment whose Cranelift has the faults of ``surrounding_faults``, one process
per fault (``surrounding_fault_detection`` starts it). The environment variable
``rule_faults.SWITCH`` switches the fault on. With TARGET ``sizes`` the large programs of
``fuzz.survey.sizes`` whose parts are far apart are tried, the smallest first. One line of JSON is
printed, as by ``detect_stage_fault``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from backend.isa.registry import DEFAULT_ISAS, ISAS
from fuzz.entropy import PrngEntropy
from fuzz.fuzz_targets.registry import load
from fuzz.fuzz_targets.target import CaseTarget
from fuzz.survey.sizes import far
from fuzz.survey.sizes.shape import Shape
from fuzz.survey.sizes.trial import try_shape
from scripts.benchmarks.detect_stage_fault import cpu_seconds, say, until_found
from scripts.benchmarks.stage_fault import SIZES


def _checking(name: str, seed: int) -> Callable[[int], str | None]:
    """Return what draws and checks the cases of a target."""
    target = load(name, DEFAULT_ISAS)
    assert isinstance(target, CaseTarget)
    generator = target.units.generator

    def check(index: int) -> str | None:
        case = generator.generate(PrngEntropy((seed, index)), index)
        finding = target.first_unknown(target.check(case).findings)
        return None if finding is None else finding.bucket

    return check


def _trying() -> Callable[[int], str | None]:
    """Return what tries the next large program."""
    programs = _programs()

    def check(_: int) -> str | None:
        shape, size, isa = next(programs)
        trial = try_shape(shape, size, isa, shape.levels[0])
        return str(trial) if trial.is_finding else None

    return check


def _programs() -> Iterator[tuple[Shape, int, str]]:
    """Yield the programs again and again, from the smallest of each shape."""
    while True:
        for row in range(max(len(shape.sizes) for shape in far.SHAPES)):
            for shape in far.SHAPES:
                for isa in filter(shape.is_for, ISAS):
                    for size in shape.sizes[row : row + 1]:
                        yield shape, size, isa


def main() -> None:
    seed, seconds, name = sys.argv[1:]
    check = _trying() if name == SIZES else _checking(name, int(seed))
    say(until_found(check, cpu_seconds(), float(seconds)))


if __name__ == "__main__":
    main()
