//! How the extension is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Other libraries of a process, a libFuzzer's for one, have `__sanitizer_cov_*` functions as
    // well. Calls inside of the extension are bound to its own, whoever was loaded first.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic-functions");
    }
}
