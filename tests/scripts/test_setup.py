"""What ``scripts/fuzz`` and ``scripts/test`` do before they start, short of building anything.

Each test has a checkout of its own, with an environment that looks finished.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

TOOLS = ("sh", "dirname", "basename", "cat", "env")

MARK = """
import sys
sys.path.insert(0, "scripts/environment")
from stamps import Stamps
from variant import Variant
stamps = Stamps(Variant.of("", ""))
stamps.mark_packages()
stamps.mark_extension()
"""


class Checkout:
    """A copy of what the scripts need, and a ``PATH`` with nothing but the basics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "check out"
        for name in ("scripts", ".cargo", "backend/build", "backend/src"):
            shutil.copytree(
                ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy2(ROOT / name, self.folder / name)
        for name in ("Cargo.toml", "Cargo.lock", "build.rs"):
            shutil.copy2(ROOT / "backend" / name, self.folder / "backend" / name)
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in TOOLS:
            self.link(tool)
        self.environment: dict[str, str] = {}

    def link(self, tool: str, source: str | None = None) -> None:
        found = source or shutil.which(tool)
        assert found is not None, tool
        (self.path / tool).symlink_to(found)

    def command(self, name: str, text: str) -> None:
        path = self.path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def finish_environment(self) -> None:
        venv = self.folder / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        (site,) = venv.glob("lib/python*/site-packages")
        (site / "backend" / "cranelift").mkdir(parents=True)
        (site / "backend" / "cranelift" / "_cranelift.abi3.so").touch()
        command = venv / "bin" / "clif-fuzz"
        command.write_text('#!/bin/sh\nfor word; do echo "<$word>"; done\n')
        command.chmod(0o755)
        subprocess.run([venv / "bin" / "python", "-c", MARK], cwd=self.folder, check=True)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "scripts" / script, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": str(self.path), "HOME": str(self.folder), **self.environment},
        )


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    """A fresh clone."""
    return Checkout(tmp_path)


@pytest.fixture
def ready(bare: Checkout) -> Checkout:
    """A checkout whose environment is up to date."""
    bare.finish_environment()
    return bare


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The only line that a refusal says, on stderr, with exit code 2."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_arguments_are_passed_on(ready: Checkout) -> None:
    result = ready.run("fuzz", "--seconds", "1", "a b", "", "--", "*", "--assertions", "on", "-x")
    assert result.stderr == ""
    words = ["run", "--seconds", "1", "a b", "", "--", "*", "-x"]
    assert result.stdout == "".join(f"<{word}>\n" for word in words)


def test_new_times_alone_mean_nothing(ready: Checkout) -> None:
    os.utime(ready.folder / "backend" / "src" / "lib.rs")
    os.utime(ready.folder / "pyproject.toml", (1, 1))
    assert ready.run("fuzz").stdout == "<run>\n"


@pytest.mark.parametrize("name", ["backend/src/lib.rs", "backend/Cargo.toml", ".cargo/config.toml"])
def test_a_changed_source_is_built(ready: Checkout, name: str) -> None:
    path = ready.folder / name
    path.write_text(f"{path.read_text()}\n")
    ready.link("python3", sys.executable)
    assert "needs cargo" in one_line(ready.run("fuzz"))


def test_a_new_source_is_built(ready: Checkout) -> None:
    (ready.folder / "backend" / "src" / "more.rs").touch()
    ready.link("python3", sys.executable)
    assert "needs cargo" in one_line(ready.run("fuzz"))


def test_a_missing_extension_is_built(ready: Checkout) -> None:
    (module,) = ready.folder.glob(".venv/lib/python*/site-packages/backend/cranelift/_cranelift*")
    module.unlink()
    ready.link("python3", sys.executable)
    assert "needs cargo" in one_line(ready.run("fuzz"))


def test_an_interrupted_setup_is_done_again(ready: Checkout) -> None:
    (ready.folder / ".venv" / "stamps.json").write_text('{"packages":')
    ready.link("python3", sys.executable)
    assert "needs cargo" in one_line(ready.run("fuzz"))


def test_a_moved_checkout_is_set_up_anew(ready: Checkout) -> None:
    ready.folder = ready.folder.rename(ready.folder.with_name("moved"))
    ready.link("python3", sys.executable)
    assert "needs cargo" in one_line(ready.run("fuzz"))


@pytest.mark.parametrize("script", ["fuzz", "test"])
def test_no_python(bare: Checkout, script: str) -> None:
    line = one_line(bare.run(script))
    assert line.startswith(f"scripts/{script}: needs Python 3.11 or newer")


def test_python_is_too_old(bare: Checkout) -> None:
    bare.command("python3", "exit 1")  # as its own look at its version would end
    assert "needs Python 3.11" in one_line(bare.run("fuzz"))


def test_a_newer_python_is_found(bare: Checkout) -> None:
    bare.command("python3", "exit 1")
    bare.command("python3.13", "exit 127")
    bare.link("python3.12", sys.executable)
    assert "needs cargo" in one_line(bare.run("fuzz"))


def test_everything_missing_is_named_at_once(bare: Checkout) -> None:
    bare.link("python3", sys.executable)
    line = one_line(bare.run("fuzz"))
    assert "cargo" in line
    assert "C compiler" in line


def test_rust_is_too_old(bare: Checkout) -> None:
    bare.link("python3", sys.executable)
    bare.command("cargo", "exit 1")
    bare.command("cc", "exit 1")
    bare.command("rustc", "echo 'rustc 1.70.0 (abc 2023-01-01)'")
    assert one_line(bare.run("fuzz")).endswith("needs Rust 1.95 or newer (found 1.70)")


def test_options_need_values(bare: Checkout) -> None:
    assert one_line(bare.run("fuzz", "--cranelift")).endswith("--cranelift needs a value")
    bare.link("python3", sys.executable)
    assert "'maybe'" in one_line(bare.run("fuzz", "--assertions", "maybe"))


@pytest.mark.parametrize("variable", [False, True])
def test_a_local_cranelift_that_is_none(bare: Checkout, variable: bool) -> None:
    bare.link("python3", sys.executable)
    arguments = ["--cranelift", str(bare.folder)]
    if variable:
        arguments = []
        bare.environment["CLIF_FUZZ_CRANELIFT"] = str(bare.folder)
    assert "neither a Wasmtime working tree" in one_line(bare.run("fuzz", *arguments))


def test_a_local_cranelift_that_is_missing(bare: Checkout) -> None:
    bare.link("python3", sys.executable)
    assert "there is no folder" in one_line(bare.run("test", "--cranelift=/no/such/folder"))


def test_variants_are_apart(ready: Checkout) -> None:
    """Another variant than the one that is ready needs an environment of its own."""
    ready.link("python3", sys.executable)
    assert "needs cargo" in one_line(ready.run("fuzz", "--assertions", "off"))
    assert ready.run("fuzz").stdout == "<run>\n"


def test_two_setups_do_not_meet(bare: Checkout) -> None:
    bare.link("python3", sys.executable)
    command = [bare.folder / "scripts" / "fuzz"]
    with (bare.folder / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={"PATH": str(bare.path)}
        ) as second:
            assert second.stderr is not None
            assert "another setup is at work" in second.stderr.readline()
            assert second.poll() is None
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert "needs cargo" in second.stderr.readline()
    assert second.returncode == 2


@pytest.mark.parametrize("script", ["fuzz", "test"])
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_needs_no_environment(tmp_path: Path, script: str, word: str) -> None:
    checkout = Checkout(tmp_path)  # without Python
    asked = checkout.run(script, "--seconds", "60", word)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.startswith(f"Usage: scripts/{script} ")
    for option in ("--cranelift DIR", "--toolchain NAME", "--assertions on|off"):
        assert option in asked.stdout
    assert not (checkout.folder / ".venv").exists()


def test_help_shows_the_options_of_a_run(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.finish_environment()
    asked = checkout.run("fuzz", "--help")
    assert asked.stdout.endswith("\n<run>\n<--help>\n")


def test_a_toolchain_has_an_environment_of_its_own(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.link("python3", sys.executable)
    checkout.command("cargo", "exit 1")
    checkout.command("cc", "exit 1")
    checkout.command("rustc", 'echo "rustc 1.2.3 of $RUSTUP_TOOLCHAIN" | tee "$HOME/asked"')
    checkout.link("tee")
    asked = checkout.run("fuzz", "--toolchain", "nightly-2026")
    assert asked.returncode == 2
    assert "found 1.2" in asked.stderr
    assert (checkout.folder / "asked").read_text() == "rustc 1.2.3 of nightly-2026\n"
    assert (checkout.folder / ".venv-nightly-2026.lock").exists()
    assert "a name of rustup's" in checkout.run("fuzz", "--toolchain", "no such").stderr


# --- other versions of Cranelift ---

#: Stands for cargo: what `metadata` says of the crates, and how `check` ends.
CARGO = """
case $1 in
    metadata) echo '{"packages": [{"rust_version": "1.80"}, {"rust_version": "1.97.0"},'
              echo '{"rust_version": null}]}' ;;
    check) echo 'error[E0432]: unresolved import `Context`' >&2
           echo '  --> src/compile.rs:1:5' >&2
           exit 101 ;;
esac
"""


@pytest.fixture
def tools(bare: Checkout) -> Checkout:
    """A fresh clone with all that a build needs: Rust 1.95, and 1.97 among rustup's toolchains."""
    bare.link("python3", sys.executable)
    bare.command("cargo", CARGO)
    bare.command("cc", "exit 1")
    bare.command(
        "rustc",
        "case $RUSTUP_TOOLCHAIN in new*) echo rustc 1.97.0-nightly;; *) echo rustc 1.95.0; esac",
    )
    bare.command(
        "rustup",
        'echo "1.95.0-x86_64-unknown-linux-gnu (active)"; echo new-x86_64-unknown-linux-gnu',
    )
    return bare


def tree(folder: Path, version: str) -> Path:
    """Make what looks like a Wasmtime working tree of a version of Cranelift."""
    manifest = folder / "wasmtime" / "cranelift" / "codegen" / "Cargo.toml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(f'[package]\nname = "cranelift-codegen"\nversion = "{version}"\n')
    return folder / "wasmtime"


def nothing_installed(checkout: Checkout) -> bool:
    return not list(checkout.folder.glob(".venv*/bin"))


def test_a_version_that_is_too_old(bare: Checkout, tmp_path: Path) -> None:
    bare.link("python3", sys.executable)
    older = "is older than 0.134"
    assert older in one_line(bare.run("fuzz", "--cranelift", "0.133.2"))
    assert older in one_line(bare.run("fuzz", "--cranelift", str(tree(tmp_path, "0.99.0-dev"))))


def test_the_toolchain_that_would_do_is_named(tools: Checkout) -> None:
    line = one_line(tools.run("fuzz", "--cranelift", "0.137.1"))
    assert line.endswith(
        "Cranelift 0.137.1 needs Rust 1.97 or newer (found 1.95); "
        "an installed toolchain would do: --toolchain new"
    )
    assert nothing_installed(tools)


def test_no_toolchain_would_do(tools: Checkout) -> None:
    tools.command("rustup", "exit 1")
    assert "no installed toolchain" in one_line(tools.run("fuzz", "--cranelift", "0.137"))


def test_a_tree_that_the_extension_does_not_fit(tools: Checkout, tmp_path: Path) -> None:
    """Nothing is installed before the extension has been checked against the tree."""
    folder = tree(tmp_path, "0.137.0-dev")
    result = tools.run("fuzz", "--toolchain", "new", "--cranelift", str(folder))
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert "this Cranelift (0.137.0-dev) does not build with the extension" in last
    assert "unresolved import `Context`" in last
    assert "src/compile.rs:1:5" in last
    assert nothing_installed(tools)


def test_a_version_that_was_never_published(tools: Checkout) -> None:
    tools.command("cargo", "echo 'error: failed to select a version for x' >&2; exit 101")
    line = one_line(tools.run("fuzz", "--toolchain", "new", "--cranelift", "0.134.99"))
    assert "failed to select a version for x" in line


def test_rustup_toolchain_counts_as_the_option(tools: Checkout) -> None:
    tools.environment["RUSTUP_TOOLCHAIN"] = "new"
    tools.command("cargo", "exit 1")
    tools.run("fuzz", "--cranelift", "0.137.1")
    assert (tools.folder / ".venv-0.137.1-new.lock").exists()


def test_the_pinned_version_is_the_default_environment(ready: Checkout) -> None:
    ready.link("python3", sys.executable)
    assert ready.run("fuzz", "--cranelift", "0.135.8").stdout == "<run>\n"


def test_rules_that_cannot_be_read_do_not_stop_the_build(tools: Checkout, tmp_path: Path) -> None:
    """Where our reader of rules does not compile, the extension is tried without it."""
    tools.link("grep")
    tools.command(
        "cargo",
        """
        [ "$1" = metadata ] && echo '{"packages": []}' && exit
        if grep -q '"default" = \\["rules"' "$5"; then
            echo 'error: could not compile `clif-fuzz-backend` (build script)' >&2
        else
            echo 'error[E0599]: no method named `optimize`' >&2
        fi
        exit 101""",
    )
    result = tools.run("fuzz", "--cranelift", str(tree(tmp_path, "0.137.0-dev")))
    assert "rules cannot be read" in result.stderr
    assert "no method named `optimize`" in result.stderr.splitlines()[-1]
