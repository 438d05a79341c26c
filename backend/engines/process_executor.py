"""The executor of an engine in a process, which may die at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from backend.emulator.executor import Executor
from backend.emulator.image import Program
from backend.emulator.isa import Isa
from backend.engines.guest_process import EngineDied, EngineError, EngineKilled
from backend.engines.process_machine import ProcessMachine
from clif.function import Signature
from clif.outcome import Inputs, Outcomes, Status

#: So often a case is begun anew if its process is lost.
_MOST_RUNS: Final = 10
#: What a thunk finds. Code that only did that has done nothing wild.
_HARMLESS = ("clobbered", "stack pointer off", "not run", "not sign-", "not zero-")


class ProcessExecutor(Executor):
    """Runs code in a process, and replaces that when it has to.

    If the process dies, the whole case is run again, in a new one. If it dies once more, and nobody
    killed it, that is what the input that was under way has come to. After code that did
    anything that no trap explains, the process is replaced: wild code can change the emulator.
    """

    def __init__(self, isa: Isa, machine: ProcessMachine) -> None:
        super().__init__(isa, machine)
        self.machine = machine

    def run(
        self,
        program: Program,
        signature: Signature,
        inputs: Inputs,
        *,
        predicted_traps: Sequence[int] = (),
        left_out: Sequence[int] = (),
        entry: str | None = None,
        settings: Mapping[str, str],
        guard_padding: bool = False,
    ) -> Outcomes:
        """Run a program for all inputs, as ``Executor.run`` does.

        Raises:
            EngineError: the engine cannot be started.
        """

        def once() -> Outcomes:
            return super(ProcessExecutor, self).run(
                program,
                signature,
                inputs,
                predicted_traps=predicted_traps,
                left_out=left_out,
                entry=entry,
                settings=settings,
                guard_padding=guard_padding,
            )

        outcomes = self._insist(once)
        if _is_wild(outcomes):
            self.machine.distrust()
        return outcomes

    def _insist(self, once: Callable[[], Outcomes]) -> Outcomes:
        """Run a case again, in a new process, as long as somebody kills the process.

        Raises:
            EngineError: it is killed again and again.
        """
        died = False
        for _ in range(_MOST_RUNS):
            try:
                with self.machine.forgiving(died):
                    return once()
            except EngineDied as death:
                self.machine.recover()
                died = died or not isinstance(death, EngineKilled)
        raise EngineError(f"{self.isa.name}: the engine is killed again and again")


def _is_wild(outcomes: Outcomes) -> bool:
    """Whether an input did something that no trap and no thunk explains."""
    return any(
        outcomes.status[row] == Status.VIOLATED
        and not any(words in outcomes.details.get(row, "") for words in _HARMLESS)
        for row in range(outcomes.count)
    )
