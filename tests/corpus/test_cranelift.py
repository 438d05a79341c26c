"""Every case of `corpus/cranelift` reads, replays, and is what it says it is."""

from pathlib import Path

import pytest

from backend.cranelift import _cranelift
from fuzz.cases.casefile import CaseFile, read_cases
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.known.status import PULLEY, PULLEY_BIG, PULLEY_NARROW, SHARED_ISAS
from fuzz.reporting.replay import replay
from tests.paths import CORPUS

FILES = sorted(CORPUS.glob("cranelift/*.clif"))
ERROR, PANIC = FindingKind.COMPILE_ERROR, FindingKind.COMPILER_PANIC
MISCOMPILE, UNWIND = FindingKind.MISCOMPILE, FindingKind.UNWIND
MODULE = FindingKind.MODULE
VERIFIER = FindingKind.VERIFIER_ERROR
LABEL = FindingKind.LABEL

_WIDE_PULLEY = tuple(isa for isa in PULLEY if isa not in PULLEY_NARROW)


def _everywhere(kind: FindingKind, *more: str) -> list[tuple[str, FindingKind]]:
    return [(isa, kind) for isa in sorted((*SHARED_ISAS, *more))]


def _on_pulley(kind: FindingKind, *, addresses: bool = False) -> list[tuple[str, FindingKind]]:
    isas = _WIDE_PULLEY if addresses else PULLEY
    return [(isa, kind) for isa in sorted(isas)]


def _narrow(kind: FindingKind) -> list[tuple[str, FindingKind]]:
    return [(isa, kind) for isa in PULLEY_NARROW]


#: What the cases of `corpus/cranelift` do with the pinned Cranelift.
FOUND = {
    "bzhi-i128-amount": [("x86_64", PANIC)],
    "select-icmp-i128": [("aarch64", PANIC), ("x86_64", ERROR)],
    "bset-i128-amount": [("riscv64", PANIC)],
    "bxor-self-f16": _everywhere(PANIC, *PULLEY),
    "atomic-rmw-umin-i8": [("aarch64", MISCOMPILE)],
    "atomic-rmw-umax-i16": [("aarch64", MISCOMPILE)],
    "fpromote-f16-f64": [("aarch64", MISCOMPILE)],
    "fcvt-to-uint-sat-i8": [("s390x", MISCOMPILE)],
    "fdemote-f128-f32": [("aarch64", MISCOMPILE)],
    "atomic-cas-i32": [("aarch64", MISCOMPILE)],
    "splat-without-vectors": [("riscv64", MISCOMPILE)],
    "swiden-high-i8x4": [("aarch64", MISCOMPILE)],
    "vany-true-i8x4": [("x86_64", MISCOMPILE)],
    "atomic-store-i128-halves": [("x86_64", MISCOMPILE)],
    # On riscv64 as well, but the engine that runs it by default has no vectors.
    "bitcast-big": [(isa, MISCOMPILE) for isa in sorted(("aarch64", *PULLEY, "x86_64"))],
    "bmask-i128": _on_pulley(MISCOMPILE),
    "ineg-i128": _on_pulley(ERROR),
    "rotl-i16": _on_pulley(ERROR),
    "ishl-sshr-i16x4": _everywhere(PANIC, *PULLEY),
    "bmask-uextend-i128": [("riscv64", PANIC)],
    "splat-fcvt-f16x4": [("riscv64", ERROR)],
    "sdiv-i8": _on_pulley(MISCOMPILE),
    "misaligned-slots": _narrow(MISCOMPILE),
    "spilled-result-big": [("pulley32be", MISCOMPILE)],
    # On riscv64, but the engine that runs it by default does not look above a float of 32 bits.
    "spilled-result-f32": [],
    "return-vectors-big": [(isa, PANIC) for isa in sorted(PULLEY_BIG)],
    "load-i128-big": _on_pulley(MISCOMPILE, addresses=True),
    "load-i128-big-narrow": _narrow(MISCOMPILE),
    "store-big-vector": _on_pulley(MISCOMPILE, addresses=True),
    "store-big-vector-narrow": _narrow(MISCOMPILE),
    "store-i128-offset": _on_pulley(MISCOMPILE, addresses=True),
    "store-i128-offset-narrow": _narrow(MISCOMPILE),
    "structure-argument": _on_pulley(MISCOMPILE, addresses=True),
    "structure-argument-narrow": _narrow(MISCOMPILE),
    "trapping-i128-access": _on_pulley(PANIC, addresses=True),
    "trapping-i128-access-narrow": _narrow(PANIC),
    "notrap-widening-load": _on_pulley(PANIC, addresses=True),
    "notrap-widening-load-narrow": _narrow(PANIC),
    "preserve-all-vectors": _on_pulley(MISCOMPILE, addresses=True),
    "preserve-all-vectors-narrow": _narrow(MISCOMPILE),
    "host-call-stack-result": _on_pulley(MISCOMPILE),
    "stack-slots-beyond-2gib": [("aarch64", PANIC), ("x86_64", PANIC)],
    "sextend-bmask-i128": _on_pulley(ERROR),
    "umax-i64x2": _on_pulley(ERROR),
    "nan-canonicalization-f32x2": [("aarch64", PANIC), ("riscv64", PANIC)],
    "fma-splat-f32x2": [("aarch64", PANIC)],
    "isub-self-i8x8": [("aarch64", PANIC), ("riscv64", PANIC)],
    "icmp-self-i8x8": [("aarch64", PANIC), ("riscv64", PANIC)],
    "ineg-i32x2": [("aarch64", PANIC)],
    "sextend-extractlane-i16x2": [("aarch64", PANIC)],
    "fmin-zero-f16": _everywhere(MISCOMPILE),
    "fmax-zero-f128": _everywhere(MISCOMPILE),
    "outline-probes-argument": [("riscv64", MISCOMPILE)],
    "preserve-all-call-vectors": [("riscv64", MISCOMPILE)],
    "preserve-all-inline-probes": [("riscv64", MISCOMPILE), ("x86_64", MISCOMPILE)],
    "uext-stack-argument-apple": [("aarch64", MISCOMPILE)],
    "uext-stack-result": [("x86_64", MISCOMPILE)],
    "observed-stores": _everywhere(PANIC, *_WIDE_PULLEY),
    "observed-stores-narrow": _narrow(PANIC),
    "regionless-load": _everywhere(MISCOMPILE, *_WIDE_PULLEY),
    "regionless-load-narrow": _narrow(MISCOMPILE),
    # The emulator guards no pages: tests/fuzz/fuzz_targets/test_targets.py.
    "tail-bti": [],
    "fcmp-unaligned-load": [],  # Unicorn does not check the alignment
    "atomic-cas-i128-big": [("x86_64", MISCOMPILE)],
    "atomic-extreme-plain-load": [("s390x", FindingKind.ORDER)],
    "atomic-cas-two-loads": [("riscv64", FindingKind.ORDER)],
    "label-between-instructions": [("aarch64", LABEL), ("x86_64", LABEL)],
    "label-in-cold-block": [("aarch64", LABEL), ("x86_64", LABEL)],
    "label-merged-load": [("x86_64", LABEL)],
    "label-shared-register": [("aarch64", LABEL), ("x86_64", LABEL)],
    "label-single-pass": [("aarch64", LABEL), ("x86_64", LABEL)],
    "try-call-result-twice": [("aarch64", MISCOMPILE), ("x86_64", MISCOMPILE)],
    "unwind-tail-call-saves": [("x86_64", UNWIND)],
    "unwind-late-frame": [("aarch64", UNWIND), ("x86_64", UNWIND)],
    "inline-try-call-fast": _everywhere(VERIFIER, *PULLEY),
    "try-call-frame-pointer": [("riscv64", MISCOMPILE)],
    "try-call-host": _on_pulley(MISCOMPILE),
    "windows-unwind-saves": [("x86_64", UNWIND)],
    "jit-symbol-offset": [("riscv64", MODULE)],
    "swizzle-splat-i8x16": [],  # the engine that runs riscv64 by default has no vectors
    "br-table-default-bti": [],
}


def isas_of(case_file: CaseFile) -> list[str]:
    return list(case_file.case.isa_settings)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_oracle_agrees_with_the_file(path: Path) -> None:
    for case_file in read_cases(path.read_text()):
        if not case_file.case.inputs.count:
            continue  # it is only compiled
        oracle, *_ = replay(case_file, Pipeline(isas_of(case_file))).results
        assert oracle.agrees, oracle


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_faults_of_cranelift(path: Path) -> None:
    (case_file,) = read_cases(path.read_text())
    findings = replay(case_file, Pipeline(isas_of(case_file))).findings
    assert sorted((f.isa, f.kind) for f in findings) == FOUND[path.stem]
