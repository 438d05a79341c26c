"""Running many similar cases through the pipeline, as minimising and triage do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

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


class CaseRunner(Protocol):
    """Runs cases through the pipeline, as it is or with a fault injected.

    Runners are sent to other processes, so they can be pickled.
    """

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
        ...


class PlainRunner:
    """Runs cases through the pipeline as it is. Pipelines are made on demand, and kept."""

    def __init__(self) -> None:
        self._pipelines: dict[tuple[str, ...], Pipeline] = {}

    def __call__(
        self,
        case: Case,
        isas: Sequence[str],
        *,
        second: bool = False,
        on_stage: OnStage | None = None,
    ) -> Verdict:
        return self.pipeline(isas, second=second, on_stage=on_stage).check(case)

    def pipeline(
        self, isas: Sequence[str], *, second: bool = False, on_stage: OnStage | None = None
    ) -> Pipeline:
        """Return the pipeline for these ISAs."""
        key = tuple(isas)
        if key not in self._pipelines:
            self._pipelines[key] = Pipeline(key, fuel=FUEL)
            self._pipelines[key].limit_seconds(HANG_SECONDS)
        pipeline = self._pipelines[key]
        pipeline.second, pipeline.on_stage = second, on_stage
        return pipeline

    def __reduce__(self) -> tuple[type[PlainRunner], tuple[()]]:
        return PlainRunner, ()  # emulators cannot be pickled; the other process makes its own
