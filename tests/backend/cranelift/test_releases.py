"""A published release built for real, which takes minutes and the network:

CLIF_FUZZ_TEST_BUILDS=1 scripts/test tests/backend/cranelift/test_releases.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.cranelift.compiler import CompilerPanic, ReadError, SettingsError, Target, compile_text
from backend.cranelift.release_build import UnavailableError
from backend.cranelift.releases import Release, ReleaseCompiler
from tests.paths import CORPUS

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(
        "CLIF_FUZZ_TEST_BUILDS" not in os.environ, reason="CLIF_FUZZ_TEST_BUILDS is not set"
    ),
]

SPEED = {"opt_level": "speed"}
TEXT = """
function %f(i64, i32) -> i64 system_v {
    fn0 = colocated %g(i64) -> i64 system_v
block0(v0: i64, v1: i32):
    v2 = load.i64 v0+8
    v3 = sextend.i64 v1
    v4 = udiv.i64 v2, v3
    v5 = call fn0(v4)
    return v5
}
"""


def test_a_release_compiles_as_the_linked_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler = ReleaseCompiler.build(Release("0.135.8"))
    assert compiler.version == "0.135.8"
    for isa in ("x86_64", "aarch64"):
        target = Target.of(isa, SPEED)
        (ours,), (theirs,) = compiler.compile(TEXT, target), compile_text(TEXT, target)
        assert (ours.code, ours.relocations, ours.traps, ours.alignment, ours.instructions) == (
            theirs.code,
            theirs.relocations,
            theirs.traps,
            theirs.alignment,
            theirs.instructions,
        )
    with pytest.raises(ReadError):
        compiler.compile("function %f(i64) {", Target.of("x86_64"))
    with pytest.raises(SettingsError):
        compiler.compile(TEXT, Target.of("x86_64", {"no_such_setting": "true"}))
    panics = (CORPUS / "cranelift" / "isub-self-i8x8.clif").read_text()
    with pytest.raises(CompilerPanic) as panic:
        compiler.compile(panics, Target.of("aarch64", SPEED))
    assert panic.value.location.startswith("cranelift-codegen/out/isle_opt.rs:")
    # Now it is there, and that another was never published is known without building.
    assert ReleaseCompiler.build(Release("0.135.8")).program == compiler.program
    with pytest.raises(UnavailableError, match="never published"):
        ReleaseCompiler.build(Release("0.110.0"))
