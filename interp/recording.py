"""Records what every activation of a function did: each definition of a value, calls, the end.

A recorded run has one input, so that all that happens has one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clif.function import Block, Function, Inst, Value
from clif.outcome import Words
from interp.frame import Frame, NoLanes
from interp.lanes import to_words


@dataclass(slots=True)
class Activation:
    """One activation of a function.

    Attributes:
        function: the function.
        called_by: the call that began it; None for the function that was run.
        values: by value all that it was, in order. An item is the words of one input.
    """

    function: Function
    called_by: Inst | None
    values: dict[Value, list[Words]] = field(default_factory=dict)


@dataclass(slots=True)
class Recorder:
    """What one run did.

    Attributes:
        activations: in the order in which they began.
        ended_by: the instruction that ended the run, if it trapped or the like.
        executing: the instruction that is being executed.
    """

    activations: list[Activation] = field(default_factory=list)
    ended_by: Inst | None = None
    executing: Inst | None = None

    def clear(self) -> None:
        """Forget everything."""
        self.activations.clear()
        self.ended_by = self.executing = None

    def open_frame(self, *args: Any) -> Frame:
        """Return a frame that records what it does. The arguments are those of ``Frame``."""
        return _RecordingFrame(self, *args)


class _RecordingFrame(Frame):
    """A frame that executes one instruction at a time."""

    def __init__(self, recorder: Recorder, *args: Any) -> None:
        super().__init__(*args)
        self.recorder = recorder
        self.activation = Activation(self.function, recorder.executing)
        recorder.activations.append(self.activation)

    def _execute(self, block: Block) -> None:
        self._record(block.params)
        for inst in block.instructions:
            self.recorder.executing = inst
            try:
                super()._execute(_alone(inst))
            except NoLanes:
                if self.recorder.ended_by is None:
                    self.recorder.ended_by = inst
                raise
            self._record(inst.results)

    def _record(self, values: Sequence[Value]) -> None:
        for value in values:
            words = to_words(value.type, self.env[value]).copy()
            self.activation.values.setdefault(value, []).append(words)


def _alone(inst: Inst) -> Block:
    block = Block(0)
    block.instructions = [inst]
    return block
