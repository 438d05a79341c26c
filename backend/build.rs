//! How the extension is linked, and what it knows of Cranelift's rules.

#[path = "build/isle.rs"]
mod isle;

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed={}", file!());
    isle::write_definitions(Path::new(&std::env::var("OUT_DIR").expect("set by cargo")));
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // Other libraries of a process, a libFuzzer's for one, have `__sanitizer_cov_*` functions
        // as well. Calls inside of the extension are bound to its own, whoever was loaded first.
        Ok("linux") => println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic-functions"),
        // Python's symbols are found when the module is loaded; only here that must be said.
        Ok("macos") => {
            println!("cargo:rustc-cdylib-link-arg=-undefined");
            println!("cargo:rustc-cdylib-link-arg=dynamic_lookup");
        }
        _ => {}
    }
}
