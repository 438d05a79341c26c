"""The Rust extension (``backend/src``). Text in; machine code, metadata and errors out."""

from pathlib import Path
from typing import Any, final

debug_assertions: bool
"""Whether Cranelift's debug assertions are part of this build."""

class ReadError(ValueError):
    """Text that is not CLIF. ``line`` counts from 1; 0 where no line is to blame."""

    message: str
    line: int

class SettingsError(ValueError):
    """An unknown ISA or setting, or a value that the setting does not take."""

class VerifierError(Exception):
    """The verifier refused a function; ``location`` is the entity (``inst4``, ``block1``)."""

    message: str
    function: str
    location: str

class CompileError(Exception):
    """Cranelift reported that it cannot compile a function."""

    message: str
    function: str

class UnsupportedError(CompileError):
    """Cranelift says that the target lacks what the function needs."""

class CompilerPanic(Exception):
    """Cranelift panicked.

    ``location`` has no machine's paths: ``cranelift-codegen/src/inline.rs:203:17``.
    ``phase`` is ``read``, ``verify``, ``optimize``, ``lower``, ``regalloc``, ``emit`` or ``other``;
    ``function`` is empty in ``read``.
    """

    message: str
    location: str
    function: str
    phase: str

@final
class TargetIsa:
    """A target, ready to compile for; immutable, shared between threads.

    Raises:
        SettingsError: unknown triple, setting or value, or an ISA that is not in this build.
    """

    def __new__(cls, triple: str, shared: dict[str, str], isa: dict[str, str]) -> TargetIsa: ...
    @property
    def name(self) -> str:
        """Cranelift's name of the backend, which is not always the ISA's."""
    @property
    def triple(self) -> str: ...
    @property
    def pointer_bits(self) -> int: ...
    @property
    def default_call_conv(self) -> str: ...

@final
class Functions:
    """The functions of a CLIF text, parsed once, compiled for any number of targets.

    Header lines and comments are allowed and mean nothing here.

    Raises:
        ReadError: the text does not parse, or has an entity of a number above 999,999: the parser
            makes room for all below it.
        CompilerPanic: the parser panicked.
    """

    def __new__(cls, text: str) -> Functions: ...
    def __len__(self) -> int: ...
    @property
    def names(self) -> list[str]:
        """Without the ``%``."""
    @property
    def read_ns(self) -> int: ...
    def display(self) -> str:
        """The functions as Cranelift prints them, one after another."""
    def compile(self, isa: TargetIsa, *, clif: bool = False, chaos: bytes = b"") -> list[Compiled]:
        """Compiles all of them in the order of the text, without holding the GIL.

        ``clif`` keeps the optimised CLIF. ``chaos`` feeds chaos mode, its last byte first.

        Raises:
            VerifierError, CompileError, UnsupportedError, CompilerPanic: of the first that fails.
        """
    def compile_each(
        self, isa: TargetIsa
    ) -> list[Compiled | VerifierError | CompileError | CompilerPanic]:
        """Compiles all of them, whatever becomes of the others: in the order of the text its code,
        or the exception that ``compile`` would have raised."""
    def verify(self, isa: TargetIsa) -> list[VerifierError | CompilerPanic | None]:
        """The verifier's exception for each function that it refuses, or that makes it panic; None
        for the others."""
    def split(self) -> list[Functions]:
        """Each function by itself, so that one that fails does not hide the others."""

@final
class IncrementalCache:
    """Cranelift's incremental cache, held in memory until it is cleared."""

    def __new__(cls) -> IncrementalCache: ...
    def compile(self, functions: Functions, isa: TargetIsa) -> list[tuple[Compiled, bool]]:
        """Compiles through the cache; each function comes with whether it was found there.

        The optimised CLIF, and the counts of what is in it, are not known then.

        Raises:
            VerifierError, CompileError, UnsupportedError, CompilerPanic: of the first that fails.
        """
    def clear(self) -> None:
        """Forgets everything."""
    def __len__(self) -> int:
        """How many functions it holds."""

@final
class Compiled:
    """One function's machine code, unlinked, and what belongs to it."""

    @property
    def name(self) -> str: ...
    @property
    def code(self) -> bytes: ...
    @property
    def relocations(self) -> list[tuple[int, str, str, int]]:
        """``(offset, kind, target, addend)``: kind as Cranelift calls it (``X86CallPCRel4``,
        ``Arm64Call``, ``Abs8``), target ``%name``, ``LibCall:FmaF64``, ``KnownSymbol:...``,
        ``func+16`` (an offset in the function itself)."""
    @property
    def traps(self) -> list[tuple[int, str]]:
        """``(offset, trap code as CLIF spells it)``."""
    @property
    def source_locations(self) -> list[tuple[int, int, int]]:
        """``(start, end, location)`` of the code that came of instructions with a source location
        (``@2a``), by start."""
    @property
    def block_starts(self) -> list[int]:
        """Offsets at which blocks start, in the order of the code."""

    @property
    def call_sites(self) -> list[int]:
        """Offsets of return addresses, where Cranelift keeps them."""
    @property
    def clif(self) -> str | None:
        """The CLIF after optimising, where it was asked for."""
    @property
    def instructions(self) -> int:
        """How many CLIF instructions were left after optimising."""
    @property
    def blocks(self) -> int:
        """How many blocks were left after optimising."""
    @property
    def nanoseconds(self) -> dict[str, int]:
        """By phase: verify, optimize, lower, regalloc, emit, other. They do not overlap."""
    @property
    def frame_size(self) -> int | None: ...
    @property
    def alignment(self) -> int: ...

@final
class Counters:
    """A range of the extension's memory, for ``memoryview`` and ``numpy.frombuffer``."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

def version() -> str:
    """The version of the Cranelift that is linked, ``"0.135.8"``."""

def isle() -> bytes:
    """Cranelift's rules as JSON (``backend.cranelift.isle`` reads it), or in ``error`` why there
    are none."""

def isas() -> list[str]:
    """The architectures in this build, by the names that a ``target`` line uses."""

def settings(isa: str | None = None) -> list[dict[str, Any]]:
    """An ISA's own settings, or those that all share: ``name``, ``description``, ``kind``
    (``bool``, ``enum``, ``num``, ``preset``), ``values`` of an enum, ``default``."""

def opcodes() -> list[dict[str, Any]]:
    """Every opcode: ``name``, ``format``, ``flags``, ``polymorphic``, ``typevar_operand``,
    ``requires_typevar_operand``, ``args`` and ``results`` (constraints like ``["Same"]``,
    ``["Concrete", "i8"]``, ``["Free", ["i8", ...]]``), ``ctrl_types``."""

def types() -> list[str]: ...
def trap_codes() -> list[str]:
    """Those with names of their own; besides, there are ``user1`` to ``user250``."""

def read(text: str) -> dict[str, Any]:
    """A CLIF file as plain data; ``backend.cranelift.reader`` makes objects of it."""

def interpret(
    functions: Functions,
    entry: str,
    count: int,
    args: list[bytes],
    *,
    fuel: int,
    region: int | None = None,
    contents: bytes = b"",
    canonical_nans: TargetIsa | None = None,
) -> tuple[list[bytes], bytes, dict[int, str], bytes]:
    """Runs ``%entry`` through ``cranelift-interpreter`` for ``count`` inputs.

    ``args`` are bit patterns by parameter, one input's after the other, little endian. The
    parameter ``region`` receives the address of memory that holds ``contents`` instead. An ISA
    as ``canonical_nans`` has Cranelift's pass for these run first.

    Returns the results' bit patterns, by input how it ended
    (``backend.cranelift.interpreter.Ending``), what is to be said of that (a trap code, a reason),
    and the memory of each input afterwards.

    Raises:
        ValueError: no such function, or arguments that do not fit it.
        CompilerPanic, CompileError: of the pass.
    """

def parse_run_command(text: str, params: list[str], returns: list[str]) -> dict[str, Any] | None:
    """A comment as a run command for a function of these types, None if it is none."""

def coverage_counters() -> Counters:
    """All coverage counters, one writable byte per edge; empty without instrumentation."""

def coverage_pcs() -> Counters:
    """Two words per counter: the block's address, and 1 at a function's entry."""

def coverage_ranges() -> list[tuple[int, int]]:
    """Addresses ``(start, stop)`` of the counters."""

def source_lines(
    library: Path, addresses: list[int], prefix: str
) -> tuple[list[str], list[tuple[int, int, int]]]:
    """Lines of the extension's sources, in files whose name begins with ``prefix``, by the debug
    information in ``library``, the extension's own file.

    Returns:
        Paths of the files, and rows of the index of an address, the index of a file, the line. An
        address has one for each frame, the innermost first: of the function that was inlined
        there, and of those that it was inlined into.

    Raises:
        OSError, ValueError: ``library`` cannot be read, or is not what is loaded.
    """
