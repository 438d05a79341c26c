"""Whether the stack maps of a case itself name all references that it still uses, and none else.

Cranelift has nothing to do with it: the interpreter runs the case with a collector that moves what
the calls' maps name, and destroys all other objects. A case that does not do the same then says
nothing about what it is compiled to. Making a finding smaller leads to such cases, for example by
leaving out an entry of a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np

import interp
from backend.emulator.collector import COLLECT
from backend.emulator.objects import SPACE, SPACE_SIZE, WORD, ObjectMover
from clif.function import Inst
from clif.outcome import Outcomes, Words
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import difference_kind, observe
from fuzz.cases.interpretation import run_options
from interp.frame import Frame
from interp.memory import Memory, Segment
from interp.options import USUAL_DEPTH


def has_right_maps(case: Case, row: int, expected: Outcomes) -> bool:
    """Return whether an input of a case does the same with the collector, as its maps say.

    Args:
        expected: what all inputs do without it.

    Raises:
        interp.Unsupported: the interpreter cannot run the case.
    """
    collector = _SourceCollector()
    single = replace(case, inputs=case.inputs.select([row]))
    options = replace(run_options(single), depth=USUAL_DEPTH)  # else it might be run twice
    found = interp.run(case.functions, single.inputs, options, observer=collector)
    kind = difference_kind(
        observe(expected, row), observe(found, 0), canonical_nans=has_canonical_nans(case)
    )
    return kind is None and not collector.misled


class _SourceCollector:
    """Collects objects in the interpreter whenever the case asks for it.

    Attributes:
        misled: whether a map named a place that holds no reference.
    """

    def __init__(self) -> None:
        self.misled = False
        self._frames: list[Frame] = []
        self._at: list[Inst] = []
        self._objects: _InterpretedObjects | None = None

    def __call__(self, frame: Frame, inst: Inst) -> None:
        """Note which frames are open, before an instruction that has an effect."""
        if frame in self._frames:
            kept = self._frames.index(frame)
            del self._frames[kept:], self._at[kept:]
        self._frames.append(frame)
        self._at.append(inst)
        if frame.function.name == COLLECT:
            self._collect(frame.machine.memory)

    def _collect(self, memory: Memory) -> None:
        if self._objects is None:
            self._objects = _InterpretedObjects(memory)
        if not self._objects.is_full and self._objects.collect(list(self._references())):
            self.misled = True

    def _references(self) -> Iterator[int]:
        """Yield the addresses that the maps of the open calls name."""
        for frame, inst in zip(self._frames[:-1], self._at[:-1], strict=True):
            entries = () if inst.annotations is None else inst.annotations.stack_map
            for entry in entries:
                yield frame.slot_address(entry.slot) + entry.offset


class _InterpretedObjects(ObjectMover):
    """Objects in the memory of an interpreter that runs one input."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory
        self._space = Segment(SPACE, np.zeros((1, SPACE_SIZE), np.uint8))
        memory.segments.insert(0, self._space)  # in front of those that frames close

    def read(self, address: int) -> int:
        word = self._word(address)
        return 0 if word is None else int(word[0])

    def write(self, address: int, *words: int) -> None:
        for number, content in enumerate(words):
            word = self._word(address + WORD * number)
            if word is not None:  # a slot may end within what looks like an object
                word[0] = content

    def is_in_frame(self, address: int) -> bool:
        found = self._memory.find(address, WORD)
        return found is not None and found is not self._space

    def words(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for segment in self._memory.segments:
            if segment is not self._space:
                usable = segment.bytes[0, : segment.size // WORD * WORD]
                found |= zip(count(segment.base, WORD), usable.view("<u8").tolist(), strict=False)
        return found

    def _word(self, address: int) -> Words | None:
        """Return a view of the word at an address; None if there is no memory."""
        segment = self._memory.find(address, WORD)
        if segment is None:
            return None
        start = address - segment.base
        return segment.bytes[0, start : start + WORD].view("<u8")
