"""The commands that show a finding again: this harness's, and Cranelift's own."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterator
from pathlib import Path

from fuzz.cases.case import Case, effective_settings
from fuzz.differential.finding import FindingKind
from reports.model import Command

_TEST = "test.clif"
#: From a Wasmtime tree: clif-util is not published.
_CLIF_UTIL = "cargo run -p cranelift-tools --bin clif-util --"
_NEVER_RUN = (
    FindingKind.COMPILER_PANIC.value,
    FindingKind.COMPILE_ERROR.value,
    FindingKind.VERIFIER_ERROR.value,
    FindingKind.COMPILE_TIMEOUT.value,
    FindingKind.COMPILE_MEMORY.value,
)


def commands(path: Path, case: Case, kind: str, isas: tuple[str, ...]) -> Iterator[Command]:
    """For people with this harness, then for those with a Wasmtime tree alone."""
    file = shlex.quote(str(path))
    yield Command("who agrees with whom", f"clif-fuzz replay --oracle both --code {file}")
    yield Command("the smallest case", f"clif-fuzz minimize {file}")
    yield Command("since which release", f"clif-fuzz bisect {file} --from 0.121")
    if kind in _NEVER_RUN:
        for isa in isas:
            yield Command(f"in a Wasmtime tree: compile it for {isa}", _compile(case, isa))
        return
    yield Command("a file for Cranelift's own tools", f"clif-fuzz fmt --filetest {file} > {_TEST}")
    for isa in isas:
        yield Command(*_test(isa))


def _compile(case: Case, isa: str) -> str:
    sets = " ".join(f"--set {name}={value}" for name, value in effective_settings(case).items())
    words = _target_words(case, isa)
    return f"{_CLIF_UTIL} compile {sets} --target {shlex.quote(words)} {_TEST}"


def _target_words(case: Case, isa: str) -> str:
    flags = case.isa_settings.get(isa, {}).items()
    return " ".join([isa, *(n if value == "true" else f"{n}={value}" for n, value in flags)])


def _test(isa: str) -> tuple[str, str]:
    """``clif-util test`` runs code on the host only: elsewhere by way of user-mode QEMU."""
    if platform.machine() == isa:
        return f"in a Wasmtime tree: run it on {isa}", f"{_CLIF_UTIL} test {_TEST}"
    triple = f"{isa}-unknown-linux-gnu"
    variable = f"CARGO_TARGET_{triple.upper().replace('-', '_')}"
    lines = [
        f"{variable}_LINKER={isa}-linux-gnu-gcc \\",
        f'{variable}_RUNNER="qemu-{isa} -L /usr/{isa}-linux-gnu" \\',
        f"{_CLIF_UTIL.replace('run', f'run --target {triple}', 1)} test {_TEST}",
    ]
    packages = f"Debian: qemu-user gcc-{isa.replace('_', '-')}-linux-gnu"
    needs = f"{packages}; rustup target add {triple}"
    return f"in a Wasmtime tree: run it on {isa} in user-mode QEMU ({needs})", "\n".join(lines)
