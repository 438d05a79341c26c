"""Why a release is not available, in one line; building a tree that changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.cranelift import release_build
from backend.cranelift.release_build import (
    InconclusiveBuildError,
    RegistryError,
    UnavailableError,
    build_tree,
)

TOO_OLD = """error: rustc 1.95.0 is not supported by the following packages:
  cranelift-bforest@0.137.1 requires rustc 1.97.0
  cranelift-codegen@0.137.1 requires rustc 1.96.0
"""


@pytest.fixture
def toolchains(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Return the toolchains that rustup is said to have."""
    found = {"1.95.0": (1, 95), "nightly": (1, 97)}
    monkeypatch.setattr(release_build, "_toolchains", lambda: list(found))
    monkeypatch.setattr(release_build, "_rust_number", lambda name: found[name])
    return found


def test_the_rust_that_is_needed_and_a_toolchain_that_has_it(
    toolchains: dict[str, tuple[int, int]],
) -> None:
    reason = "needs a newer Rust, 1.97 at least"
    assert release_build._reason(TOO_OLD) == f"{reason}: --toolchain nightly would do"
    del toolchains["nightly"]
    assert release_build._reason(TOO_OLD) == reason


def test_other_reasons() -> None:
    never = "error: failed to select a version for the requirement `cranelift-codegen`"
    assert release_build._reason(never) == "never published"
    assert release_build._reason("error[E0308]: mismatched").startswith("does not build: ")
    with pytest.raises(RegistryError):
        release_build._reason("error: failed to download from x")


ISLE = """error: failed to run custom build command for `cranelift-codegen v0.134.4 (/some/where)`
  --- stdout
  cargo:rerun-if-changed=build.rs
  --- stderr
  Rebuilding /some/where/isle_opt.rs
  Error building ISLE files:
  type error: Unknown term in expression: 'rv_fcvtsh'
  src/isa/riscv64/lower.isle:1810:3:   (rv_fcvtsh x))
"""


def test_what_is_wrong_with_the_rules() -> None:
    wrong = "type error: Unknown term in expression: 'rv_fcvtsh'"
    assert release_build._reason(ISLE) == f"does not build: {wrong}"
    assert "custom build command" in release_build._reason(ISLE.partition("  --- stderr")[0])


@pytest.mark.parametrize(
    "log",
    [
        "error: failed to write `x`\n\nCaused by:\n  No space left on device (os error 28)",
        "error: could not compile `x` (lib)\n  process ... (signal: 9, SIGKILL: kill)",
    ],
)
def test_an_exhausted_machine_says_nothing_about_a_release(log: str) -> None:
    with pytest.raises(InconclusiveBuildError, match="cannot build: "):
        release_build._reason(log)


# --- a tree that changes ---

#: Instead of cargo: notes how it is called, and does what the lines of a file say, one a call.
CARGO = """\
#!/bin/sh
echo "incremental ${CARGO_INCREMENTAL-unset}, $(cat Cargo.lock | head -n 1)" >> calls
todo=$(head -n 1 todo)
sed -i 1d todo
case $todo in
    works)
        echo program > built
        printf '{"reason": "compiler-artifact", "executable": "%s/built", ' "$PWD"
        echo '"target": {"name": "clif-fuzz-release"}}'
        ;;
    *) echo "$todo" >&2; exit 101 ;;
esac
"""
LOCK = '[[package]]\nname = "cranelift-codegen"\nversion = "0.135.0"\n'

Calls = Callable[..., list[str]]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Build a tree, where cargo does what is said, and return how it was called."""
    codegen = tmp_path / "tree" / "cranelift" / "codegen"
    codegen.mkdir(parents=True)
    manifest = '[package]\nname = "cranelift-codegen"\nversion = "0.135.0"\n'
    (codegen / "Cargo.toml").write_text(manifest)
    (tmp_path / "tree" / "Cargo.lock").write_text(LOCK)
    place, programs = tmp_path / "place", tmp_path / "programs"
    (place / "target").mkdir(parents=True)
    programs.mkdir()
    (programs / "cargo").write_text(CARGO)
    (programs / "cargo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    def build(*todo: str) -> list[str]:
        (place / "todo").write_text("".join(f"{line}\n" for line in todo))
        (place / "calls").unlink(missing_ok=True)
        program, version = build_tree(place, tmp_path / "tree")
        assert (program.read_text(), version) == ("program\n", "0.135.0")
        return (place / "calls").read_text().splitlines()

    return build


def test_a_tree_is_built_incrementally_with_its_own_lock_file(built: Calls, tmp_path: Path) -> None:
    assert built("works") == ["incremental 1, [[package]]"]
    assert (tmp_path / "place" / "target").exists()


def test_after_a_crash_of_the_compiler_all_is_built_anew(built: Calls, tmp_path: Path) -> None:
    calls = built("error: internal compiler error: encountered incremental", "works")
    assert [call.partition(",")[0] for call in calls] == ["incremental 1", "incremental 0"]
    assert not (tmp_path / "place" / "target").exists()


def test_a_tree_that_does_not_build_is_tried_once(built: Calls, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="does not build: error"):
        built("error[E0308]: mismatched types", "works")
    assert (tmp_path / "place" / "todo").read_text() == "works\n"
    assert (tmp_path / "place" / "target").exists()
