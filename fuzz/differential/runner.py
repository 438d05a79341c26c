"""Taking a case through everything, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from fuzz.cases.case import Case
from fuzz.differential.pipeline import Pipeline, Verdict
from fuzz.differential.stage import Stage


class Trial(Protocol):
    """How a case is tried: by the harness as it is, or with a fault planted in it.

    Trials are sent to other processes, so they must survive pickling.
    """

    def __call__(
        self, case: Case, isas: Sequence[str], *, second: bool = False, stages: Stages | None = None
    ) -> Verdict:
        """What comes of a case on these ISAs. ``second`` asks the second oracle too.

        Raises SettingsError for settings that an ISA does not have.
        """
        ...


class Stages(Protocol):
    """Who is told of each stage before it begins."""

    def __call__(self, stage: Stage) -> None: ...


#: CPU time after which a case counts as hung, which is tried many times. The interpreter has
#: bounded it to what takes milliseconds.
HANG_SECONDS: Final = 0.05
#: Instructions that the interpreter gives an input: several times what generated cases need, and
#: little enough that candidates whose loops never end cost little.
FUEL: Final = 50_000


class PlainTrial:
    """The harness as it is. Pipelines are made when they are needed, and kept."""

    def __init__(self) -> None:
        self._pipelines: dict[tuple[str, ...], Pipeline] = {}

    def __call__(
        self, case: Case, isas: Sequence[str], *, second: bool = False, stages: Stages | None = None
    ) -> Verdict:
        return self.pipeline(isas, second=second, stages=stages).check(case)

    def pipeline(
        self, isas: Sequence[str], *, second: bool = False, stages: Stages | None = None
    ) -> Pipeline:
        """The pipeline of some ISAs."""
        key = tuple(isas)
        if key not in self._pipelines:
            self._pipelines[key] = Pipeline(key, fuel=FUEL)
            self._pipelines[key].limit_seconds(HANG_SECONDS)
        pipeline = self._pipelines[key]
        pipeline.second, pipeline.on_stage = second, stages
        return pipeline

    def __reduce__(self) -> tuple[type[PlainTrial], tuple[()]]:
        return PlainTrial, ()  # engines are made anew where they are used
