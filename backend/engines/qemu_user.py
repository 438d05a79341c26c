"""QEMU's emulators of user mode: one program per ISA, each a process of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Final

from backend.emulator.executor import Executor
from backend.emulator.isa import Isa, Part
from backend.engines import confine
from backend.engines.engine import Engine
from backend.engines.linux_process import linux_machine
from backend.engines.names import QEMU_USER
from backend.engines.process_executor import ProcessExecutor
from backend.engines.user_process import USER_PROCESS

#: Its programs come under both names; Debian's packages are called like them.
_NAMES: Final = ("qemu-{}-static", "qemu-{}")


class QemuUser(Engine):
    """qemu-user, with the CPU model that has everything."""

    name: ClassVar[str] = QEMU_USER
    kind: ClassVar[str] = "a process of its own"
    source: ClassVar[str] = "apt install qemu-user-static"
    part: ClassVar[Part[Any]] = USER_PROCESS

    def version(self, isa: Isa) -> str:
        return emulator_version(isa)

    def missing(self, isa: Isa) -> str:
        if not self.knows(isa):
            return f"there is no program for processes of {isa.name}"
        if reason := confine.missing():
            return reason
        return "" if _program(isa.name) else f"qemu-{isa.name} is not installed: {self.source}"

    def _executor(self, isa: Isa) -> Executor:
        words = emulator_words(isa)

        def command(image: str) -> Sequence[str]:
            return *words, image

        return ProcessExecutor(isa, linux_machine(isa, command))


def emulator_words(isa: Isa) -> tuple[str, ...]:
    """Return the words that start the emulator of an ISA, which must be installed."""
    return _program(isa.name), "-cpu", USER_PROCESS.of(isa).cpu


def emulator_version(isa: Isa) -> str:
    """Return the version of the emulator of an ISA, empty if it is not installed."""
    path = _program(isa.name)
    return _version(path) if path else ""


def _program(isa: str) -> str:
    """Return the path of the emulator of an ISA, empty if it is not installed."""
    found = (shutil.which(name.format(isa)) for name in _NAMES)
    return next((path for path in found if path), "")


@cache
def _version(path: str) -> str:
    """Return the version that a program says it has: ``7.2.22``."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return words[words.index("version") + 1] if "version" in words[:-1] else "unknown"
