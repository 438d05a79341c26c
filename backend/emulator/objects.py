"""Moves the objects to which references are known, and destroys all others, in whatever memory.

An object is two words, a mark and a content. It is found by its mark in the frames of functions, if
some word there refers to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final

#: The first word of each object.
MARK: Final = 0x6F62_6A65_6374_5F5B
#: What a dead object is overwritten with.
DEAD: Final = 0xDEAD_0B1E_C700_DEAD
WORD: Final = 8
OBJECT_SIZE: Final = 2 * WORD
#: Where objects are moved to: no other part of the guest's memory lies there, or of the
#: interpreter's.
SPACE: Final = 0x6C17_3000_0000
SPACE_SIZE: Final = 1 << 20


class ObjectMover(ABC):
    """Moves objects each time that it is asked to.

    Attributes:
        moved: how many objects were moved, and ``destroyed`` how many to which no reference was
            known.
    """

    def __init__(self) -> None:
        self.moved = self.destroyed = 0
        self._free = SPACE
        self._living: set[int] = set()

    @abstractmethod
    def read(self, address: int) -> int:
        """Return the word at an address of an object, or of a reference."""

    @abstractmethod
    def write(self, address: int, *words: int) -> None:
        """Overwrite words of an object, or a reference."""

    @abstractmethod
    def is_in_frame(self, address: int) -> bool:
        """Return whether an address is that of a word of a frame."""

    @abstractmethod
    def words(self) -> Mapping[int, int]:
        """Return all words of frames by their addresses."""

    @property
    def is_full(self) -> bool:
        """Whether there may be no room for the objects of another time."""
        return self._free >= SPACE + SPACE_SIZE // 2

    def collect(self, places: Sequence[int]) -> list[int]:
        """Move the objects to which the words at some places refer, and destroy all others.

        Returns:
            Which of the places, by their indices, refer to no object.
        """
        new: dict[int, int] = {}
        wrong = [index for index, place in enumerate(places) if not self._move(place, new)]
        for address in [*self._objects(), *self._living]:
            if address not in new.values():
                self.destroyed += address not in new
                self.write(address, DEAD, DEAD)
        self._living = set(new.values())
        return wrong

    def _move(self, place: int, new: dict[int, int]) -> bool:
        reference = self.read(place)
        if reference in new.values():
            return True  # the place is named twice
        if reference not in new:
            known = reference in self._living or self.is_in_frame(reference)
            if not known or self.read(reference) != MARK:
                return False
            self.write(self._free, MARK, self.read(reference + WORD))
            new[reference] = self._free
            self._free += OBJECT_SIZE
            self.moved += 1
        self.write(place, new[reference])
        return True

    def _objects(self) -> list[int]:
        """Return the addresses of marks in frames to which any word of them refers.

        To others nothing does: where the register allocator has spilled a mark, what lies beside
        it is no content, but another value.
        """
        words = self.words()
        known = set(words.values())
        return [at for at, word in words.items() if word == MARK and at in known]
