"""Checks debug information against a run: whether values are where the compiler says they are.

For each function the compiler gives ranges of code in which a register or a word of the frame
holds a value. Before each instruction in a range that place must hold the value, as an interpreter
knows it. A value that is defined more than once in an activation, in a loop, has several contents;
the place must hold them one after another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from backend.emulator.disassembly import disassemble, is_jump
from backend.emulator.executor import Executor
from backend.emulator.frame_follower import Frame, FrameFollower
from backend.emulator.isa import Isa
from backend.emulator.linker import Placed
from backend.emulator.unwind_tables import UNWINDING, UnwindTableError

#: Ends the detail of a deviation before the next instruction of the function begins, where values
#: are moved, or within the code of the value's last one: ranges end behind that.
BETWEEN_INSTRUCTIONS: Final = ", between two instructions"
#: Ends the detail of a deviation in a block that lies behind the others, as it is cold.
IN_COLD_BLOCK: Final = ", in a cold block"
#: Ends the detail of a deviation of a part of another value, which has the same register:
#: ranges go on to code that the value does not reach. The second is for an allocator that says of
#: every value that its range is that of the register.
IN_SHARED_REGISTER: Final = ", where another value has its register"
IN_WHOLE_RANGE: Final = ", in the range of another value"
#: Ends the detail of a trap in code that has no source location.
WITHOUT_LOCATION: Final = ", in code that has none"
#: No more deviations of one kind than these are noted in a run.
_MOST: Final = 4


@dataclass(frozen=True, slots=True)
class ValueRange:
    """A range of code in which a place holds a value.

    Attributes:
        value: the value's number.
        size: of the value, in bytes.
        start: where the range begins, and ``end`` where it ends, in the function's code.
        register: DWARF's number of the register; None if it is in memory.
        offset: of the memory from the frame's address.
    """

    value: int
    size: int
    start: int
    end: int
    register: int | None
    offset: int


@dataclass(frozen=True, slots=True)
class ExpectedActivation:
    """What an activation of a function must do.

    Attributes:
        function: its name.
        contents: by number of a value, all contents that it has, in order. Values that are not
            there are not checked.
        called_from: the source location of the call; None if it is not to be checked.
    """

    function: str
    contents: Mapping[int, Sequence[int]]
    called_from: int | None = None


@dataclass(frozen=True, slots=True)
class LocationDeviation:
    """A place that does not hold what the compiler says, or a call with another source location.

    Attributes:
        function: its name, and ``offset`` that of the instruction in it.
        detail: what distinguishes it from others, in words.
        text: what was expected, and what is there.
    """

    function: str
    offset: int
    detail: str
    text: str

    def __str__(self) -> str:
        """Return where it is, and what is wrong there."""
        return f"%{self.function}+{self.offset:#x}: {self.detail}: {self.text}"


@dataclass(frozen=True, slots=True)
class LabelledFunction:
    """What is said of a function's code.

    Attributes:
        ranges: where it has values.
        source_locations: start, end and location, by start.
        fixed_frame: whether the frame's address is that of the caller's stack pointer; it is not in
            functions that make room for the arguments of a tail call.
        cold: the source locations of cold blocks alone.
        returns: the source locations of what leaves the function: returns and tail calls.
        origins: by value the one that it is made of alone, and may be a part of.
        whole_ranges: the ranges are those of virtual registers, which values may share.
    """

    ranges: Sequence[ValueRange]
    source_locations: Sequence[tuple[int, int, int]]
    fixed_frame: bool
    cold: frozenset[int | None] = frozenset()
    returns: frozenset[int | None] = frozenset()
    origins: Mapping[int, int] = field(default_factory=dict)
    whole_ranges: bool = False

    def location(self, offset: int) -> int | None:
        """Return the source location of the code at an offset; None if it has none."""
        found = (at for start, end, at in self.source_locations if start <= offset < end)
        return next(found, None)

    def around(self, offset: int) -> tuple[int, int]:
        """Return start and end of the code around an offset that has one source location.

        Both are the offset itself if it has none.
        """
        found = ((s, e) for s, e, _ in self.source_locations if s <= offset < e)
        return next(found, (offset, offset))

    def is_cold(self, offset: int) -> bool:
        """Return whether the code at an offset is of a cold block: these lie behind all others."""
        starts = (start for start, _, at in self.source_locations if at in self.cold)
        return min(starts, default=offset + 1) <= offset

    def is_shared(self, place: ValueRange, offset: int) -> bool:
        """Return whether a value that a value is made of is in the same place."""
        origins = set()
        value = place.value
        while value in self.origins:
            value = self.origins[value]
            origins.add(value)
        return any(
            (each.register, each.offset) == (place.register, place.offset)
            for each in self.ranges
            if each.value in origins and each.start <= offset < each.end
        )

    def returns_in(self, start: int, end: int) -> list[int]:
        """Return the ends of the code of returns in a range, the last of which may be its end."""
        return [e for _, e, at in self.source_locations if at in self.returns and start < e <= end]

    def begins(self, start: int, end: int) -> bool:
        """Return whether the code of an instruction begins in a range."""
        return any(start <= each < end for each, _, _ in self.source_locations)


class LocationChecker(FrameFollower):
    """Looks at each instruction of a run at all values that are said to be somewhere.

    Args:
        executor: of an engine that can be hooked.
        functions: by name.
        expected: the activations of the run, in the order in which they begin.

    Attributes:
        checked: how many places were looked at, and ``calls`` how many calls.
        deviations: what was found.
    """

    def __init__(
        self,
        executor: Executor,
        functions: Mapping[str, LabelledFunction],
        expected: Sequence[ExpectedActivation],
    ) -> None:
        super().__init__(executor)
        self.functions = functions
        self.expected = expected
        self.names = _register_names(executor.isa)
        self.checked = self.calls = 0
        self.deviations: list[LocationDeviation] = []
        self._at: dict[tuple[str, int], list[ValueRange]] = {}
        self._position: dict[tuple[int, int], int] = {}
        self._moves = _MovesOfFunctions(executor.isa)

    # --- calls ---

    def enter(self, frame: Frame) -> None:
        name = frame.placed.compiled.name
        activation = self._activation(frame)
        if activation is None or activation.function != name:
            other = "nothing" if activation is None else f"%{activation.function}"
            self._note(frame.placed, 0, "entered unexpectedly", f"{other} would be next")
            return
        linked = self.executor.linked
        caller = linked.find(frame.entered_from) if linked is not None else None
        if activation.called_from is None or caller is None:
            return
        described = self.functions[caller.compiled.name]
        offset = frame.entered_from - caller.address
        found = described.location(offset)
        self.calls += 1
        if found != activation.called_from:
            text = f"@{activation.called_from:x}, not {_location_text(found)}"
            self._note(caller, offset, "source location of a call", text)

    def expect_end(self, locations: Sequence[int]) -> None:
        """Compare the source location of the instruction that trapped, the last one of the run.

        Args:
            locations: that of the instruction, and others that its code may have; none if it is
                not to be compared.
        """
        linked = self.executor.linked
        placed = linked.find(self.previous) if linked is not None else None
        if placed is None or not locations:
            return
        offset = self.previous - placed.address
        found = self.functions[placed.compiled.name].location(offset)
        if found not in locations:
            text = f"@{locations[0]:x}, not {_location_text(found)}"
            lost = WITHOUT_LOCATION if found is None else ""
            self._note(placed, offset, f"source location of a trap{lost}", text)

    def _activation(self, frame: Frame) -> ExpectedActivation | None:
        return self.expected[frame.number] if frame.number < len(self.expected) else None

    # --- values ---

    def look(self, frame: Frame, offset: int) -> None:
        activation = self._activation(frame)
        if activation is None or activation.function != frame.placed.compiled.name:
            return
        for place in self._ranges(frame.placed, offset):
            contents = activation.contents.get(place.value)
            if contents is not None:
                self._compare(frame, offset, place, contents)

    def _ranges(self, placed: Placed, offset: int) -> list[ValueRange]:
        key = placed.compiled.name, offset
        found = self._at.get(key)
        if found is None:
            described = self.functions[key[0]]
            found = [each for each in described.ranges if each.start <= offset < each.end]
            if not described.fixed_frame:
                found = [each for each in found if each.register is not None]
            self._at[key] = found
        return found

    def _compare(
        self, frame: Frame, offset: int, place: ValueRange, contents: Sequence[int]
    ) -> None:
        self.checked += 1
        try:
            actual = self._content(frame, place)
        except UnwindTableError as error:
            self._note(frame.placed, offset, self._detail(frame, offset, place), str(error))
            return
        key = frame.number, place.value
        position = self._position.get(key, 0)
        for number in range(position, len(contents)):
            if contents[number] == actual:
                if number > position and not self._where(frame.placed, offset, place):
                    self._position[key] = number
                return
        wanted = contents[position : position + 2]
        text = " or ".join(map(hex, wanted)) or "nothing, since it is not defined yet"
        self._note(
            frame.placed,
            offset,
            self._detail(frame, offset, place),
            f"v{place.value} in {self._place(place)} is {text}, not {actual:#x}",
        )

    def _content(self, frame: Frame, place: ValueRange) -> int:
        if place.register is None:
            return self.word(frame.caller.frame_address + place.offset, place.size)
        name = self.names.get(place.register)
        if name is None:
            raise UnwindTableError(f"no register has the number {place.register}")
        return self.register(name) & (1 << 8 * place.size) - 1

    def _detail(self, frame: Frame, offset: int, place: ValueRange) -> str:
        what = "value in memory" if place.register is None else "value in a register"
        return what + self._where(frame.placed, offset, place)

    def _where(self, placed: Placed, offset: int, place: ValueRange) -> str:
        """Return in which part of the code a range is coarse at an offset; empty if it is not."""
        described = self.functions[placed.compiled.name]
        start, end = described.around(offset)
        moves = self._moves.of(placed)
        if described.is_shared(place, offset):
            return IN_WHOLE_RANGE if described.whole_ranges else IN_SHARED_REGISTER
        if described.is_cold(offset):
            return IN_COLD_BLOCK
        # What has no location is no instruction of the function: moves, landing pads.
        first = moves.first(offset)
        begun = offset if first is None else first
        on_edge = None in (described.location(offset), described.location(begun))
        # A range that goes on behind a return is of a value that the code there does not know.
        goes_on = described.begins(end, place.end) and not described.returns_in(start, end)
        # Moves before it are of it, too: an operand that becomes the result.
        is_last = (start < offset or moves.until(start) < start) and not goes_on
        # The moves behind it may bring the value back for the next one, whose range it is, too.
        is_behind = start < offset and moves.until(end) <= offset
        on_edge = on_edge or moves.on_edge(offset)
        coarse = on_edge or is_last or is_behind or moves.until(place.end) <= offset
        coarse = coarse or self._is_behind_return(described, moves, place, offset)
        return BETWEEN_INSTRUCTIONS if coarse else ""

    def _is_behind_return(
        self, described: LabelledFunction, moves: _Moves, place: ValueRange, offset: int
    ) -> bool:
        """Return whether a range begins in the code of a return, and an offset lies behind that."""
        for end in described.returns_in(place.start, offset):
            start, _ = described.around(end - 1)
            if moves.until(start) <= place.start:
                return True
        return False

    def _place(self, place: ValueRange) -> str:
        if place.register is None:
            return f"the word at frame address {place.offset:+}"
        return self.names[place.register]

    def _note(self, placed: Placed, offset: int, detail: str, text: str) -> None:
        if sum(deviation.detail == detail for deviation in self.deviations) < _MOST:
            name = placed.compiled.name
            self.deviations.append(LocationDeviation(name, offset, detail, text))


#: What no instruction ends with, but blocks that are kept apart.
_PADDING: Final = bytes(16)


class _Moves:
    """Where a function's code moves values, between two of its instructions.

    Args:
        mnemonics: those of such moves.
    """

    def __init__(self, isa: Isa, placed: Placed, mnemonics: frozenset[str]) -> None:
        self._code = placed.compiled.code
        self._starts: dict[int, int] = {}
        self._moves: dict[int, int] = {}
        self._edges: set[int] = set()
        start = end = 0
        for instruction in disassemble(isa, placed.compiled):
            if instruction.address != end:  # behind padding
                start = instruction.address
            end = instruction.address + instruction.size
            if start < instruction.address and is_jump(isa, instruction):
                self._edges.update(range(start, end))
            if instruction.mnemonic in mnemonics:
                self._moves[instruction.address] = start
            else:
                start = end
            self._starts[end] = start

    def first(self, offset: int) -> int | None:
        """Return where the moves begin that an instruction is one of; None if it is none."""
        return self._moves.get(offset)

    def on_edge(self, offset: int) -> bool:
        """Return whether an instruction is a jump with moves before it, or one of those."""
        return offset in self._edges

    def until(self, end: int) -> int:
        """Return the offset of the first of the moves that go on to an offset."""
        ends = [*self._ends_before_padding(end), end]
        return next((self._starts[each] for each in ends if each in self._starts), end)

    def _ends_before_padding(self, end: int) -> range:
        """Return where the code before an offset may end, if zeros lie between blocks there."""
        code = self._code[:end]
        if not code.endswith(_PADDING):
            return range(0)
        last = len(code.rstrip(b"\0"))
        return range(last, last + len(_PADDING))


class _MovesOfFunctions:
    """The moves of each function of a program."""

    def __init__(self, isa: Isa) -> None:
        self.isa = isa
        self._known: dict[int, _Moves] = {}

    def of(self, placed: Placed) -> _Moves:
        """Return those of a function."""
        found = self._known.get(placed.address)
        if found is None:
            found = _Moves(self.isa, placed, UNWINDING.of(self.isa).moves)
            self._known[placed.address] = found
        return found


def _location_text(location: int | None) -> str:
    return "none" if location is None else f"@{location:x}"


def _register_names(isa: Isa) -> dict[int, str]:
    """Return the engine's names of registers by DWARF's numbers, of vector registers as a whole."""
    described = UNWINDING.of(isa)
    return {**described.registers, **described.whole_vectors}
