"""Programs that something else has linked: memory at chosen addresses, instead of in the ring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from unicorn.unicorn_const import UC_PROT_EXEC, UC_PROT_READ, UC_PROT_WRITE

from backend.emulator.guest_memory import PAGE, RING, GuestMemory
from backend.emulator.linker import Compiled, Linked, Placed
from clif.outcome import Bytes

READ: Final = UC_PROT_READ
READ_EXEC: Final = UC_PROT_READ | UC_PROT_EXEC
READ_WRITE: Final = UC_PROT_READ | UC_PROT_WRITE

#: Where images lie: behind all that is always mapped near the ring, so that stubs and symbols are
#: within reach of what lies at its beginning.
IMAGES: Final = RING + (100 << 20)


@dataclass(frozen=True, slots=True)
class Segment:
    """Memory of an image.

    Attributes:
        protection: what the guest may do with it, by Unicorn's constants.
    """

    address: int
    contents: bytes
    protection: int

    @property
    def end(self) -> int:
        return self.address + len(self.contents)


@dataclass(frozen=True, slots=True)
class Image:
    """A program with addresses, and with its relocations resolved.

    Attributes:
        functions: the first is the one that is run, unless another one is named.
        segments: no two of different protection share a page.
    """

    functions: Sequence[Placed]
    segments: Sequence[Segment]

    @property
    def compiled(self) -> Sequence[Compiled]:
        """The functions as they were compiled."""
        return [placed.compiled for placed in self.functions]

    def linked(self) -> Linked:
        """Return what a linker returns."""
        functions = list(self.functions)
        return Linked(functions, {placed.compiled.name: placed for placed in functions})


#: What an executor runs: code that it links itself, or an image.
Program = Sequence[Compiled] | Image


@contextmanager
def mapped(memory: GuestMemory, image: Image, filler: bytes) -> Iterator[None]:
    """Map the segments of an image while the block runs.

    Args:
        filler: an instruction that traps, which fills what is left of the pages.
    """
    pages: dict[int, tuple[Bytes, int]] = {}
    try:
        for segment in image.segments:
            _load(memory, segment, pages, filler)
        # The engine may have code of another image at these addresses.
        memory.mappings.drop_translations()
        yield
    finally:
        for page in pages:
            memory.mappings.unmap(page, PAGE)


def _load(
    memory: GuestMemory, segment: Segment, pages: dict[int, tuple[Bytes, int]], filler: bytes
) -> None:
    """Copy a segment into its pages, which are mapped where they are not yet.

    Raises:
        ValueError: a page has another protection.
    """
    for page in range(segment.address // PAGE * PAGE, segment.end, PAGE):
        if page not in pages:
            host = memory.map(page, PAGE, segment.protection)
            host[:] = np.frombuffer(filler * (PAGE // len(filler)), np.uint8)
            pages[page] = host, segment.protection
        host, protection = pages[page]
        if protection != segment.protection:
            raise ValueError(f"two segments with different protection in the page {page:#x}")
        first, last = max(segment.address, page), min(segment.end, page + PAGE)
        part = segment.contents[first - segment.address : last - segment.address]
        host[first - page : last - page] = np.frombuffer(part, np.uint8)
