"""Why a release is not available, in one line."""

from __future__ import annotations

import pytest

from backend.cranelift import release_build
from backend.cranelift.release_build import RegistryError

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
