"""The Rust extension (``backend/src``): CLIF text in, machine code, metadata and errors out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from backend.cranelift.modules import ModuleData

#: Whether this build contains Cranelift's debug assertions.
debug_assertions: bool
#: Whether Cranelift is the published release, not a local tree or a changed folder.
published: bool
#: Whether this build contains ``make_object``, ``read_object`` and ``make_jit``.
modules: bool

class ReadError(ValueError):
    """Text that is not CLIF.

    Attributes:
        line: where, counted from 1; 0 if no line can be named.
    """

    message: str
    line: int

class SettingsError(ValueError):
    """An unknown ISA or setting, or a value that the setting does not take."""

class VerifierError(Exception):
    """The verifier refused a function.

    Attributes:
        location: the entity that is wrong: ``inst4``, ``block1``.
    """

    message: str
    function: str
    location: str

class CompileError(Exception):
    """Cranelift reported an error while it compiled a function."""

    message: str
    function: str

class UnsupportedError(CompileError):
    """Cranelift reported that the target lacks what the function needs."""

class CompilerPanic(Exception):
    """Cranelift panicked.

    Attributes:
        location: in the sources, the same on every machine:
            ``cranelift-codegen/src/inline.rs:203:17``.
        function: the function that it compiled; empty in phase ``read``.
        phase: ``read``, ``verify``, ``optimize``, ``lower``, ``regalloc``, ``emit`` or ``other``.
        frames: addresses in the calls that were open, the innermost first; a release that is a
            program of its own (``backend.cranelift.releases``) has none.
    """

    message: str
    location: str
    function: str
    phase: str
    frames: list[int]

@final
class TargetIsa:
    """A target, ready to compile for. It is immutable and may be shared between threads.

    Raises:
        SettingsError: the triple, a setting or a value is unknown, or the ISA is not in this build.
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
    def flags(self) -> list[str]:
        """Names of the ISA's own flags that are on, also by a preset."""
    @property
    def default_call_conv(self) -> str: ...

@final
class Functions:
    """The functions of a CLIF text, parsed once, to be compiled for any number of targets.

    The text may have header lines and comments, which have no effect.

    Raises:
        ReadError: the text does not parse, or the number of an entity is above 999,999: the parser
            would allocate memory for all below it.
        CompilerPanic: the parser panicked.
    """

    def __new__(cls, text: str) -> Functions: ...
    def __len__(self) -> int: ...
    @property
    def names(self) -> list[str]:
        """The names of the functions, without ``%``."""
    @property
    def read_ns(self) -> int: ...
    def display(self) -> str:
        """Return the functions as Cranelift prints them, one after another."""
    def compile(
        self,
        isa: TargetIsa,
        *,
        clif: bool = False,
        chaos: bytes = b"",
        inlining: bytes = b"",
        labels: bool = False,
    ) -> list[Compiled]:
        """Compile all functions in the order of the text, without holding the GIL.

        Args:
            clif: keep the optimised CLIF.
            chaos: bytes for chaos mode, which consumes them from the end.
            inlining: bytes that say which calls are inlined before (``inline``).
            labels: label each value with its number, for ``Compiled.value_locations``. Instructions
                without a source location have their number in the text as one, from 1.

        Raises:
            VerifierError, CompileError, UnsupportedError, CompilerPanic: compiling a function
                failed; the functions after it are not compiled.
        """
    def optimize(self, isa: TargetIsa, *, chaos: bytes = b"", inlining: bytes = b"") -> list[str]:
        """Optimise every function, as ``compile`` does before it generates code.

        Instructions that the ISA does not have do not matter.

        Returns:
            The CLIF of each function.

        Raises:
            VerifierError, CompileError, CompilerPanic: as ``compile`` raises them.
        """

    def inline(self, inlining: bytes) -> str:
        """Return the functions with some direct calls inlined, as Cranelift prints them.

        Args:
            inlining: a byte for each call that may be inlined, from the last function to the first:
                bit 0 inlines it, with bit 1 the calls of the body are considered next, with bit 2
                the body is one into which calls were inlined before. When there are none left,
                calls are kept.

        Raises:
            CompileError, CompilerPanic: the inliner failed.
        """
    def translate(self, isa: TargetIsa, references: Sequence[set[int]], late: bool, /) -> str:
        """Return the functions as ``cranelift-frontend`` makes them anew, as Cranelift prints them.

        Functions with exception tables are returned as they are.

        Args:
            isa: for whose pointers the frontend is configured.
            references: for each function the numbers of the values that are to be in stack maps.
            late: seal blocks at the end of a function, and else each as soon as all its
                predecessors are there.

        Raises:
            CompilerPanic: the frontend panicked.
        """
    def compile_each(
        self, isa: TargetIsa
    ) -> list[Compiled | VerifierError | CompileError | CompilerPanic]:
        """Compile all functions, even if compiling some of them fails.

        Returns:
            For each function its code, or the exception that ``compile`` would have raised.
        """
    def verify(self, isa: TargetIsa) -> list[VerifierError | CompilerPanic | None]:
        """Run the verifier on each function.

        Returns:
            For each function None if it is valid, or the exception that ``compile`` would have
            raised.
        """
    def split(self) -> list[Functions]:
        """Return each function as an object of its own."""

@final
class IncrementalCache:
    """Cranelift's incremental cache, held in memory until it is cleared."""

    def __new__(cls) -> IncrementalCache: ...
    def compile(self, functions: Functions, isa: TargetIsa) -> list[tuple[Compiled, bool]]:
        """Compile all functions through the cache.

        Returns:
            For each function its code, and whether it was found in the cache. The code has no
            optimised CLIF, and no counts of its instructions and blocks.

        Raises:
            VerifierError, CompileError, UnsupportedError, CompilerPanic: compiling a function
                failed; the functions after it are not compiled.
        """
    def clear(self) -> None:
        """Remove all functions."""
    def __len__(self) -> int:
        """Return how many functions it holds."""

@final
class Compiled:
    """The machine code of one function, not yet linked, and what is known of it."""

    @property
    def name(self) -> str: ...
    @property
    def code(self) -> bytes: ...
    @property
    def relocations(self) -> list[tuple[int, str, str, int]]:
        """Relocations: offset, kind, target, addend.

        The kind is Cranelift's name of it: ``X86CallPCRel4``, ``Arm64Call``, ``Abs8``... The target
        is ``%name``, ``LibCall:FmaF64``, ``KnownSymbol:...`` or ``func+16``, an offset in the
        function itself.
        """
    @property
    def traps(self) -> list[tuple[int, str]]:
        """Traps: offset, and trap code as CLIF spells it."""
    @property
    def source_locations(self) -> list[tuple[int, int, int]]:
        """Ranges of code, by start, that come from instructions with a source location (``@2a``).

        Each is start, end and location.
        """
    def value_locations(self, isa: TargetIsa) -> list[tuple[int, int, int, int | None, int]]:
        """Return where labelled values are, by value and start.

        Args:
            isa: the target that it was compiled for.

        Returns:
            A value's number, offsets where its range starts and ends, DWARF's number of the
            register that holds the value there, and, if none does, the offset from the frame's
            address at which it is.
        """
    @property
    def stack_maps(self) -> list[tuple[int, int, list[tuple[str, int]]]]:
        """Stack maps, by the offset of the return address of their call.

        Each has that offset, the bytes from the stack pointer to the top of the frame, and the type
        and the offset from the stack pointer of each value.
        """
    @property
    def block_starts(self) -> list[int]:
        """Offsets at which blocks start, in the order of the code, if a table may name them.

        Others are reached from instructions. The last one may lie behind the code, where constants
        begin: its block has become empty.
        """

    @property
    def call_sites(self) -> list[int]:
        """Offsets of the return addresses of calls."""
    @property
    def handler_sites(self) -> list[tuple[int, int | None, list[tuple[str, int, int]]]]:
        """Calls that have an exception table, in the order of the code.

        Each is the offset of the return address, the bytes from the stack pointer at the call to
        the frame pointer, and the table's entries in the order in which they are tried: ``tag``
        with the tag and the offset of the handler, ``default`` with 0 and the offset; ``stack``
        with the offset from the stack pointer, and ``register`` with the number of the register
        where the context of the tags behind it is.
        """
    @property
    def convention(self) -> str:
        """The calling convention, as CLIF spells it."""
    @property
    def cpu_features(self) -> list[tuple[str, str, int]]:
        """What the instructions need of a CPU, by a decoder that is not Cranelift's.

        Each is the decoder's name of a feature (``none`` for bytes that are no instruction), with
        the mnemonic and the offset of the first instruction that needs it. Nothing where there is
        no such decoder for the ISA.
        """
    @property
    def decoded(self) -> list[tuple[int, int]]:
        """Offset and size of each instruction by that decoder."""
    @property
    def clif(self) -> str | None:
        """The CLIF after optimising; None unless ``compile`` was asked for it."""
    @property
    def instructions(self) -> int:
        """How many CLIF instructions there are after optimising."""
    @property
    def blocks(self) -> int:
        """How many blocks there are after optimising."""
    @property
    def nanoseconds(self) -> dict[str, int]:
        """Time by phase, without overlap: verify, optimize, lower, regalloc, emit, other."""
    @property
    def frame_size(self) -> int | None: ...
    def debug_frame(self, isa: TargetIsa) -> bytes | None:
        """Return the section ``.debug_frame`` with this function's entry, as if it lay at 0.

        Args:
            isa: the target that it was compiled for.

        Returns:
            None if Cranelift makes no such tables for the ISA.

        Raises:
            CompileError, CompilerPanic: making the table failed.
        """
    def windows_unwind_info(self, isa: TargetIsa) -> bytes | None:
        """Return the ``UNWIND_INFO`` of Windows, as ``debug_frame`` does."""
    @property
    def alignment(self) -> int: ...

@final
class Counters:
    """A part of the extension's memory, for ``memoryview`` and ``numpy.frombuffer``."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

def cpu_features(
    triple: str, code: bytes, starts: Sequence[int], relocated: set[int]
) -> list[tuple[str, str, int]]:
    """Return ``Compiled.cpu_features`` of code that something else has made for a triple.

    Args:
        starts: offsets at which there are instructions.
        relocated: offsets of relocations.
    """

@final
class UnseenEdges:
    """The edges that were not seen yet.

    A sweep of all counters after each case must cost little, so it is done here.
    """

    def __new__(cls) -> UnseenEdges:
        """Count no edge as seen."""
    def restart(self) -> None:
        """Forget what was seen, and set all counters to zero."""
    def collect(self) -> list[int]:
        """Add the edges whose counter is not zero, and return the numbers of the new ones."""
    def seen(self) -> bytes:
        """Return one byte for each edge: 1 if it was seen."""

@final
class WatchedEdges:
    """The counters of some edges, each of which belongs to a member of a group.

    Args:
        pairs: an edge and the number of its member.
        count: how many members there are.

    Raises:
        IndexError: there is no such edge, or no such member.
    """

    def __new__(cls, pairs: Sequence[tuple[int, int]], count: int) -> WatchedEdges: ...
    def mark(self) -> bytes:
        """Return the present counters."""
    def since(self, mark: bytes) -> list[int]:
        """Return the members, ascending, one of whose counters is not what it was at a mark."""

def version() -> str:
    """Return the version of the Cranelift that is linked.

    ``0.135.8``; of a patched build ``0.135.8-`` and a digest.
    """

def pulley_program() -> tuple[bytes, str, str, str]:
    """Return the program that runs Pulley bytecode, as an executable, the version of its
    interpreter, and the table of its opcodes. All are empty if it could not be built; the last part
    says why."""

def retargeted_pulley_program() -> tuple[bytes, str]:
    """Return the program that runs Pulley bytecode whose address width or byte order is not the
    host's, as an executable; empty if it could not be built, and the last part says why."""

def isle() -> bytes:
    """Return Cranelift's rules as JSON, which ``backend.cranelift.isle`` reads.

    If the extension was built without them, ``error`` says why.
    """

def isas() -> list[str]:
    """Return the architectures in this build, by the names that a ``target`` line uses."""

def settings(isa: str | None = None) -> list[dict[str, Any]]:
    """Return an ISA's own settings, or without an ISA those that all share.

    Each has ``name``, ``description``, ``kind`` (``bool``, ``enum``, ``num``, ``preset``),
    ``values`` if it is an enum, and ``default``.
    """

def opcodes() -> list[dict[str, Any]]:
    """Return every opcode, of which ``backend.cranelift.opcodes`` makes objects.

    Each has ``name``, ``format``, ``flags``, ``polymorphic``, ``typevar_operand``,
    ``requires_typevar_operand``, ``ctrl_types``, and as ``args`` and ``results`` constraints like
    ``["Same"]``, ``["Concrete", "i8"]`` or ``["Free", ["i8", ...]]``.
    """

def types() -> list[str]:
    """Return the names of all types."""

def trap_codes() -> list[str]:
    """Return the trap codes that have names; there are ``user1`` to ``user250`` besides."""

def read(text: str) -> dict[str, Any]:
    """Return a CLIF file as plain data, of which ``backend.cranelift.reader`` makes objects."""

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
    """Run a function with ``cranelift-interpreter``.

    Args:
        entry: the name of the function, without ``%``.
        count: the number of inputs.
        args: for each parameter the bit patterns of all inputs, little-endian.
        fuel: how many instructions one input may execute.
        region: the parameter that receives the address of memory instead.
        contents: what is in that memory at the beginning.
        canonical_nans: the ISA for which Cranelift's pass that makes NaNs canonical is run first.

    Returns:
        For each result the bit patterns of all inputs; for each input how it ended
        (``backend.cranelift.interpreter.Ending``); by input a trap code or a reason; the memory of
        all inputs afterwards.

    Raises:
        ValueError: there is no such function, or the arguments do not fit it.
        CompilerPanic, CompileError: the pass fails.
    """

def parse_run_command(text: str, params: list[str], returns: list[str]) -> dict[str, Any] | None:
    """Read a comment as a run command for a function of these types; None if it is none."""

def coverage_counters() -> Counters:
    """Return all coverage counters, one writable byte per edge; none without instrumentation."""

def coverage_pcs() -> Counters:
    """Return two words per counter: the block's address, and 1 at the entry of a function."""

def coverage_ranges() -> list[tuple[int, int]]:
    """Return the addresses, start and end, of each range of counters."""

def tlb_fill_callback() -> int:
    """Return the address of a C function for Unicorn's hook ``UC_HOOK_TLB_FILL``.

    It maps every page to itself, with permission to be executed only where code is fetched.
    """

def host_call(name: str) -> int:
    """Return the address of a C function for Unicorn's hook ``UC_HOOK_CODE``.

    Its data is the mailbox of ``backend.emulator.control_block``: three operands of two words each,
    the first of which the result replaces.

    Args:
        name: ``fma`` (binary64) or ``fmaf`` (binary32): ``x * y + z``, rounded once. The bits above
            a narrow result are undefined, so they come back inverted.

    Raises:
        ValueError: there is no function of that name.
    """

def source_lines(
    library: Path, addresses: list[int], prefix: str
) -> tuple[list[str], list[tuple[int, int, int]]]:
    """Return the source lines that addresses of the extension's code come from.

    Args:
        library: the extension's own file, which has the debug information.
        prefix: only lines of files whose name begins so are returned.

    Returns:
        Paths of the files; and rows of the index of an address, the index of a file, and the line.
        An address has a row for each frame, the innermost first: of the function that was inlined
        there, then of those that it was inlined into.

    Raises:
        OSError, ValueError: ``library`` cannot be read, or is not the extension that is loaded.
    """

def make_object(
    functions: Functions,
    isa: TargetIsa,
    defined: set[str],
    local: set[str],
    data: list[ModuleData],
    *,
    sections: bool = False,
    chaos: bytes = b"",
) -> tuple[bytes, list[Compiled]]:
    """Return an object file, and the code of its functions; see ``backend.cranelift.modules``.

    Raises:
        VerifierError, CompileError, UnsupportedError, CompilerPanic: it cannot be made.
    """

def read_object(contents: bytes) -> dict[str, Any]:
    """Return an object file as plain data, of which ``backend.cranelift.modules`` makes objects.

    Raises:
        ValueError: it is malformed.
    """

def make_jit(
    functions: Functions,
    isa: TargetIsa,
    data: list[ModuleData],
    areas: list[tuple[int, int]],
    places: dict[str, int],
    symbols: dict[str, int],
    *,
    chaos: bytes = b"",
) -> tuple[list[tuple[int, Compiled]], list[tuple[int, bytes, str]]]:
    """Return what a JIT puts into memory: functions with their addresses, and all contents.

    Raises:
        VerifierError, CompileError, UnsupportedError, CompilerPanic: it cannot be made.
    """
