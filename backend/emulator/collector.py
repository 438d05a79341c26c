"""A garbage collector that moves objects: it finds references by the stack maps of a program.

Whenever the program calls ``%collect``, every open frame's call is looked up in the stack maps of
its function. Each object that a map names is copied to a new place, and the reference changed; what
was at the old place, and every object that no map names, is overwritten. A program that goes on as
if nothing had happened has maps that name all that it still uses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, cast

from backend.emulator.executor import Executor
from backend.emulator.frame_follower import Frame, FrameFollower
from backend.emulator.linker import Placed
from backend.emulator.objects import SPACE, SPACE_SIZE, WORD, ObjectMover

#: The function that the program calls to have objects collected. It does nothing itself.
COLLECT: Final = "collect"
#: So many bytes are wiped: more than the frames that were there had.
_WIPED: Final = 256 << 10
#: No more deviations than these are noted in a run.
_MOST: Final = 4


class HasStackMaps(Protocol):
    """Compiled code with the stack maps of its calls; the extension's ``Compiled`` is one."""

    @property
    def stack_maps(self) -> Sequence[tuple[int, int, Sequence[tuple[str, int]]]]: ...


@dataclass(frozen=True, slots=True)
class MapDeviation:
    """A place that a stack map names, and that holds no reference to a live object.

    Attributes:
        function: its name, and ``offset`` that of the return address of its call.
    """

    function: str
    offset: int
    text: str

    def __str__(self) -> str:
        """Return where the call is, and what is wrong there."""
        return f"%{self.function}+{self.offset:#x}: {self.text}"


class Collector(FrameFollower):
    """Collects objects whenever the program asks for it.

    Args:
        executor: of an engine that can be hooked. It must run one input.

    Attributes:
        collections: how often it was asked.
        objects: what was moved and destroyed.
        deviations: what was found.
    """

    def __init__(self, executor: Executor) -> None:
        super().__init__(executor)
        self.collections = 0
        self.objects = _GuestObjects(self)
        self.deviations: list[MapDeviation] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Collect while the executor runs."""
        uc = self.cpu.uc
        uc.mem_map(SPACE, SPACE_SIZE)
        try:
            with super().watching():
                yield
        finally:
            uc.mem_unmap(SPACE, SPACE_SIZE)

    def enter(self, frame: Frame) -> None:
        self._wipe_below(frame.stack_pointer)
        if frame.placed.compiled.name == COLLECT and not self.objects.is_full:
            self.collections += 1
            self._collect()

    def _wipe_below(self, pointer: int) -> None:
        """Overwrite what other functions have left of their frames: marks, and references to them.

        A frame that comes to lie there would seem to have objects where it has nothing yet.
        """
        low = max(self.cpu.memory.places.stack, pointer - _WIPED)
        if low < pointer:
            self.cpu.uc.mem_write(low, bytes(pointer - low))

    def _collect(self) -> None:
        named = list(self._references())
        for index in self.objects.collect([slot for _, _, slot in named]):
            placed, offset, slot = named[index]
            if len(self.deviations) < _MOST:
                reference = self.word(slot)
                text = f"no object at {reference:#x}, which the word at {slot:#x} refers to"
                self.deviations.append(MapDeviation(placed.compiled.name, offset, text))

    def _references(self) -> Iterator[tuple[Placed, int, int]]:
        """Yield the places that maps name, each with the function and the return address in it."""
        for frame, called in zip(self.frames, self.frames[1:], strict=False):
            placed = frame.placed
            offset = called.caller.return_address - placed.address
            maps = cast(HasStackMaps, placed.compiled).stack_maps
            for address, _, entries in maps:
                if address == offset:
                    pointer = called.call_pointer
                    yield from ((placed, offset, pointer + at) for _, at in entries)


class _GuestObjects(ObjectMover):
    """Objects on the stack of a guest."""

    def __init__(self, follower: FrameFollower) -> None:
        super().__init__()
        self._follower = follower

    def read(self, address: int) -> int:
        return self._follower.word(address)

    def write(self, address: int, *words: int) -> None:
        data = b"".join(word.to_bytes(WORD, "little") for word in words)
        self._follower.cpu.uc.mem_write(address, data)

    def is_in_frame(self, address: int) -> bool:
        low, high = self._stack()
        return low <= address < high and not address % WORD

    def words(self) -> dict[int, int]:
        low, high = self._stack()
        low = -(-low // WORD) * WORD
        stack = self._follower.cpu.uc.mem_read(low, (high - low) // WORD * WORD)
        words = (word for (word,) in struct.iter_unpack("<Q", stack))
        return dict(zip(range(low, high, WORD), words, strict=False))

    def _stack(self) -> tuple[int, int]:
        """Return the lowest address of open frames, and that behind them."""
        frames = self._follower.frames
        return frames[-1].stack_pointer, frames[0].caller.frame_address
