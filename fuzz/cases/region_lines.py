"""The comment lines that give a case its region of memory.

They stand in the header, for all cases of a file, or beside the run commands of one function::

    ; region: argument 0, 4096 bytes
    ; contents: 0102...
    ; pointer: 8 -> 64
    ; number: 16 = 4096

Several ``contents`` lines are joined; bytes that they do not give are zero. A ``pointer`` is the
address of a place in the region that lies at another place there; both are offsets. A ``number``
is a word as wide as an address, in the byte order of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from clif.function import Function, format_name
from clif.outcome import POINTER_BYTES, Region
from clif.testfile import Comment, TestFile
from clif.types import I64, Type

_CONTENTS_PER_LINE: Final = 32
_REGION: Final = re.compile(r"argument (\d+), (\d+) bytes")
_POINTER: Final = re.compile(r"(\d+)\s*->\s*(\d+)")
_NUMBER: Final = re.compile(r"(\d+)\s*=\s*(\d+)")
#: No case needs a larger region; a file that asks for one has a typing error or is hostile.
_MAX_REGION: Final = 1 << 20


class RegionLineError(ValueError):
    """A line about the region is malformed: what is wrong, with the line if one is to blame."""


@dataclass(slots=True)
class RegionLines:
    """What lines say about the region.

    Attributes:
        place: the number of the argument that is its address, and its size.
    """

    place: tuple[int, int] | None = None
    contents: bytearray = field(default_factory=bytearray)
    pointers: list[tuple[int, int]] = field(default_factory=list)
    numbers: list[tuple[int, int]] = field(default_factory=list)

    def read(self, word: str, rest: str) -> bool:
        """Read a line.

        Args:
            word: what stands before the colon, and ``rest`` what stands after it.

        Returns:
            Whether the line is about the region.

        Raises:
            ValueError: it is, but is malformed.
        """
        match word:
            case "contents":
                self.contents += bytes.fromhex(rest)
            case "region":
                self.place = _numbers(_REGION, rest, "argument N, N bytes")
            case "pointer":
                self.pointers.append(_numbers(_POINTER, rest, "OFFSET -> OFFSET"))
            case "number":
                self.numbers.append(_numbers(_NUMBER, rest, "OFFSET = NUMBER"))
            case _:
                return False
        return True

    def region(self) -> Region | None:
        """Return the region; None if no line gave one.

        Raises:
            RegionLineError: contents, pointers or numbers are outside of it, or it is too large.
        """
        if self.place is None:
            return None
        param, size = self.place
        if len(self.contents) > size or size > _MAX_REGION:
            raise RegionLineError(f"region: {size} bytes are too few or too many")
        for at, to in self.pointers:
            if at + POINTER_BYTES > size or to > size:
                raise RegionLineError(f"pointer: {at} -> {to} is outside of the region")
        for at, number in self.numbers:
            if at + POINTER_BYTES > size or number >> 8 * POINTER_BYTES:
                raise RegionLineError(f"number: {at} = {number} does not fit in the region")
        contents = bytes(self.contents).ljust(size, b"\0")
        pointers, numbers = dict(self.pointers), dict(self.numbers)
        return Region(param, contents, tuple(sorted(pointers.items())), tuple(numbers.items()))


def _numbers(pattern: re.Pattern[str], text: str, expected: str) -> tuple[int, int]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(f"expected '{expected}'")
    return int(match.group(1)), int(match.group(2))


def format_region(region: Region) -> Iterator[str]:
    """Yield the lines of a region, comments of a case's file."""
    yield f"; region: argument {region.param}, {region.size} bytes"
    contents = region.contents.rstrip(b"\0")
    for start in range(0, len(contents), _CONTENTS_PER_LINE):
        yield f"; contents: {contents[start : start + _CONTENTS_PER_LINE].hex()}"
    yield from (f"; pointer: {at} -> {to}" for at, to in region.pointers)
    yield from (f"; number: {at} = {number}" for at, number in region.numbers)


def region_of_comments(comments: Iterable[Comment]) -> Region | None:
    """Return the region that the comments of a function give it; None if they give none.

    Raises:
        RegionLineError: a line is malformed.
    """
    lines = RegionLines()
    for comment in comments:
        word, colon, rest = comment.text.lstrip("; ").partition(":")
        try:
            if colon:
                lines.read(word.strip(), rest.strip())
        except ValueError as error:
            raise RegionLineError(f"line {comment.line}: {word.strip()}: {error}") from error
    return lines.region()


def regions_of(
    file: TestFile, memory: Region | None, types: Collection[Type] = (I64,)
) -> Iterator[tuple[Function, Region]]:
    """Yield the functions of a file that are given a region, each with that.

    The lines beside a function come before those of the header.

    Args:
        memory: for functions to which the file gives none, if they take an address where it says.
        types: of addresses.

    Raises:
        RegionLineError: a line is malformed, or a function to which it gives a region takes no
            address there.
    """
    of_header = region_of_comments(file.preamble)
    for function, comments in file.functions:
        own = region_of_comments(comments)
        given = own or of_header or memory
        if given is None:
            continue
        if _takes_address(function, given.param, types):
            yield function, given
        elif own is not None:
            reason = f"{format_name(function.name)} has no i64 argument {own.param} for its address"
            raise RegionLineError(f"region: {reason}")


def _takes_address(function: Function, param: int, types: Collection[Type]) -> bool:
    params = function.signature.param_types
    return param < len(params) and params[param] in types


def region_of_text(text: str) -> Region:
    """Return the region that lines say which are separated by semicolons, as in an option.

    Raises:
        RegionLineError: they are malformed, or say nothing of a region.
    """
    region = region_of_comments(Comment(part.strip(), 1) for part in text.split(";"))
    if region is None:
        raise RegionLineError("no region, as in 'region: argument 0, 64 bytes'")
    return region
