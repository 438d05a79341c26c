"""Whether the stack maps of a case itself name all references that it still uses, and none else.

Cranelift has nothing to do with it: the interpreter runs the case with a collector that moves what
the calls' maps name, and destroys all other objects. A case that does not do the same then says
nothing about what it is compiled to. Making a finding smaller leads to such cases, for example by
leaving out an entry of a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

import interp
from backend.emulator.collector import COLLECT, DEAD, MARK, OBJECT_SIZE
from clif.function import Inst
from clif.outcome import Outcomes
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import difference_kind, observe
from fuzz.cases.interpretation import run_options
from interp.frame import Frame
from interp.memory import Segment
from interp.options import USUAL_DEPTH

_WORD: Final = 8
#: Where objects are moved to; nothing else lies there.
_SPACE: Final = 0x6C17_3000_0000
_SPACE_SIZE: Final = 1 << 16


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
        self._space: Segment | None = None
        self._free = _SPACE
        self._living: set[int] = set()

    def __call__(self, frame: Frame, inst: Inst) -> None:
        """Note which frames are open, before an instruction that has an effect."""
        if frame in self._frames:
            kept = self._frames.index(frame)
            del self._frames[kept:], self._at[kept:]
        self._frames.append(frame)
        self._at.append(inst)
        if frame.function.name == COLLECT and self._free < _SPACE + _SPACE_SIZE // 2:
            self._collect(frame)

    def _collect(self, frame: Frame) -> None:
        if self._space is None:
            self._space = Segment(_SPACE, np.zeros((1, _SPACE_SIZE), np.uint8))
            frame.machine.memory.segments.insert(0, self._space)
        new: dict[int, int] = {}
        for place in list(self._references()):
            self._move(place, new)
        for address in [*self._objects_in_frames(), *self._living]:
            if address not in new.values():
                self._write(address, DEAD, DEAD)
        self._living = set(new.values())

    def _references(self) -> Iterator[int]:
        """Yield the addresses that the maps of the open calls name."""
        for frame, inst in zip(self._frames[:-1], self._at[:-1], strict=True):
            entries = () if inst.annotations is None else inst.annotations.stack_map
            for entry in entries:
                yield frame.slot_address(entry.slot) + entry.offset

    def _move(self, place: int, new: dict[int, int]) -> None:
        reference = self._read(place)
        if reference is None or not self._is_object(reference, new):
            self.misled = True
            return
        if reference not in new:
            content = self._read(reference + _WORD)
            self._write(self._free, MARK, content or 0)
            new[reference] = self._free
            self._free += OBJECT_SIZE
        self._write(place, new[reference])

    def _is_object(self, address: int, new: dict[int, int]) -> bool:
        return address in new or self._read(address) == MARK

    def _objects_in_frames(self) -> Iterator[int]:
        """Yield the addresses of marks in frames to which a word of these refers."""
        words: dict[int, int] = {}
        for segment in self._segments():
            if segment is not self._space:
                usable = segment.bytes[0, : segment.size // _WORD * _WORD]
                for number, word in enumerate(usable.view("<u8").tolist()):
                    words[segment.base + _WORD * number] = word
        known = set(words.values())
        yield from (at for at, word in words.items() if word == MARK and at in known)

    def _segments(self) -> list[Segment]:
        return self._frames[-1].machine.memory.segments

    def _read(self, address: int) -> int | None:
        segment = self._frames[-1].machine.memory.find(address, _WORD)
        if segment is None:
            return None
        start = address - segment.base
        return int.from_bytes(segment.bytes[0, start : start + _WORD].tobytes(), "little")

    def _write(self, address: int, *words: int) -> None:
        contents = b"".join(word.to_bytes(_WORD, "little") for word in words)
        segment = self._frames[-1].machine.memory.find(address, len(contents))
        if segment is not None:
            start = address - segment.base
            segment.bytes[0, start : start + len(contents)] = np.frombuffer(contents, np.uint8)
