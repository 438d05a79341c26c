"""Builds against a local Cranelift, for real: minutes each, so only where asked for.

    CLIF_FUZZ_TEST_BUILDS=1 scripts/test tests/scripts/test_builds.py

They imitate what a Cranelift developer has: copies of the published crates, changed in one place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(
        "CLIF_FUZZ_TEST_BUILDS" not in os.environ, reason="CLIF_FUZZ_TEST_BUILDS is not set"
    ),
]

SUM = """
from backend.cranelift.compiler import Target, compile_text, version
text = '''function %f(i32) -> i32 system_v {
block0(v0: i32):
    v1 = iconst.i32 0
    v2 = iadd v0, v1
    return v2
}'''
(compiled,) = compile_text(text, Target.of("x86_64", {"opt_level": "speed"}), clif=True)
print(version(), "return v0" in compiled.clif)
"""


#: The machine code need not be fast here, so that building takes a third of the time.
QUICK = {
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
}


def registry() -> Path:
    """Return where cargo unpacked the published crates."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    (codegen,) = home.glob("registry/src/*/cranelift-codegen-0.135.8")
    return codegen.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield an empty folder; remove the environments made for what is put into it."""
    before = set(ROOT.glob(".venv-*"))
    yield tmp_path_factory.mktemp("cranelift")
    for path in set(ROOT.glob(".venv-*")) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def codegen(folder: Path) -> Path:
    """Return a fresh copy of the pinned crate, in one place: the tests share its environment."""
    path = folder / "changed"
    shutil.rmtree(path, ignore_errors=True)
    # New times: to cargo a file with an older time than the last build is one that it has built.
    source = registry() / "cranelift-codegen-0.135.8"
    shutil.copytree(source, path, copy_function=shutil.copy)
    return path


def break_rule(codegen: Path) -> None:
    """Make the mid-end's first rule turn ``x + 0`` into 0."""
    path = codegen / "src" / "opts" / "arithmetic.isle"
    head, rule, tail = path.read_text().partition("(rule iadd_x_plus_zero")
    assert rule
    path.write_text(head + rule + tail.replace("(subsume x)", "(subsume (iconst_u ty 0))", 1))


def run(cranelift: Path | str) -> subprocess.CompletedProcess[str]:
    """Set up the environment and run ``SUM`` in it."""
    setup = subprocess.run(
        ["sh", "-c", '. "$0" && printf %s "$environment"', ROOT / "scripts" / "setup"],
        env={**os.environ, **QUICK, "CLIF_FUZZ_CRANELIFT": str(cranelift)},
        capture_output=True,
        text=True,
        check=False,
    )
    if setup.returncode:
        return setup
    python = Path(setup.stdout) / "bin" / "python"
    return subprocess.run([python, "-c", SUM], cwd=ROOT, capture_output=True, text=True, check=True)


def test_a_changed_codegen_and_then_another_change(codegen: Path) -> None:
    assert run(codegen).stdout.endswith("True\n")
    break_rule(codegen)
    assert run(codegen).stdout.endswith("False\n")
    with (codegen / "src" / "opts" / "arithmetic.isle").open("a") as rules:
        rules.write("(rule (simplify (iadd ty)) x)")
    result = run(codegen)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert "does not build with the extension: error: type error" in last
    assert "arithmetic.isle" in last


def test_a_tree_of_another_version(folder: Path) -> None:
    tree = folder / "wasmtime"
    for path in registry().glob("cranelift-*-0.135.8"):
        name = path.name.removeprefix("cranelift-").removesuffix("-0.135.8")
        shutil.copytree(path, tree / "cranelift" / name)
    # As in Wasmtime's tree, Pulley's interpreter lies beside Cranelift, and shares a crate with it.
    shutil.copytree(registry() / "pulley-interpreter-48.0.8", tree / "pulley")
    for manifest in tree.rglob("Cargo.toml"):
        text = manifest.read_text().replace("0.135.8", "0.136.0")
        pulley = "[dependencies.pulley-interpreter]\n"
        manifest.write_text(text.replace(pulley, f'{pulley}path = "../../pulley"\n'))
    break_rule(tree / "cranelift" / "codegen")
    assert run(tree).stdout == "0.136.0 False\n"


def test_an_api_that_differs(codegen: Path) -> None:
    path = codegen / "src" / "context.rs"
    path.write_text(path.read_text().replace("optimize(", "optimise("))
    result = run(codegen)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert "this Cranelift (0.135.8) does not build with the extension: error" in last
    assert "optimize" in last


def test_a_version_alone_that_was_never_published(codegen: Path) -> None:
    manifest = codegen / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace('"0.135.8"', '"0.135.99"', 1))
    result = run(codegen)
    assert result.returncode == 2
    assert "give the whole tree" in result.stderr.splitlines()[-1]


def test_another_release_by_its_number() -> None:
    """0.134 builds with the Rust that the pinned release needs."""
    before = set(ROOT.glob(".venv-*"))
    try:
        assert run("0.134.4").stdout == "0.134.4 True\n"
    finally:
        for path in set(ROOT.glob(".venv-*")) - before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
