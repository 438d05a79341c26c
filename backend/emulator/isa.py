"""An ISA, as those are handed it who emulate its code or generate code for it.

Nothing in ``backend.emulator`` knows an ISA by name. What is data is an attribute of ``Isa``; what
is code is a ``Part``, which lies in a module of the ISA's own package, ``backend/isa/<name>/``.
``docs/adding-an-isa.md`` lists both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Generic, TypeVar

from backend.cranelift import _cranelift
from backend.cranelift.conventions import pops_arguments
from backend.emulator.convention import Convention, ConventionError
from clif.types import Type

if TYPE_CHECKING:
    from backend.emulator.byte_order import ByteOrder  # with NumPy, which takes its time

T = TypeVar("T")


class UnemulatedFlagError(ValueError):
    """An ISA flag is on whose instructions the emulated CPU lacks or gets wrong."""

    def __init__(self, isa: str, flag: str) -> None:
        super().__init__(f"{isa}: the emulated CPU cannot run what '{flag}' allows")
        self.isa = isa
        self.flag = flag


class MissingPartError(LookupError):
    """An ISA lacks one of its parts. The message says which, and the file to add."""


@dataclass(frozen=True, slots=True)
class FlagWeights:
    """How often each kind of choice among an ISA's flags is drawn, relative to the others.

    Attributes:
        all: every flag that may be drawn is on.
        none: every flag is off.
        levels: any flags, but of ``Flags.levels`` only a prefix.
        any: any flags.
        presets: the flags of a preset, which are those of a CPU that there is.
    """

    all: int
    none: int
    levels: int
    any: int
    presets: int = 0


@dataclass(frozen=True, slots=True)
class Flags:
    """Cranelift's flags for an ISA: which the emulated CPU can run, and how they are drawn.

    Attributes:
        has: flags and presets whose instructions the emulated CPU executes correctly.
        lacks: flags whose instructions it lacks or silently executes wrongly.
        drawn: the flags that cases draw. Cranelift takes none of them for implied by another.
        weights: how often each kind of choice among ``drawn`` is made.
        levels: those of ``drawn`` of which each generation of CPUs has one more, oldest first.
        not_drawn: the flags that it has and that cases do not draw, and why.
        needs: flags of ``drawn`` that do nothing without another one, and that other one. They are
            drawn only together with it.
        presets: by name, the flags that a preset switches on, which the emulated CPU has all.
        cpus: the same flags, each set once.
    """

    has: frozenset[str]
    lacks: frozenset[str]
    drawn: tuple[str, ...]
    weights: FlagWeights
    levels: tuple[str, ...] = ()
    not_drawn: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    presets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    cpus: tuple[tuple[str, ...], ...] = ()

    def as_built(self, triple: str) -> Flags:
        """Return these flags without those that the linked Cranelift does not have.

        Presets are those of that Cranelift which switch on nothing that the CPU lacks.

        Args:
            triple: the ISA's target triple.
        """
        names = {setting["name"] for setting in _cranelift.settings(triple)}
        every = presets_of(triple)
        flags = (self.has & names) - every.keys()
        presets = {name: own for name, own in every.items() if own <= flags}
        return replace(
            self,
            has=flags | presets.keys(),
            presets=presets,
            cpus=tuple(dict.fromkeys(tuple(sorted(own)) for own in presets.values())),
            lacks=(self.lacks & names) - every.keys(),
            drawn=tuple(flag for flag in self.drawn if flag in names),
            levels=tuple(flag for flag in self.levels if flag in names),
            not_drawn={flag: why for flag, why in self.not_drawn.items() if flag in names},
            needs={flag: other for flag, other in self.needs.items() if {flag, other} <= names},
        )


@cache
def presets_of(triple: str) -> Mapping[str, frozenset[str]]:
    """Return the flags that each of Cranelift's presets for a triple switches on."""
    without = frozenset(_cranelift.TargetIsa(triple, {}, {}).flags)
    names = [row["name"] for row in _cranelift.settings(triple) if row["kind"] == "preset"]
    on = {name: _cranelift.TargetIsa(triple, {}, {name: "true"}).flags for name in names}
    return {name: frozenset(flags) - without for name, flags in on.items()}


@dataclass(frozen=True, eq=False)
class Isa:
    """One ISA as it is compiled for and emulated.

    Attributes:
        name: as in ``--isa`` and in the ``target`` lines of a case.
        aliases: other names that users and operating systems have for it.
        package: the Python package of its parts.
        triple: the default target triple, for Cranelift.
        by_default: whether campaigns run it if no ISA is named.
        pointer_bytes: the size of an address.
        byte_order: of data in memory.
        stack_alignment: of the stack pointer at a call, in bytes.
        trap: an instruction that traps.
        ends_block: mnemonics of the instructions that never go on to the next one.
        other_jumps: those of ``ends_block`` that are jumps, and that Capstone does not count.
        capstone: names of Capstone's architecture and modes, without ``CS_ARCH_`` and ``CS_MODE_``;
            empty for an ISA that Capstone does not know, which has a disassembler of its own.
        frame_pointer, stack_pointer: names of these registers; the first is empty where Cranelift
            takes no register for it.
        return_register: the register that a call leaves the return address in; empty where it
            pushes the address onto the stack.
        pinned: the register that ``enable_pinned_reg`` takes out of the callee-saved ones; empty
            where Cranelift has none.
        conventions: by CLIF's name of the calling convention. ``convention`` adds what differs
            between releases of Cranelift.
        flags: the ISA's own settings.
        settings: shared settings that every case needs, because Cranelift would otherwise refuse
            generated functions on this ISA.
        tail_call_settings: shared settings that functions with tail calls need.
        probe_strategies: the values of ``probestack_strategy`` that Cranelift implements.
        save_area: bytes above the stack pointer at a call that belong to the callee.
        lengths: bytes of an instruction by the two highest bits of its first byte, empty where they
            do not tell. So code is gone through beyond what the disassembler does not know.
        vector_flags: the flags that bring types of vectors, the first of them the one without which
            there are no vector registers; empty where there always are.
        host_calls: a call of a function that is not ``colocated`` is one of a function of the host,
            which takes and returns values in registers alone.
        float_order: the byte order in which registers of floats and vectors are loaded and stored,
            where that is not always the ISA's own.
        late_traps: a trapping instruction stops at its last byte, where Cranelift records the trap.
    """

    name: str
    aliases: frozenset[str]
    package: str
    triple: str
    by_default: bool
    pointer_bytes: int
    byte_order: ByteOrder
    stack_alignment: int
    trap: bytes
    ends_block: frozenset[str]
    capstone: tuple[str, ...]
    frame_pointer: str
    stack_pointer: str
    return_register: str
    pinned: str
    conventions: Mapping[str, Convention]
    flags: Flags
    settings: Mapping[str, str]
    tail_call_settings: Mapping[str, str]
    probe_strategies: frozenset[str]
    save_area: int = 0
    late_traps: bool = False
    other_jumps: frozenset[str] = frozenset()
    host_calls: bool = False
    lengths: tuple[int, ...] = ()
    vector_flags: tuple[str, ...] = ()
    float_order: ByteOrder | None = None

    def order_of(self, type_: Type) -> ByteOrder:
        """Return the byte order in which drivers and thunks load and store values of a type."""
        return order_of(type_, self.byte_order, self.float_order)

    @property
    def preserved(self) -> tuple[str, ...]:
        """The registers that hold a pattern from the start: what ``system_v`` preserves."""
        return self.conventions["system_v"].preserved

    @property
    def lacks_vectors(self) -> bool:
        """Whether the CPU has no vector registers, which others have."""
        return not self.flags.has.issuperset(self.vector_flags[:1])

    @cached_property
    def wide_registers(self) -> frozenset[str]:
        """The registers of 128 bits that some convention preserves in full."""
        return frozenset(name for c in self.conventions.values() for name in c.vectors)

    @cached_property
    def preserved_words(self) -> Mapping[str, int]:
        """Each register that some convention preserves, and its word in a table of all of them.

        Wide registers have two words, the first of them even.
        """
        every = [c.preserved for c in self.conventions.values()]
        names = dict.fromkeys((*self.preserved, *(name for each in every for name in each)))
        narrow = [name for name in names if name not in self.wide_registers]
        wide = [name for name in names if name in self.wide_registers]
        first = -(-len(narrow) // 2) * 2
        table = {name: number for number, name in enumerate(narrow)}
        return table | {name: first + 2 * number for number, name in enumerate(wide)}

    def convention(self, name: str) -> Convention:
        """Return the description of a calling convention, as the Cranelift that is linked has it.

        Raises:
            ConventionError: there is none.
        """
        if name not in self.conventions:
            raise ConventionError(self.name, name)
        return _as_compiled(self, name)

    @cached_property
    def _lacking(self) -> frozenset[str]:
        """The flags that the emulated CPU lacks, and the presets that switch one of them on."""
        return self.flags.lacks | presets_of(self.triple).keys() - self.flags.presets.keys()

    def refuse_unemulated(self, isa_settings: Mapping[str, str]) -> None:
        """Refuse ISA flags that the emulated CPU is not known to have.

        Presets count as flags: ``haswell`` switches AVX on.

        Raises:
            UnemulatedFlagError: one is on that is not in ``flags.has``.
        """
        for flag, value in isa_settings.items():
            if _is_on(value) and flag not in self.flags.has:
                raise UnemulatedFlagError(self.name, flag)

    def refuse_lacking(self, settings: Mapping[str, str]) -> None:
        """Refuse flags that the emulated CPU is known to lack, among settings of all kinds.

        Raises:
            UnemulatedFlagError: one is on that is in ``flags.lacks``.
        """
        for flag in self._lacking & settings.keys():
            if _is_on(settings[flag]):
                raise UnemulatedFlagError(self.name, flag)


def order_of(type_: Type, byte_order: ByteOrder, float_order: ByteOrder | None) -> ByteOrder:
    """Return the byte order in which drivers and thunks load and store values of a type."""
    in_integers = type_.is_int and not type_.is_vector
    return byte_order if in_integers else float_order or byte_order


@cache
def _as_compiled(isa: Isa, name: str) -> Convention:
    found = replace(isa.conventions[name], pops_arguments=pops_arguments(isa.triple, name))
    return replace(found, vectors=()) if isa.lacks_vectors else found


def _is_on(value: str) -> bool:
    return value in ("true", "1", "on", "yes")


@dataclass(frozen=True)
class PerIsa(Generic[T]):
    """A part that differs between the ISAs of a package.

    Attributes:
        of: returns what it is for an ISA.
    """

    of: Callable[[Isa], T]


@dataclass(frozen=True)
class Part(Generic[T]):
    """Something that is code, or a table of code, and that every ISA has of its own.

    It is imported when it is first asked for: descriptions of ISAs are read at the start of every
    command, the emulator and the disassembler are not.

    Attributes:
        module: the module of the ISA's package that it lies in.
        name: what it is called there.
        optional: whether an ISA may lack it.
    """

    module: str
    name: str
    optional: bool = False

    def of(self, isa: Isa) -> T:
        """Return this part of an ISA.

        Raises:
            MissingPartError: the ISA lacks it.
        """
        found = self.of_any(isa)
        if found is None:
            raise MissingPartError(f"{isa.name} has no {self.name}: add it in {self.file(isa)}")
        return found

    def of_any(self, isa: Isa) -> T | None:
        """Return this part of an ISA, or None if the ISA lacks it."""
        try:
            spec = find_spec(f"{isa.package}.{self.module}")
        except ModuleNotFoundError:  # not even the package is there
            return None
        if spec is None:
            return None
        found: T | PerIsa[T] | None = getattr(import_module(spec.name), self.name, None)
        return found.of(isa) if isinstance(found, PerIsa) else found

    def file(self, isa: Isa) -> str:
        """Return the path of the file that it lies in."""
        return f"{isa.package.replace('.', '/')}/{self.module}.py"
