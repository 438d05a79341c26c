//! How the extension is linked, what the API of its Cranelift has, and what the rules are.

#[path = "build/cranelift_sources.rs"]
mod cranelift_sources;
#[cfg(feature = "rules")]
#[path = "build/isle.rs"]
mod isle;
#[path = "build/pulley.rs"]
mod pulley;
#[path = "build/retarget.rs"]
mod retarget;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed={}", file!());
    let metadata = cranelift_sources::metadata();
    let metadata = metadata.as_ref().map_err(String::as_str);
    let sources = metadata
        .map_err(str::to_owned)
        .and_then(cranelift_sources::find);
    cranelift_sources::set_cfgs(sources.as_deref().ok());
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("set by cargo"));
    // The definitions, or in `error` why there are none: that never stops the build.
    let rules = sources.and_then(|sources| read_rules(&sources, &out));
    let rules = rules.unwrap_or_else(|error| json!({ "error": error }));
    std::fs::write(out.join("isle.json"), rules.to_string()).expect("the output folder");
    pulley::build(metadata, &out);
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

#[cfg(feature = "rules")]
fn read_rules(sources: &Path, out: &Path) -> Result<Value, String> {
    isle::read(sources, out)
}

/// Without the feature: `scripts/environment` builds so where the API of `cranelift-isle` is not the
/// one that `build/isle.rs` is written for.
#[cfg(not(feature = "rules"))]
fn read_rules(_: &Path, _: &Path) -> Result<Value, String> {
    Err("the extension was built without them: this cranelift-isle has another API".into())
}
