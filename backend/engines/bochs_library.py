"""The functions of Bochs's CPU, called directly, so that other threads run meanwhile.

``bochscpu-python`` is one shared library. Beside the module for Python it exports the functions
below, which is all that a machine needs. They work on one CPU: a process has no more.

The library was linked on a system with glibc 2.38 and asks for two functions that older ones lack.
Only what reads configuration files calls them, and nothing here does. So it is loaded lazily: names
are looked up when they are first called.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from backend.engines.elf_slots import jump_slots

#: The package, and what it is called where packages come from.
_PACKAGE: Final = "bochscpu"
DISTRIBUTION: Final = "bochscpu-python"
#: The number of the one CPU.
_CPU: Final = 0

_u16, _u32, _u64, _pointer = ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p
#: The functions that are used: their results and their arguments, without the number of the CPU.
_FUNCTIONS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "cpu_loop": (None, []),
    "cpu_set_mode": (None, []),
    "cpu_clear_killbit": (None, []),
    "cpu_set_killbit": (None, []),
    "cpu_get_pc": (_u64, []),
    "cpu_set_pc": (None, [_u64]),
    "cpu_set_sp": (None, [_u64]),
    "cpu_get_reg64": (_u64, [_u32]),
    "cpu_get_zmm": (None, [_u32, _pointer]),
    "cpu_get_cr2": (_u64, []),
    "cpu_set_cr0": (None, [_u32]),
    "cpu_set_cr3": (None, [_u64]),
    "cpu_set_cr4": (None, [_u64]),
    "cpu_set_efer": (None, [_u32]),
    "cpu_set_xcr0": (None, [_u32]),
    "cpu_set_eflags": (None, [_u32]),
    "cpu_set_seg": (None, [_u32, _u32, _u16, _u64, _u32, _u16]),
    "cpu_set_tr": (None, [_u32, _u16, _u64, _u32, _u16]),
    "cpu_set_gdtr": (None, [_u64, _u16]),
    "cpu_set_idtr": (None, [_u64, _u16]),
}
#: Decides whether code may use a port. It reads settings of a whole machine, which there are not
#: here, and so it would crash.
_MAY_USE_PORTS: Final = "_ZN8BX_CPU_C8allow_ioEP15bxInstruction_ctj"
#: Forgets all decoded instructions: a function of C++, so its name says what it takes.
_FLUSH: Final = "_Z12flushICachesv"


class BochsError(Exception):
    """Bochs cannot be loaded: why, in one line."""


class BochsLibrary:
    """The one CPU of this process.

    Attributes:
        owner: whose state it is in; None after code that was stopped somewhere.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self._library = ctypes.CDLL(None, handle=handle)
        self._base = _u64.from_address(handle).value  # a handle points to what is known of it
        self.owner: object = None
        self._next_page = 1 << 32  # below are the addresses of devices
        self._functions: dict[str, Any] = {}
        for name, (result, arguments) in _FUNCTIONS.items():
            function = self._function(name)
            function.restype, function.argtypes = result, [_u32, *arguments]
            self._functions[name] = function
        self._flush = self._function(_FLUSH)
        self._insert = self._function("bochscpu_mem_page_insert")
        self._insert.restype, self._insert.argtypes = None, [_u64, _pointer]
        self._forbid_ports(path)
        create = self._function("bochscpu_cpu_new")
        create.restype, create.argtypes = _pointer, [_u32]
        create(_CPU)
        self._stop_at_missing_pages()

    def _function(self, name: str) -> Any:
        try:
            return getattr(self._library, name)
        except AttributeError:
            raise BochsError(f"{DISTRIBUTION} has no function {name}") from None

    def _stop_at_missing_pages(self) -> None:
        """Have the CPU stop at an access to physical memory that there is not.

        The function that is called for such an access is the one that asks the CPU to stop.
        """
        handler = self._function("bochscpu_mem_missing_page")
        handler.restype, handler.argtypes = None, [_pointer]
        handler(ctypes.cast(self._functions["cpu_set_killbit"], _pointer))

    def _forbid_ports(self, path: Path) -> None:
        """Have every use of a port be an exception.

        The function that decides is called by way of a slot, into which the address of another one
        is written: one that returns 0 while nobody asks the CPU to stop.
        """
        slots = jump_slots(path)
        if _MAY_USE_PORTS not in slots:
            raise BochsError(f"{DISTRIBUTION} decides about ports in another way")
        never = ctypes.cast(self._function("cpu_killbit"), _pointer).value
        assert never is not None
        _u64.from_address(self._base + slots[_MAY_USE_PORTS]).value = never

    def call(self, name: str, *arguments: int) -> int:
        """Call a function of the CPU."""
        return int(self._functions[name](_CPU, *arguments) or 0)

    def loop(self) -> None:
        """Run until something asks the CPU to stop. Other threads run meanwhile."""
        self._functions["cpu_clear_killbit"](_CPU)
        self._functions["cpu_loop"](_CPU)

    def emu_stop(self) -> None:
        """Ask the CPU to stop. Another thread may do so."""
        self._functions["cpu_set_killbit"](_CPU)

    def vector(self, number: int) -> int:
        """Return the low 128 bits of a vector register."""
        words = (_u64 * 8)()
        self._functions["cpu_get_zmm"](_CPU, number, words)
        return int(words[0] | words[1] << 64)

    def forget_decoded(self) -> None:
        """Have all code decoded anew."""
        self._flush()

    def insert_pages(self, host: int, count: int) -> int:
        """Make pages of this process physical memory.

        Returns:
            Their physical address.
        """
        start = self._next_page
        for offset in range(0, count << 12, 1 << 12):
            self._insert(start + offset, host + offset)
        self._next_page += (count + 1) << 12  # a page that is missing stays between
        return start

    def missing_page(self) -> int:
        """Return the physical address of a page that there never will be."""
        self._next_page += 1 << 12
        return self._next_page - (1 << 12)


def library_path() -> Path | None:
    """Return where the library is, None if it is not installed. Nothing is imported."""
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for suffix in EXTENSION_SUFFIXES:
            path = Path(folder, f"_{_PACKAGE}{suffix}")
            if path.is_file():
                return path
    return None


@cache
def load() -> BochsLibrary:
    """Return the library, loaded when it is first needed.

    Raises:
        BochsError: it is not installed, or is not as expected.
    """
    path = library_path()
    if path is None:
        raise BochsError(f"{DISTRIBUTION} is not installed")
    libc = ctypes.CDLL(None)
    libc.dlopen.restype, libc.dlopen.argtypes = _pointer, [ctypes.c_char_p, ctypes.c_int]
    libc.dlerror.restype = ctypes.c_char_p
    # ctypes itself would have every name looked up at once.
    handle = libc.dlopen(os.fsencode(path), os.RTLD_LAZY)
    if not handle:
        raise BochsError(f"{path.name}: {(libc.dlerror() or b'').decode(errors='replace')}")
    return BochsLibrary(path, handle)
