//! Names what the releases of Cranelift differ in. The manifest (`backend/cranelift/release_build.py`
//! writes it) gives this crate the version of the Cranelift that it is built with. What began within
//! the last year is looked up in the sources, since trees lie between two releases.

#[path = "../build/cranelift_sources.rs"]
mod cranelift_sources;

/// What came with which release, as the minor version: 0.96, 0.97, 0.101. Chaos mode is as old as the
/// control plane; it is built for the releases that it is tried with (`release_build.py` says which).
const SINCE: [(&str, u32); 4] = [
    ("chaos_mode", 134),
    ("control_plane", 96),
    ("function_alignment", 97),
    ("relocation_targets", 101),
];

/// What exception tables, stack maps and value labels are read with.
const CALL_DETAILS: [&str; 2] = ["exception_contexts", "call_frame_offsets"];

fn main() {
    println!("cargo::rerun-if-changed={}", file!());
    let metadata = cranelift_sources::metadata();
    let sources = metadata.and_then(|metadata| cranelift_sources::find(&metadata));
    let held = cranelift_sources::set_cfgs(sources.as_deref().ok());
    println!("cargo::rustc-check-cfg=cfg(call_details)");
    if CALL_DETAILS.iter().all(|cfg| held.contains(cfg)) {
        println!("cargo::rustc-cfg=call_details");
    }
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let major: u32 = number("CARGO_PKG_VERSION_MAJOR").unwrap_or(0);
    let minor: u32 = number("CARGO_PKG_VERSION_MINOR").unwrap_or(0);
    for (name, since) in SINCE {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if major > 0 || minor >= since {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
