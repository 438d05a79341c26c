"""Commands that reproduce a finding: with clif-fuzz, and with Cranelift's own tools."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from backend.isa.registry import DESCRIBED
from fuzz.differential.finding import FindingKind
from fuzz.reporting.issue import COMPILE_FAILURES, RUN_FAILURES
from reports.model import ShellCommand

#: The filetest of the page or of the issue.
_TEST = "test.clif"
#: How the names of the environments begin that ``scripts/environment`` makes for build options.
_LOCAL_ENVIRONMENT = ".venv-"
#: Run in a Wasmtime checkout, as clif-util is not published.
_CLIF_UTIL = "cargo run -p cranelift-tools --bin clif-util --"


def program() -> str:
    """Return how this installation's ``clif-fuzz`` is called, ready to paste.

    A build of a local Cranelift has an environment of its own, and needs its path; below the
    working directory, a relative one.
    """
    environment = Path(sys.prefix)
    if not environment.name.startswith(_LOCAL_ENVIRONMENT):
        return "clif-fuzz"
    return shlex.quote(str(short(environment / "bin" / "clif-fuzz")))


def short(path: Path) -> Path:
    """Return a path below the working directory as a relative one."""
    relative = Path(os.path.relpath(path))
    return path if ".." in relative.parts else relative


def commands(path: Path, kind: str, isas: tuple[str, ...]) -> Iterator[ShellCommand]:
    """Yield commands with clif-fuzz, then those that need only a Wasmtime checkout.

    Args:
        isas: those that the finding blames.
    """
    file, name = shlex.quote(str(path)), program()
    yield ShellCommand("which executors agree", f"{name} replay --oracle both --code {file}")
    yield ShellCommand("the smallest case", f"{name} minimize {file}")
    yield ShellCommand("the first release with the fault", f"{name} bisect {file} --from 0.121")
    if kind in COMPILE_FAILURES or kind == FindingKind.ORACLES_DISAGREE.value:
        where = "in a Wasmtime checkout, on any machine"
        yield ShellCommand(where, f"{_CLIF_UTIL} test {_TEST}")
    elif kind in RUN_FAILURES:
        for isa in isas:
            yield ShellCommand(*_test(isa))


def _test(isa: str) -> tuple[str, str]:
    """Return what a command is for, and the command.

    ``clif-util test`` runs code on the host, or interprets it if no CPU has the ISA; for another
    one it needs user-mode QEMU.
    """
    triple = DESCRIBED[isa].triple if isa in DESCRIBED else f"{isa}-unknown-linux-gnu"
    if "linux" not in triple:
        return "in a Wasmtime checkout, on any machine", f"{_CLIF_UTIL} test {_TEST}"
    if platform.machine() == isa:
        return f"in a Wasmtime checkout, on {isa}", f"{_CLIF_UTIL} test {_TEST}"
    variable = f"CARGO_TARGET_{triple.upper().replace('-', '_')}"
    lines = [
        f"{variable}_LINKER={isa}-linux-gnu-gcc \\",
        f'{variable}_RUNNER="qemu-{isa}-static -cpu max -L /usr/{isa}-linux-gnu" \\',
        f"{_CLIF_UTIL.replace('run', f'run --target {triple}', 1)} test {_TEST}",
    ]
    packages = f"Debian: qemu-user-static gcc-{isa.replace('_', '-')}-linux-gnu"
    needs = f"{packages}; rustup target add {triple}"
    return f"in a Wasmtime checkout, for {isa} in user-mode QEMU ({needs})", "\n".join(lines)
