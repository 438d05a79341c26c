"""A target under libFuzzer, by way of atheris: guided by Cranelift's own counters.

libFuzzer's contract is kept by leaving it to libFuzzer: flags, corpora, artifacts and exit codes are
its own. Two things are ours. It starts itself again for ``-merge=1``, ``-minimize_crash=1``, ``-fork``
and ``-jobs``, and needs a program to start: a launcher is written for it. And it ends by ``exit``, past
Python: our statistics are printed by a handler of the C library's.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from fuzz.targets import load
from fuzz.targets.target import Failure, Target

#: What libFuzzer is told unless the user says otherwise. Its default length is too short for CLIF,
#: and it would begin with units of a few bytes.
DEFAULTS: Final = {"-max_len": "65536", "-len_control": "0"}

#: Whose code decides what a case is: its counters guide as well. Slow code must not be among it.
_DECIDING: Final = ["fuzz.generate"]


class TargetFailure(Exception):
    """A unit shows a fault. libFuzzer keeps the unit, and ends with exit code 77."""


def run_target(name: str, isas: tuple[str, ...], arguments: Sequence[str]) -> int:
    """Fuzzes until libFuzzer ends the process; returns only if it does not."""
    import atheris
    from atheris import core_with_libfuzzer

    from backend import coverage

    with atheris.instrument_imports(include=_DECIDING):
        target = load(name, isas)
    flags = [f"{flag}={value}" for flag, value in DEFAULTS.items() if not _given(flag, arguments)]
    program = str(launcher(name, isas))
    atheris.Setup(
        [program, *arguments, *flags],
        lambda unit: _one(target, unit),
        internal_libfuzzer=True,
        **_mutators(target, atheris.Mutate),
    )
    coverage.announce_to(core_with_libfuzzer.__file__)
    coverage.counters()[:] = 0  # setting up is nobody's unit
    _at_exit(lambda: _report(target))
    atheris.Fuzz()
    return 0


def _given(flag: str, arguments: Sequence[str]) -> bool:
    return any(argument.startswith(f"{flag}=") for argument in arguments)


def _one(target: Target, unit: bytes) -> None:
    failure = target.test(unit)
    if failure is not None:
        _report(target)
        raise TargetFailure(describe(failure))


def _mutators(target: Target, plain: Callable[[bytes, int], bytes]) -> dict[str, Any]:
    def mutate(unit: bytes, max_size: int, seed: int) -> bytes:
        mutant = target.mutate(unit, max_size, seed)
        return plain(unit, max_size) if mutant is None else mutant

    def crossover(one: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        child = target.crossover(one, other, max_size, seed)
        return (one + other)[:max_size] if child is None else child

    return {"custom_mutator": mutate, "custom_crossover": crossover}


def describe(failure: Failure) -> str:
    """The failure in words. The hash stands for the bucket: infrastructures compare it exactly."""
    bucket = failure.finding.bucket
    digest = hashlib.sha256(bucket.encode()).hexdigest()[:16]
    return "\n".join([f"FuzzerHash={digest} {bucket}", *failure.finding.explanation])


def _report(target: Target) -> None:
    print(f"clif-fuzz: {json.dumps(target.statistics.to_json())}", file=sys.stderr, flush=True)


_HANDLERS: list[object] = []


def _at_exit(report: Callable[[], None]) -> None:
    """Reports when libFuzzer calls ``exit``, and ends the process there.

    What follows would be the destructors of atheris's mutators: they wait forever for the lock of the
    interpreter, which this thread has.
    """
    libc = ctypes.CDLL(None)

    def end(status: int, _: object) -> None:
        report()
        libc.fflush(None)
        os._exit(status)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(end)
    _HANDLERS.append(handler)  # must live as long as the process
    libc.on_exit(handler, None)


# --- what libFuzzer starts when it starts itself ---

_LAUNCHER = """\
#!/bin/sh
exec '{python}' -m fuzz target {name} --isa {isas} "$@"
"""
_VARIABLE = "CLIF_FUZZ_LAUNCHER"


def launcher(name: str, isas: Sequence[str]) -> Path:
    """A program that runs the target with its arguments as they are.

    One that the environment names is taken (``scripts/oss-fuzz`` has some of its own); else it is
    written into the folder for temporary files, once for each content.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        return Path(named)
    text = _LAUNCHER.format(python=sys.executable, name=name, isas=",".join(isas))
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
