"""The crate's manifest for another Cranelift than the pinned release.

For another release the dependencies have another version. So it is for a lone
``cranelift-codegen``, which replaces the published one by a ``[patch]``; of a Wasmtime tree the
dependencies become paths into the tree. The manifest is written into the environment and refers to
the checkout's sources; the checkout's own manifest is not changed.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

from variant import Variant
from versions import CODEGEN, ROOT

_BACKEND = ROOT / "backend"


def manifest_for(variant: Variant, *, rules: bool = True) -> Path:
    """Return the manifest to build for an environment, written if needed.

    Args:
        rules: whether the extension is to contain Cranelift's rules.
    """
    if variant.pinned:
        return _BACKEND / "Cargo.toml"
    folder = variant.folder / "crate"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "Cargo.toml"
    text = _adapted(variant, rules)
    # An unchanged file keeps its modification time, so that cargo does not build again.
    if not manifest.exists() or manifest.read_text() != text:
        manifest.write_text(text)
        # All other dependencies stay at the tested versions.
        shutil.copyfile(_BACKEND / "Cargo.lock", folder / "Cargo.lock")
    return manifest


def _adapted(variant: Variant, rules: bool) -> str:
    data = tomllib.loads((_BACKEND / "Cargo.toml").read_text())
    data["lib"]["path"] = str(_BACKEND / "src" / "lib.rs")
    data["package"]["build"] = str(_BACKEND / "build.rs")
    # Which Rust a Cranelift needs is checked before: versions.py.
    del data["package"]["rust-version"]
    if not rules:
        data["features"]["default"].remove("rules")
    tables = (data["dependencies"], data["build-dependencies"])
    cranelift = variant.cranelift
    if cranelift is not None:
        # The extension tells by its version that its Cranelift is not a published one.
        data["package"]["version"] += "+local"
    if cranelift is not None and variant.whole_tree:
        local = _crates(cranelift)
        for needed in tables:
            for name in [name for name in needed if name in local]:
                needed[name] = _local(needed[name], local[name])
        # Some trees name their own crates by version: these, too, must come from the tree.
        data["patch"] = {"crates-io": {name: {"path": str(path)} for name, path in local.items()}}
    else:
        for needed in tables:
            for name in [name for name in needed if name.startswith("cranelift-")]:
                needed[name] = _of_version(needed[name], variant.version)
    if cranelift is not None and not variant.whole_tree:
        data["patch"] = {"crates-io": {CODEGEN: {"path": str(cranelift)}}}
    data["workspace"] = {}  # neither the checkout's nor the tree's
    return _to_toml(data)


def _of_version(given: str | dict[str, Any], version: str) -> dict[str, Any]:
    """Return a dependency on another release: ``0.136`` stands for its last patch release."""
    options = dict(given) if isinstance(given, dict) else {}
    exact = version.count(".") > 1
    return {**options, "version": f"={version}" if exact else f"{version}.0"}


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
