"""Running many similar cases through the pipeline, as minimising and triage do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from fuzz.cases.case import Case
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.stage import Stage
from fuzz.differential.verdict import Verdict

#: Called with each stage before it begins.
OnStage: TypeAlias = Callable[[Stage], None]

#: CPU time after which an emulation counts as hung. Short, because the interpreter's fuel bounds
#: cases to what takes milliseconds, and many candidates are run.
HANG_SECONDS: Final = 0.05
#: Instructions that the interpreter executes for one input: several times what generated cases
#: need, but few enough that candidates with endless loops are cheap.
FUEL: Final = 50_000


class CaseRunner:
    """Runs cases through the pipeline. Pipelines are made on demand, and kept.

    Subclasses run them with a fault injected. Runners are sent to other processes.

    Args:
        fuel: instructions that the oracle executes for one input.
        hang_seconds: CPU time after which an emulation counts as hung; None for the pipeline's.
    """

    def __init__(self, fuel: int = FUEL, hang_seconds: float | None = HANG_SECONDS) -> None:
        self._fuel = fuel
        self._hang_seconds = hang_seconds
        self._pipelines: dict[tuple[str, ...], Pipeline] = {}

    def __call__(
        self,
        case: Case,
        isas: Sequence[str],
        *,
        second: bool = False,
        on_stage: OnStage | None = None,
    ) -> Verdict:
        """Run a case on these ISAs.

        Args:
            second: whether to ask the second oracle too.

        Raises:
            SettingsError: the case has settings that an ISA does not know.
        """
        key = tuple(isas)
        if key not in self._pipelines:
            self._pipelines[key] = Pipeline(key, fuel=self._fuel)
            if self._hang_seconds is not None:
                self._pipelines[key].limit_seconds(self._hang_seconds)
        pipeline = self._pipelines[key]
        pipeline.second, pipeline.on_stage = second, on_stage
        return self.check(pipeline, case)

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        """Take a case through a pipeline."""
        return pipeline.check(case)

    def __getstate__(self) -> dict[str, object]:
        # Emulators cannot be pickled; the other process makes its own.
        return self.__dict__ | {"_pipelines": {}}
