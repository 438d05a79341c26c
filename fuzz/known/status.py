"""Which known faults the Cranelift under test has.

At the first use of a build the case of every fault is run (``fuzz.known.reproduce``), which takes a
second or two; what came of it is kept in the user's cache folder. For the pinned release it ships.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from backend.cranelift.disk_cache import fingerprint, folder, save
from backend.cranelift.shipped import key_of, read_shipped
from fuzz.known import reproduce
from fuzz.known.reproduce import FaultStatus, Job, Observation, run_jobs, unclear

#: Where the cases are; not there in an installation from a wheel.
CASES: Final = Path(__file__).resolve().parents[2] / "corpus" / "cranelift"
#: With the value ``off`` in this environment variable, no known fault counts.
OFF: Final = "CLIF_FUZZ_KNOWN_FAULTS"

SHIPPED: Final = Path(__file__).with_name("statuses.json.z")
_SOURCES: Final = ("fuzz/known",)

BOTH_ISAS: Final = ("x86_64", "aarch64")
#: Those that show a fault of the part of Cranelift that all ISAs share.
SHARED_ISAS: Final = (*BOTH_ISAS, "riscv64", "s390x")
#: With addresses of 32 bits: where a case has addresses, these have one of their own, ``-narrow``.
PULLEY_NARROW: Final = ("pulley32", "pulley32be")
#: Those that are big-endian have the faults of the byte order ``big`` without being asked for it.
PULLEY_BIG: Final = ("pulley64be", "pulley32be")
PULLEY: Final = ("pulley64", "pulley32", *PULLEY_BIG)
#: Every case, and the ISAs that have its fault.
KNOWN_CASES: Final[Mapping[str, tuple[str, ...]]] = {
    "atomic-cas-i128-big": ("x86_64",),
    "atomic-cas-i32": ("aarch64",),
    "atomic-cas-two-loads": ("riscv64",),
    "atomic-extreme-plain-load": ("s390x",),
    "atomic-rmw-umax-i16": ("aarch64",),
    "atomic-rmw-umin-i8": ("aarch64",),
    "atomic-store-i128-halves": ("x86_64",),
    "bitcast-big": (*BOTH_ISAS, "riscv64", *PULLEY),
    "bmask-i128": PULLEY,
    "bmask-uextend-i128": ("riscv64",),
    "br-table-default-bti": ("aarch64",),
    "bset-i128-amount": ("riscv64",),
    "bxor-self-f16": (*SHARED_ISAS, *PULLEY),
    "bzhi-i128-amount": ("x86_64",),
    "fcmp-unaligned-load": ("x86_64",),
    "fcvt-to-uint-sat-i8": ("s390x",),
    "fdemote-f128-f32": ("aarch64",),
    "fma-splat-f32x2": ("aarch64",),
    "fmax-zero-f128": SHARED_ISAS,
    "fmin-zero-f16": SHARED_ISAS,
    "fpromote-f16-f64": ("aarch64",),
    "host-call-stack-result": PULLEY,
    "icmp-self-i8x8": ("aarch64", "riscv64"),
    "ineg-i128": PULLEY,
    "ineg-i32x2": ("aarch64",),
    "inline-try-call-fast": (*SHARED_ISAS, *PULLEY),
    "isub-self-i8x8": ("aarch64", "riscv64"),
    "ishl-sshr-i16x4": (*SHARED_ISAS, *PULLEY),
    "jit-symbol-offset": ("riscv64",),
    "label-between-instructions": BOTH_ISAS,
    "label-in-cold-block": BOTH_ISAS,
    "label-merged-load": ("x86_64",),
    "label-shared-register": BOTH_ISAS,
    "label-single-pass": BOTH_ISAS,
    "load-i128-big": PULLEY,
    "misaligned-slots": PULLEY_NARROW,
    "nan-canonicalization-f32x2": ("aarch64", "riscv64"),
    "notrap-widening-load": PULLEY,
    "observed-stores": (*SHARED_ISAS, *PULLEY),
    "outline-probes-argument": ("riscv64",),
    "preserve-all-call-vectors": ("riscv64",),
    "preserve-all-inline-probes": ("x86_64", "riscv64"),
    "preserve-all-vectors": PULLEY,
    "regionless-load": (*SHARED_ISAS, *PULLEY),
    "return-vectors-big": PULLEY_BIG,
    "rotl-i16": PULLEY,
    "sdiv-i8": PULLEY,
    "select-icmp-i128": BOTH_ISAS,
    "sextend-bmask-i128": PULLEY,
    "sextend-extractlane-i16x2": ("aarch64",),
    "spilled-result-big": ("pulley32be",),
    "splat-fcvt-f16x4": ("riscv64",),
    "splat-without-vectors": ("riscv64",),
    "stack-slots-beyond-2gib": BOTH_ISAS,
    "store-big-vector": PULLEY,
    "structure-argument": PULLEY,
    "store-i128-offset": PULLEY,
    "swiden-high-i8x4": ("aarch64",),
    "swizzle-splat-i8x16": ("riscv64",),
    "tail-bti": ("aarch64",),
    "uext-stack-argument-apple": ("aarch64",),
    "uext-stack-result": ("x86_64",),
    "trapping-i128-access": PULLEY,
    "try-call-frame-pointer": ("riscv64",),
    "try-call-host": PULLEY,
    "try-call-result-twice": BOTH_ISAS,
    "umax-i64x2": PULLEY,
    "unwind-late-frame": BOTH_ISAS,
    "unwind-tail-call-saves": ("x86_64",),
    "vany-true-i8x4": ("x86_64",),
    "windows-unwind-saves": ("x86_64",),
}


@dataclass(frozen=True, slots=True)
class ReaderCase:
    """A text on which the reader or the verifier panics.

    Attributes:
        message: how the panic's message begins where it may come from several places of a file;
            empty if it is the panic's line that identifies it.
    """

    name: str
    text: str
    message: str = ""


READER_CASES: Final = (
    ReaderCase(
        "vconst-too-long",
        "function %f() -> i32x2 {\nblock0:\n"
        "    v0 = vconst.i32x2 0x000102030405060708\n    return v0\n}\n",
    ),
    ReaderCase(
        "uunarrow-of-a-scalar",
        "function %f(i8, i64x2) -> i32x4 {\nblock0(v0: i8, v1: i64x2):\n"
        "    v2 = uunarrow.i64x2 v0, v1\n    return v2\n}\n",
        "invalid type for ",
    ),
    ReaderCase(
        "largest-exception-tag",
        "function %f() {\n    sig0 = ()\n    fn0 = %g sig0\nblock0:\n"
        "    try_call fn0(), sig0, block1, [ tag4294967295: block1 ]\nblock1:\n    return\n}\n",
    ),
)

Statuses = dict[tuple[str, str], Observation]


def has_fault(name: str, isa: str = "") -> bool:
    """Return whether the Cranelift under test has a fault.

    Args:
        name: of the fault's case in ``corpus/cranelift``.
        isa: the ISA; empty for any.
    """
    if os.environ.get(OFF) == "off":
        return False
    found = statuses()
    isas = (isa,) if isa else KNOWN_CASES.get(name, ("",))
    return any(
        (name, each) in found and found[name, each].status is FaultStatus.PRESENT for each in isas
    )


def observed(name: str, isa: str = "") -> str:
    """Return the place or message of the failure to compile that a fault's case shows.

    Returns:
        It is empty if the case does not fail so with the Cranelift under test.
    """
    if os.environ.get(OFF) == "off":
        return ""
    found = statuses().get((name, isa))
    return found.failure if found is not None and found.status is FaultStatus.PRESENT else ""


@cache
def statuses() -> Statuses:
    """Return what the case of every fault does with the Cranelift under test, by name and ISA.

    Cases for the reader have no ISA.
    """
    shipped = read_shipped(SHIPPED, shipped_key())
    if shipped is not None:
        return from_json(shipped)
    jobs = _jobs()
    return run_once(jobs, "known-faults") if jobs else _nothing_known()


def _jobs() -> list[Job]:
    jobs = [Job(case.name, case.text) for case in READER_CASES]
    for name, isas in KNOWN_CASES.items():
        try:
            jobs += [Job(name, case_file(name, i).read_text(encoding="utf-8"), i) for i in isas]
        except OSError:
            return []
    return jobs


def case_file(name: str, isa: str) -> Path:
    """Return the file of a fault's case for an ISA."""
    narrow = CASES / f"{name}-narrow.clif"
    return narrow if isa in PULLEY_NARROW and narrow.exists() else CASES / f"{name}.clif"


def _nothing_known() -> Statuses:
    missing = unclear("its case is not part of this installation")
    return {(name, isa): missing for name, isas in KNOWN_CASES.items() for isa in isas}


def run_once(jobs: Sequence[Job], name: str) -> Statuses:
    """Run cases unless that was done with this build, and return what they do.

    Args:
        name: of the folder of the cache.
    """
    digest = fingerprint(__file__, reproduce.__file__).hex()[:16]
    file = folder() / name / f"{digest}-{_digest_of(jobs)}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        return from_json(json.loads(file.read_text(encoding="utf-8")))
    found = {(job.name, job.isa): seen for job, seen in zip(jobs, run_jobs(jobs), strict=True)}
    if all(seen.final for seen in found.values()):
        save(file, json.dumps(to_json(found)))
    return found


def _digest_of(jobs: Sequence[Job]) -> str:
    return hashlib.sha256(repr(jobs).encode()).hexdigest()[:16]


# --- as JSON ---


def to_json(found: Statuses) -> list[list[str]]:
    """Return statuses as JSON."""
    return [
        [name, isa, seen.status.value, seen.failure, seen.reason]
        for (name, isa), seen in found.items()
    ]


def from_json(data: Sequence[Sequence[str]]) -> Statuses:
    """Return the statuses that ``to_json`` wrote."""
    return {
        (name, isa): Observation(FaultStatus(status), failure, reason)
        for name, isa, status, failure, reason in data
    }


def shipped_key() -> str:
    """Return the key of the statuses that ship, for this build."""
    return key_of(_SOURCES)
