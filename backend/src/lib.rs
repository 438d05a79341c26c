//! `backend.cranelift._cranelift`: Cranelift for Python. CLIF text in; machine code, metadata and errors out.
//!
//! The crate stays thin: whatever can be decided in Python is decided there.

mod bounds;
mod cache;
mod call_sites;
mod compile;
mod coverage;
mod errors;
mod failure;
mod frontend;
mod host_calls;
mod inline;
mod interpret;
mod isa;
mod labels;
mod lines;
#[cfg(feature = "modules")]
mod modules;
mod names;
mod opcodes;
mod panics;
mod reader;
mod run_command;
mod shims;
mod sweep;
mod timing;
mod tlb;
mod types;
mod unwind;
mod x86_features;

use pyo3::prelude::*;

/// The version of the Cranelift that is linked in.
#[pyfunction]
fn version() -> &'static str {
    cranelift_codegen::VERSION
}

/// Cranelift's rules as JSON (see `build/isle.rs`), or in `error` why they could not be read.
#[pyfunction]
fn isle() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/isle.json"))
}

/// The program that runs Pulley bytecode, as an executable; the version of its interpreter; the
/// table of its opcodes; and why it could not be built, if it was not (see `build/pulley.rs`).
#[pyfunction]
fn pulley_program() -> (&'static [u8], &'static str, &'static str, &'static str) {
    (
        include_bytes!(concat!(env!("OUT_DIR"), "/pulley.program")),
        include_str!(concat!(env!("OUT_DIR"), "/pulley.version")),
        include_str!(concat!(env!("OUT_DIR"), "/pulley.opcodes")),
        include_str!(concat!(env!("OUT_DIR"), "/pulley.reason")),
    )
}

/// The same program for guests of another address width or byte order than the host's; and why it
/// could not be built, if it was not (see `build/retarget.rs`).
#[pyfunction]
fn retargeted_pulley_program() -> (&'static [u8], &'static str) {
    (
        include_bytes!(concat!(env!("OUT_DIR"), "/pulley-retargeted.program")),
        include_str!(concat!(env!("OUT_DIR"), "/pulley-retargeted.reason")),
    )
}

#[pymodule]
fn _cranelift(module: &Bound<'_, PyModule>) -> PyResult<()> {
    panics::install_hook();
    errors::register(module)?;
    module.add_class::<isa::TargetIsa>()?;
    module.add_class::<compile::Functions>()?;
    module.add_class::<compile::Compiled>()?;
    module.add_class::<cache::IncrementalCache>()?;
    module.add_class::<coverage::Counters>()?;
    module.add_class::<sweep::UnseenEdges>()?;
    module.add_class::<sweep::WatchedEdges>()?;
    module.add("debug_assertions", cfg!(debug_assertions))?;
    // A build with a local Cranelift has `+local` behind the crate's version: scripts/environment.
    let published = !env!("CARGO_PKG_VERSION").contains("+local");
    module.add("published", published)?;
    module.add_function(wrap_pyfunction!(version, module)?)?;
    module.add_function(wrap_pyfunction!(isle, module)?)?;
    module.add_function(wrap_pyfunction!(pulley_program, module)?)?;
    module.add_function(wrap_pyfunction!(retargeted_pulley_program, module)?)?;
    module.add_function(wrap_pyfunction!(isa::isas, module)?)?;
    module.add_function(wrap_pyfunction!(isa::list_settings, module)?)?;
    module.add_function(wrap_pyfunction!(opcodes::opcodes, module)?)?;
    module.add_function(wrap_pyfunction!(types::types, module)?)?;
    module.add_function(wrap_pyfunction!(x86_features::cpu_features, module)?)?;
    module.add_function(wrap_pyfunction!(opcodes::trap_codes, module)?)?;
    module.add_function(wrap_pyfunction!(interpret::interpret, module)?)?;
    module.add_function(wrap_pyfunction!(reader::read, module)?)?;
    module.add_function(wrap_pyfunction!(run_command::parse_run_command, module)?)?;
    module.add_function(wrap_pyfunction!(coverage::coverage_counters, module)?)?;
    module.add_function(wrap_pyfunction!(coverage::coverage_ranges, module)?)?;
    module.add_function(wrap_pyfunction!(coverage::coverage_pcs, module)?)?;
    module.add_function(wrap_pyfunction!(lines::source_lines, module)?)?;
    module.add_function(wrap_pyfunction!(tlb::tlb_fill_callback, module)?)?;
    module.add_function(wrap_pyfunction!(host_calls::host_call, module)?)?;
    module.add("modules", cfg!(feature = "modules"))?;
    #[cfg(feature = "modules")]
    modules::register(module)?;
    Ok(())
}
