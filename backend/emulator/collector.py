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

#: The function that the program calls to have objects collected. It does nothing itself.
COLLECT: Final = "collect"
#: The first word of each object.
MARK: Final = 0x6F62_6A65_6374_5F5B
#: What a dead object is overwritten with.
DEAD: Final = 0xDEAD_0B1E_C700_DEAD
OBJECT_SIZE: Final = 16

_WORD: Final = 8
#: Where objects are moved to, page by page: no other part of the guest lies there.
_SPACE: Final = 0x6C17_3000_0000
_SPACE_SIZE: Final = 1 << 20
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
        collections: how often it was asked, ``moved`` how many objects it moved, ``destroyed`` how
            many it overwrote that no map named.
        deviations: what was found.
    """

    def __init__(self, executor: Executor) -> None:
        super().__init__(executor)
        self.collections = self.moved = self.destroyed = 0
        self.deviations: list[MapDeviation] = []
        self._free = _SPACE
        self._living: set[int] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Collect while the executor runs."""
        uc = self.cpu.uc
        uc.mem_map(_SPACE, _SPACE_SIZE)
        try:
            with super().watching():
                yield
        finally:
            uc.mem_unmap(_SPACE, _SPACE_SIZE)

    def enter(self, frame: Frame) -> None:
        if frame.placed.compiled.name == COLLECT and self._free < _SPACE + _SPACE_SIZE // 2:
            self.collections += 1
            self._collect()

    def _collect(self) -> None:
        new: dict[int, int] = {}
        for placed, offset, slot in list(self._references()):
            self._move(placed, offset, slot, new)
        for address in [*self._objects_on_stack(), *self._living]:
            if address not in new.values():
                self.destroyed += address not in new
                self._destroy(address)
        self._living = set(new.values())

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

    def _move(self, placed: Placed, offset: int, slot: int, new: dict[int, int]) -> None:
        reference = self.word(slot)
        if reference not in new:
            if not self._is_object(reference):
                text = f"no object at {reference:#x}, which the word at {slot:#x} refers to"
                if len(self.deviations) < _MOST:
                    self.deviations.append(MapDeviation(placed.compiled.name, offset, text))
                return
            content = self.cpu.uc.mem_read(reference, OBJECT_SIZE)
            self.cpu.uc.mem_write(self._free, bytes(content))
            new[reference] = self._free
            self._free += OBJECT_SIZE
            self.moved += 1
        self.cpu.uc.mem_write(slot, new[reference].to_bytes(_WORD, "little"))

    def _is_object(self, address: int) -> bool:
        low, high = self._stack()
        known = address in self._living or (low <= address < high and not address % _WORD)
        return known and self.word(address) == MARK

    def _objects_on_stack(self) -> Iterator[int]:
        """Yield the addresses of marks on the stack to which any word of it refers.

        To others nothing does: where the register allocator has spilled a mark, what lies beside
        it is no content, but another value.
        """
        low, high = self._stack()
        low = -(-low // _WORD) * _WORD
        stack = self.cpu.uc.mem_read(low, (high - low) // _WORD * _WORD)
        words = [word for (word,) in struct.iter_unpack("<Q", stack)]
        known = set(words)
        for number, word in enumerate(words[:-1]):
            address = low + _WORD * number
            if word == MARK and address in known:
                yield address

    def _stack(self) -> tuple[int, int]:
        """Return the lowest address of open frames, and that behind them."""
        return self.frames[-1].stack_pointer, self.frames[0].caller.frame_address

    def _destroy(self, address: int) -> None:
        self.cpu.uc.mem_write(address, 2 * DEAD.to_bytes(_WORD, "little"))
