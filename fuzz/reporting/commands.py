"""Commands that reproduce a finding: with clif-fuzz, and with Cranelift's own tools."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterator
from pathlib import Path

from fuzz.cases.case import Case, effective_settings
from fuzz.differential.finding import FindingKind
from reports.model import ShellCommand

_TEST = "test.clif"
#: Run in a Wasmtime checkout, as clif-util is not published.
_CLIF_UTIL = "cargo run -p cranelift-tools --bin clif-util --"
#: Kinds of findings that occur before any code runs.
_COMPILE_FAILURES = (
    FindingKind.COMPILER_PANIC.value,
    FindingKind.COMPILE_ERROR.value,
    FindingKind.VERIFIER_ERROR.value,
    FindingKind.COMPILE_TIMEOUT.value,
    FindingKind.COMPILE_MEMORY.value,
)


def commands(path: Path, case: Case, kind: str, isas: tuple[str, ...]) -> Iterator[ShellCommand]:
    """Yield commands with clif-fuzz, then those that need only a Wasmtime checkout."""
    file = shlex.quote(str(path))
    yield ShellCommand("which executors agree", f"clif-fuzz replay --oracle both --code {file}")
    yield ShellCommand("the smallest case", f"clif-fuzz minimize {file}")
    yield ShellCommand("the first release with the fault", f"clif-fuzz bisect {file} --from 0.121")
    if kind in _COMPILE_FAILURES:
        for isa in isas:
            yield ShellCommand(f"in a Wasmtime checkout: compile it for {isa}", _compile(case, isa))
        return
    yield ShellCommand(
        "a file for Cranelift's own tools", f"clif-fuzz fmt --filetest {file} > {_TEST}"
    )
    for isa in isas:
        yield ShellCommand(*_test(isa))


def _compile(case: Case, isa: str) -> str:
    sets = " ".join(f"--set {name}={value}" for name, value in effective_settings(case).items())
    words = _target_words(case, isa)
    return f"{_CLIF_UTIL} compile {sets} --target {shlex.quote(words)} {_TEST}"


def _target_words(case: Case, isa: str) -> str:
    flags = case.isa_settings.get(isa, {}).items()
    return " ".join([isa, *(n if value == "true" else f"{n}={value}" for n, value in flags)])


def _test(isa: str) -> tuple[str, str]:
    """Return what a command is for, and the command.

    ``clif-util test`` runs code on the host; for another ISA it needs user-mode QEMU.
    """
    if platform.machine() == isa:
        return f"in a Wasmtime checkout: run it on {isa}", f"{_CLIF_UTIL} test {_TEST}"
    triple = f"{isa}-unknown-linux-gnu"
    variable = f"CARGO_TARGET_{triple.upper().replace('-', '_')}"
    lines = [
        f"{variable}_LINKER={isa}-linux-gnu-gcc \\",
        f'{variable}_RUNNER="qemu-{isa} -L /usr/{isa}-linux-gnu" \\',
        f"{_CLIF_UTIL.replace('run', f'run --target {triple}', 1)} test {_TEST}",
    ]
    packages = f"Debian: qemu-user gcc-{isa.replace('_', '-')}-linux-gnu"
    needs = f"{packages}; rustup target add {triple}"
    return f"in a Wasmtime checkout: run it on {isa} in user-mode QEMU ({needs})", "\n".join(lines)
