"""Which of Cranelift's ISA flags an engine can run: found out by running an instruction of each.

An engine may lack an instruction, or run it wrongly without a word: so results are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from backend.cranelift import _cranelift
from backend.emulator.executor import Executor
from backend.emulator.isa import Isa, Part
from backend.emulator.linker import PlainCode
from backend.emulator.machine import TIME_LIMIT
from clif.function import AbiParam, Signature
from clif.outcome import Inputs, Status, ints_from_words, words_from_ints
from clif.types import I64

#: Arguments for which most instructions of a probe have results of their own.
FIRST: Final = 0x0123_4567_89AB_CDEF
SECOND: Final = 0xF0E1_D2C3_B4A5_9687
_SIGNATURE: Final = Signature((AbiParam(I64), AbiParam(I64)), (AbiParam(I64),), "system_v")


@dataclass(frozen=True, slots=True)
class Probe:
    """A function of two integers with an instruction that a flag allows Cranelift to use.

    Attributes:
        code: of the function, under the convention ``system_v``.
        result: what it returns.
        arguments: what it is called with.
    """

    code: bytes
    result: int
    arguments: tuple[int, int] = (FIRST, SECOND)


#: By flag.
FEATURES: Final = Part[Mapping[str, Probe]]("features", "FEATURES")


def runs(executor: Executor, probe: Probe) -> bool:
    """Return whether a probe's function returns what it should on an executor.

    Raises:
        EngineError: the engine cannot be started.
    """
    words = [words_from_ints(I64, [argument]) for argument in probe.arguments]
    executor.limit_seconds(TIME_LIMIT)
    code = PlainCode("probe", probe.code, frame_size=64)
    outcomes = executor.run([code], _SIGNATURE, Inputs(1, words, None), settings={})
    returned = outcomes.status[0] == Status.RETURNED
    return bool(returned and ints_from_words(outcomes.results[0]) == [probe.result])


def with_flags(isa: Isa, supported: frozenset[str]) -> Isa:
    """Return an ISA with the flags that an engine runs.

    Args:
        supported: as ``supported_flags`` finds out.
    """
    flags, probed = isa.flags, frozenset(FEATURES.of(isa))
    order = [setting["name"] for setting in _cranelift.settings(isa.triple)]
    more = (name for name in order if name in supported and name not in flags.has)
    changed = replace(
        flags,
        has=flags.has - (probed - supported) | supported,
        lacks=(flags.lacks | probed) - supported,
        drawn=(*(name for name in flags.drawn if name in supported), *more),
        levels=tuple(name for name in flags.levels if name in supported),
    )
    return replace(isa, flags=changed.as_built(isa.triple))


def supported_flags(isa: Isa, executor: Executor) -> frozenset[str]:
    """Return the flags of an ISA whose instructions an executor runs rightly.

    Raises:
        EngineError: the engine cannot be started.
    """
    return frozenset(flag for flag, probe in FEATURES.of(isa).items() if runs(executor, probe))
