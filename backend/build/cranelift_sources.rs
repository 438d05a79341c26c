//! The sources of the Cranelift that cargo resolved, and what its API has.
//!
//! The extension (`backend/build.rs`) and the program of other releases (`backend/release/build.rs`)
//! are built with many versions, trees between two releases among them. So what differs is looked up
//! in the sources instead of concluded from a version. Mostly `backend/src/shims.rs` uses what is found.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A difference of the API: a `cfg`, and the text that the sources have where it holds.
struct Difference {
    cfg: &'static str,
    /// A file of `cranelift-codegen`.
    file: &'static str,
    /// The text is looked for between this one and the next semicolon. It may be empty.
    within: &'static str,
    text: &'static str,
    /// What holds where the sources are not found: that of the pinned release.
    pinned: bool,
}

const DIFFERENCES: [Difference; 8] = [
    // 0.135: whoever compiles lends the register allocator its memory.
    Difference {
        cfg: "lent_regalloc_context",
        file: "src/isa/mod.rs",
        within: "fn compile_function(",
        text: "regalloc2::Ctx",
        pinned: true,
    },
    // 0.137: relocations, source locations and the alignment have one type each, before and after a
    // function is finished.
    Difference {
        cfg: "finalized_relocations",
        file: "src/lib.rs",
        within: "pub use crate::machinst::buffer::",
        text: "FinalizedRelocTarget",
        pinned: true,
    },
    Difference {
        cfg: "finalized_source_locations",
        file: "src/machinst/buffer.rs",
        within: "pub struct MachSrcLoc",
        text: "pub loc: T::",
        pinned: true,
    },
    Difference {
        cfg: "finalized_alignment",
        file: "src/machinst/buffer.rs",
        within: "pub alignment: u32",
        text: "",
        pinned: true,
    },
    // Tables of frames of a chosen kind, whatever the calling convention: not in the oldest.
    Difference {
        cfg: "chosen_unwind_info",
        file: "src/machinst/mod.rs",
        within: "pub fn create_unwind_info_of_kind",
        text: "",
        pinned: true,
    },
    // Tables of exceptions as whoever unwinds needs them, which came in two steps.
    Difference {
        cfg: "exception_contexts",
        file: "src/machinst/buffer.rs",
        within: "pub enum ExceptionContextLoc",
        text: "",
        pinned: true,
    },
    Difference {
        cfg: "call_frame_offsets",
        file: "src/machinst/buffer.rs",
        within: "pub struct FinalizedMachCallSite",
        text: "frame_offset",
        pinned: true,
    },
    // Inlining also within what was inlined.
    Difference {
        cfg: "nested_inlining",
        file: "src/inline.rs",
        within: "visit_callee: bool",
        text: "",
        pinned: true,
    },
];

/// Sets the `cfg`s of the API that the sources have, and returns them.
pub fn set_cfgs(sources: Option<&Path>) -> Vec<&'static str> {
    println!("cargo:rerun-if-changed={}", file!());
    let mut held = Vec::new();
    for difference in &DIFFERENCES {
        println!("cargo:rustc-check-cfg=cfg({})", difference.cfg);
        if holds(difference, sources) {
            println!("cargo:rustc-cfg={}", difference.cfg);
            held.push(difference.cfg);
        }
    }
    held
}

fn holds(difference: &Difference, sources: Option<&Path>) -> bool {
    let Some(file) = sources.map(|sources| sources.join(difference.file)) else {
        return difference.pinned;
    };
    println!("cargo:rerun-if-changed={}", file.display());
    let Ok(text) = std::fs::read_to_string(file) else {
        return false;
    };
    let mut places = text.split(difference.within).skip(1);
    places.any(|rest| {
        let part = rest.split(';').next().unwrap_or_default();
        part.contains(difference.text)
    })
}

/// What cargo says about all packages that are built.
pub fn metadata() -> Result<Value, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let manifest = std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo") + "/Cargo.toml";
    let target = std::env::var("TARGET").expect("set by cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline"])
        .args(["--filter-platform", &target, "--manifest-path", &manifest])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let line = message.lines().next().unwrap_or_default();
        return Err(format!("cargo metadata: {line}"));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// Finds the folder of the very `cranelift-codegen` that cargo builds with.
pub fn find(metadata: &Value) -> Result<PathBuf, String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| package["name"] == "cranelift-codegen")
        .find_map(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(Path::to_path_buf)
        .ok_or_else(|| "cargo metadata names no cranelift-codegen".into())
}
