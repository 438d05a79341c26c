"""The crate's manifest for a local Cranelift.

A lone ``cranelift-codegen`` has the pinned version, so one ``[patch]`` is enough. A Wasmtime tree
has another version, which a patch cannot replace, so the dependencies become paths into the tree.
The manifest is written into the environment and refers to the checkout's sources; the checkout's
own manifest is not changed.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

from messages import SetupError
from variant import CODEGEN, ROOT, Variant

_BACKEND = ROOT / "backend"


def manifest_for(variant: Variant) -> Path:
    """Return the manifest to build for an environment, written if needed.

    Raises:
        SetupError: a lone ``cranelift-codegen`` has another version than the pinned one.
    """
    if variant.cranelift is None:
        return _BACKEND / "Cargo.toml"
    folder = variant.folder / "crate"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "Cargo.toml"
    text = _adapted(variant, variant.cranelift)
    # An unchanged file keeps its modification time, so that cargo does not build again.
    if not manifest.exists() or manifest.read_text() != text:
        manifest.write_text(text)
        # All other dependencies stay at the tested versions.
        shutil.copyfile(_BACKEND / "Cargo.lock", folder / "Cargo.lock")
    return manifest


def _adapted(variant: Variant, cranelift: Path) -> str:
    data = tomllib.loads((_BACKEND / "Cargo.toml").read_text())
    data["lib"]["path"] = str(_BACKEND / "src" / "lib.rs")
    # The extension tells by its version that its Cranelift is not the published one.
    data["package"]["version"] += "+local"
    build = _BACKEND / "build.rs"
    data["package"]["build"] = str(build) if build.exists() else False
    dependencies = data["dependencies"]
    if variant.whole_tree:
        local = _crates(cranelift)
        for needed in (dependencies, data["build-dependencies"]):
            for name in [name for name in needed if name in local]:
                needed[name] = _local(needed[name], local[name])
        # Some trees name their own crates by version: these, too, must come from the tree.
        data["patch"] = {"crates-io": {name: {"path": str(path)} for name, path in local.items()}}
    else:
        _require_pinned_version(cranelift, dependencies)
        data["patch"] = {"crates-io": {CODEGEN: {"path": str(cranelift)}}}
    data["workspace"] = {}  # neither the checkout's nor the tree's
    return _to_toml(data)


def _local(given: str | dict[str, Any], crate: Path) -> dict[str, Any]:
    """Return a dependency on a folder instead of a release."""
    options = dict(given) if isinstance(given, dict) else {}
    options.pop("version", None)
    if "features" in options:
        known = _features(crate)
        options["features"] = [f for f in options["features"] if f in known]
    return {"path": str(crate), **options}


def _crates(tree: Path) -> dict[str, Path]:
    """Return the folders of the Cranelift crates in a Wasmtime tree, by name."""
    crates = {}
    for manifest in sorted(tree.glob("cranelift/**/Cargo.toml")):
        if "target" in manifest.relative_to(tree).parts:
            continue
        try:
            name = tomllib.loads(manifest.read_text()).get("package", {}).get("name", "")
        except ValueError:
            continue
        if re.fullmatch(r"cranelift(-[a-z0-9-]+)?", name):
            crates[name] = manifest.parent
    return crates


def _features(crate: Path) -> set[str]:
    """Return the features that a crate has: another version may lack one that we ask for."""
    data = tomllib.loads((crate / "Cargo.toml").read_text())
    return set(data.get("features", {}))


def _require_pinned_version(folder: Path, dependencies: dict[str, Any]) -> None:
    pinned = dependencies[CODEGEN]["version"].removeprefix("=")
    package = tomllib.loads((folder / "Cargo.toml").read_text())["package"]
    version = package.get("version")
    if version != pinned:
        raise SetupError(
            f"--cranelift: {folder} is {CODEGEN} {version}, but a lone one must be {pinned}; "
            "for another version give the whole Wasmtime tree"
        )


def _to_toml(data: dict[str, Any]) -> str:
    """Return a manifest as text. Strings, numbers and lists are written alike in JSON and TOML."""
    lines: list[str] = []
    _table(lines, (), data)
    return "\n".join(lines) + "\n"


def _table(lines: list[str], path: tuple[str, ...], table: dict[str, Any]) -> None:
    if path:
        lines.append(f"[{'.'.join(json.dumps(part) for part in path)}]")
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines += [
        f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in table.items()
        if key not in inner
    ]
    lines.append("")
    for key, value in inner.items():
        _table(lines, (*path, key), value)
