"""Running a fuzz target under libFuzzer, through atheris, guided by Cranelift's edge counters.

Flags, corpora, artifacts and exit codes are libFuzzer's own. Two things are added here. libFuzzer
starts its own program again for ``-merge=1``, ``-minimize_crash=1``, ``-fork`` and ``-jobs``, so a
launcher script is written for it. And it ends the process with C's ``exit``, without returning to
Python, so the statistics are printed by an exit handler of the C library.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

from backend.cranelift import edge_counters
from fuzz.differential.finding import Finding
from fuzz.fuzz_targets.coverage_curve import CoverageCurve
from fuzz.fuzz_targets.exit_hooks import at_exit, at_interrupt
from fuzz.fuzz_targets.options import TargetOptions
from fuzz.fuzz_targets.registry import load
from fuzz.fuzz_targets.target import FuzzTarget
from fuzz.generate import (
    calls,
    control,
    frames,
    function,
    generator,
    loops,
    settings,
    signature_pool,
    signatures,
    swarm,
    traps,
    unstructured,
)

#: Flags for libFuzzer unless the user gives them. Its own default length is too short for CLIF, and
#: with ``-len_control`` it would begin with units of a few bytes. It would print new functions,
#: but only their addresses. Its entropic schedule would take four fifths of the time
#: (docs/targets.md).
DEFAULTS: Final = {
    "-max_len": "65536",
    "-len_control": "0",
    "-print_funcs": "0",
    "-entropic": "0",
}

#: Modules of the generator whose edges guide libFuzzer as well: they decide what a case drawn from
#: bytes looks like. Modules that run for every instruction are left out, as that would be slow.
_INSTRUMENTED: Final = (
    *(calls, control, frames, function, generator, loops, settings),
    *(signature_pool, signatures, swarm, traps, unstructured),
)


class TargetFailure(Exception):
    """A unit shows a fault. libFuzzer then saves the unit and ends with exit code 77."""


def run_target(
    name: str,
    isas: tuple[str, ...],
    options: TargetOptions,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    write: Callable[[object], None] | None = None,
) -> int:
    """Fuzz until libFuzzer ends the process.

    Args:
        name: a target of ``fuzz.fuzz_targets.registry``.
        arguments: flags and corpora for libFuzzer.
        environment: variables for the processes that libFuzzer starts.
        write: called at the end with the statistics and the coverage curve.

    Returns:
        0, if libFuzzer does not end the process.

    Raises:
        FaultError: the fault of the options is unknown, or the target cannot inject it.
    """
    import atheris

    target = load(name, isas, options)
    _instrument_generator(atheris.instrument_func)
    flags = [f"{flag}={value}" for flag, value in DEFAULTS.items() if not _given(flag, arguments)]
    session = _Session(target, write)
    os.environ.update(environment)
    _collect_garbage_less_often()
    libfuzzer = _load_libfuzzer()
    atheris.Setup(
        [str(launcher(name)), *arguments, *flags],
        session.test,
        internal_libfuzzer=True,
        **_mutators(target, libfuzzer.Mutate),
    )
    edge_counters.announce_to(str(libfuzzer.__file__))
    edge_counters.counters()[:] = 0  # what setting up covered belongs to no unit
    at_exit(session.report)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # libFuzzer would leave Python's handler in place
    atheris.Fuzz()
    return 0


def _load_libfuzzer() -> ModuleType:
    """Load libFuzzer.

    It looks up the custom mutators when it is loaded, so these are loaded before, with global
    symbols. atheris would do the same in ``Setup``, too late for ``announce_to``.
    """
    before = sys.getdlopenflags()
    sys.setdlopenflags(before | os.RTLD_GLOBAL)
    try:
        import_module("atheris.custom_mutator")
        import_module("atheris.custom_crossover")
    finally:
        sys.setdlopenflags(before)
    return import_module("atheris.core_with_libfuzzer")


class _Session:
    """A target while libFuzzer runs it, with its coverage curve."""

    def __init__(self, target: FuzzTarget, write: Callable[[object], None] | None) -> None:
        self.target = target
        self.curve = CoverageCurve()
        self._write = write
        self._reported = False

    def test(self, unit: bytes) -> None:
        """Test one unit.

        Raises:
            TargetFailure: it shows a fault.
        """
        statistics = self.target.statistics
        if not statistics.units:
            at_interrupt(self.report)
        failure = self.target.test(unit)
        self.curve.note(statistics.units)
        if failure is not None:
            self.report()
            bucket = bucket_line(failure.finding)
            lines = [bucket, *failure.finding.explanation, failure.text]
            print(*lines, sep="\n", file=sys.stderr, flush=True)
            raise TargetFailure(bucket)

    def report(self) -> None:
        """Print the statistics, and pass them on; only the first call has an effect."""
        if self._reported or not self.target.statistics.units:
            return
        self._reported = True
        facts = self.target.statistics.to_json() | {"edges": self.curve.edges}
        print(f"clif-fuzz: {json.dumps(facts)}", file=sys.stderr, flush=True)
        if self._write is not None:
            self.curve.mark(self.target.statistics.units)
            self._write(facts | {"curve": self.curve.to_json()})


def _collect_garbage_less_often() -> None:
    """Make Python's garbage collector run rarely: the cached cases are no garbage, but many."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _instrument_generator(instrument: Callable[[FunctionType], object]) -> None:
    for module in _INSTRUMENTED:
        owners = [module, *(v for v in vars(module).values() if isinstance(v, type))]
        for owner in owners:
            for value in vars(owner).values():
                if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                    instrument(value)


def _given(flag: str, arguments: Sequence[str]) -> bool:
    return any(argument.startswith(f"{flag}=") for argument in arguments)


def _mutators(target: FuzzTarget, plain: Callable[[bytes, int], bytes]) -> dict[str, Any]:
    def mutate(unit: bytes, max_size: int, seed: int) -> bytes:
        mutant = target.mutate(unit, max_size, seed)
        return plain(unit, max_size) if mutant is None else mutant

    def crossover(one: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        child = target.crossover(one, other, max_size, seed)
        return (one + other)[:max_size] if child is None else child

    return {"custom_mutator": mutate, "custom_crossover": crossover}


def bucket_line(finding: Finding) -> str:
    """Return the line that identifies a finding: a hash of its bucket, and the bucket.

    Fuzzing infrastructures tell findings apart by the hash.
    """
    digest = hashlib.sha256(finding.bucket.encode()).hexdigest()[:16]
    return f"FuzzerHash={digest} {finding.bucket}"


# --- the program that libFuzzer starts again ---

_LAUNCHER = """\
#!/bin/sh
exec '{python}' -m fuzz target {name} "$@"
"""
_VARIABLE = "CLIF_FUZZ_LAUNCHER"


def launcher(name: str) -> Path:
    """Return a program that runs the target with libFuzzer's arguments alone.

    Options that are not libFuzzer's come from the environment. If the environment names a launcher,
    as those of ``scripts/oss-fuzz`` do, it is that one. Otherwise the launcher is written to the
    folder for temporary files, under a name with a hash of its text.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        return Path(named)
    text = _LAUNCHER.format(python=sys.executable, name=name)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"clif-fuzz-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        folder = Path(tempfile.mkdtemp(prefix="clif-fuzz-"))
    path = folder / f"{name}-{digest}"
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(text)
        temporary.chmod(0o700)
        temporary.replace(path)
    return path
