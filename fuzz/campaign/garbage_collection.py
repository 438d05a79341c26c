"""Collecting reference cycles between cases, where few objects are alive that will soon be gone."""

from __future__ import annotations

import gc
from types import TracebackType
from typing import Final

#: So many more objects than at the last collection make the next one due.
_NEW_OBJECTS: Final = 50_000
#: Every collection with such a number visits all objects.
_FULL_EVERY: Final = 100


class GarbageCollection:
    """A context in which reference cycles are collected between cases only.

    A case leaves few cycles (loops of blocks), while caches of fragments, instructions and drivers
    hold a million objects that never are garbage. Python would visit them again and again, in the
    midst of cases. Here a collection only visits what was made since the last one. What outlives
    it belongs to a cache, as a rule, and is set aside until the next full collection.
    """

    def __init__(self) -> None:
        self._collections = 0

    def __enter__(self) -> GarbageCollection:
        gc.disable()
        gc.freeze()  # modules and their tables, for the most part
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        gc.unfreeze()
        gc.enable()

    def collect_if_due(self) -> None:
        """Collect if many objects were made since the last collection."""
        if gc.get_count()[0] < _NEW_OBJECTS:
            return
        self._collections += 1
        if self._collections % _FULL_EVERY == 0:
            gc.unfreeze()
        gc.collect()
        gc.freeze()
