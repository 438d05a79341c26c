"""A target under libFuzzer, by way of atheris: guided by Cranelift's own counters.

libFuzzer's contract is kept by leaving it to libFuzzer: flags, corpora, artifacts and exit codes
are its own. Two things are ours. It starts itself again for ``-merge=1``, ``-minimize_crash=1``,
``-fork`` and ``-jobs``, and needs a program to start: a launcher is written for it. And it ends by
``exit``, past Python: our statistics are printed by a handler of the C library's.
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
from fuzz.fuzz_targets import TargetOptions, load
from fuzz.fuzz_targets.ending import at_exit, at_interrupt
from fuzz.fuzz_targets.progress import Progress
from fuzz.fuzz_targets.target import Target

#: What libFuzzer is told unless the user says otherwise. Its default length is too short for CLIF,
#: and it would begin with units of a few bytes; functions it could only name by their addresses.
#: Its entropic schedule takes four fifths of the time with so many features (docs/targets.md).
DEFAULTS: Final = {
    "-max_len": "65536",
    "-len_control": "0",
    "-print_funcs": "0",
    "-entropic": "0",
}

#: Whose code decides what a case drawn from bytes is: its counters guide as well. What is called
#: for every instruction is not among it, since that would slow it down.
_DECIDING: Final = (
    *("calls", "control", "frames", "function", "generator", "loops", "settings"),
    *("signature_pool", "signatures", "swarm", "traps", "unstructured"),
)


class TargetFailure(Exception):
    """A unit shows a fault. libFuzzer keeps the unit, and ends with exit code 77."""


def run_target(
    name: str,
    isas: tuple[str, ...],
    options: TargetOptions,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    write: Callable[[object], None] | None = None,
) -> int:
    """Fuzzes until libFuzzer ends the process; returns only if it does not.

    Args:
        environment: for the processes that libFuzzer starts.
        write: gets the statistics at the end, with the curve of what was covered.

    Raises:
        FaultError: the target has no place for the fault of the options.
    """
    import atheris

    target = load(name, isas, options)
    _instrument_deciding_code(atheris.instrument_func)
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
    edge_counters.counters()[:] = 0  # setting up is nobody's unit
    at_exit(session.report)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's, which libFuzzer would leave alone
    atheris.Fuzz()
    return 0


def _load_libfuzzer() -> ModuleType:
    """The library. It looks for the mutators' symbols when it is loaded, so they come first,
    and where all see them; atheris would do the same when it begins, too late for us."""
    before = sys.getdlopenflags()
    sys.setdlopenflags(before | os.RTLD_GLOBAL)
    try:
        import_module("atheris.custom_mutator")
        import_module("atheris.custom_crossover")
    finally:
        sys.setdlopenflags(before)
    return import_module("atheris.core_with_libfuzzer")


class _Session:
    """A target while libFuzzer runs it."""

    def __init__(self, target: Target, write: Callable[[object], None] | None) -> None:
        self.target = target
        self.progress = Progress()
        self._write = write
        self._reported = False

    def test(self, unit: bytes) -> None:
        """One unit. Raises TargetFailure, upon which libFuzzer keeps it and ends."""
        statistics = self.target.statistics
        if not statistics.units:
            at_interrupt(self.report)
        failure = self.target.test(unit)
        self.progress.note(statistics.units)
        if failure is not None:
            self.report()
            bucket = bucket_line(failure.finding)
            lines = [bucket, *failure.finding.explanation, failure.text]
            print(*lines, sep="\n", file=sys.stderr, flush=True)
            raise TargetFailure(bucket)

    def report(self) -> None:
        """The statistics, once."""
        if self._reported or not self.target.statistics.units:
            return
        self._reported = True
        facts = self.target.statistics.to_json() | {"edges": self.progress.edges}
        print(f"clif-fuzz: {json.dumps(facts)}", file=sys.stderr, flush=True)
        if self._write is not None:
            self.progress.mark(self.target.statistics.units)
            self._write(facts | {"curve": self.progress.to_json()})


def _collect_garbage_less_often() -> None:
    """Cases that are kept in memory hold no garbage, and looking through them takes time."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _instrument_deciding_code(instrument: Callable[[FunctionType], object]) -> None:
    for name in _DECIDING:
        module = import_module(f"fuzz.generate.{name}")
        owners = [module, *(v for v in vars(module).values() if isinstance(v, type))]
        for owner in owners:
            for value in vars(owner).values():
                if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                    instrument(value)


def _given(flag: str, arguments: Sequence[str]) -> bool:
    return any(argument.startswith(f"{flag}=") for argument in arguments)


def _mutators(target: Target, plain: Callable[[bytes, int], bytes]) -> dict[str, Any]:
    def mutate(unit: bytes, max_size: int, seed: int) -> bytes:
        mutant = target.mutate(unit, max_size, seed)
        return plain(unit, max_size) if mutant is None else mutant

    def crossover(one: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        child = target.crossover(one, other, max_size, seed)
        return (one + other)[:max_size] if child is None else child

    return {"custom_mutator": mutate, "custom_crossover": crossover}


def bucket_line(finding: Finding) -> str:
    """The finding's bucket. The hash stands for it: infrastructures compare that exactly."""
    digest = hashlib.sha256(finding.bucket.encode()).hexdigest()[:16]
    return f"FuzzerHash={digest} {finding.bucket}"


# --- what libFuzzer starts when it starts itself ---

_LAUNCHER = """\
#!/bin/sh
exec '{python}' -m fuzz target {name} "$@"
"""
_VARIABLE = "CLIF_FUZZ_LAUNCHER"


def launcher(name: str) -> Path:
    """A program that runs the target with its arguments as they are; what is none of libFuzzer's
    comes from the environment.

    One that the environment names is taken (``scripts/oss-fuzz`` has some of its own); else it is
    written into the folder for temporary files, once for each content.
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
