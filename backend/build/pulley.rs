//! Builds the programs that run Pulley bytecode, `backend/pulley`, and leaves it in cargo's output
//! folder, for the extension to contain.
//!
//! It is built by a cargo of its own, for two reasons: the extension's crates are instrumented for
//! coverage, which is of no use in an interpreter and makes it slow; and its interpreter has to be
//! of the very version that Cranelift encodes bytecode with.

use crate::retarget;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "clif-fuzz-pulley";
const INTERPRETER: &str = "pulley-interpreter";

#[derive(Default)]
struct Built {
    program: Vec<u8>,
    version: String,
    opcodes: Vec<u8>,
    reason: String,
}

/// Which interpreter a program is built with.
enum Interpreter {
    /// As it is published, for guests of the host's address width and byte order.
    Published,
    /// A copy that is told the guest's (`build/retarget.rs`).
    Retargeted,
}

/// Builds the programs and leaves six files: of each the program and why there is none, and of the
/// interpreter its version and the table of its opcodes. All of them are there whatever goes wrong:
/// the extension is of use without the programs, too.
pub fn build(metadata: Result<&Value, &str>, out: &Path) {
    println!("cargo:rerun-if-changed={}", file!());
    let build = |which| {
        let built = metadata.map_err(str::to_owned);
        built
            .and_then(|metadata| build_from(metadata, &which, out))
            .unwrap_or_else(|reason| Built {
                reason,
                ..Built::default()
            })
    };
    let published = build(Interpreter::Published);
    let retargeted = build(Interpreter::Retargeted);
    for (name, contents) in [
        ("pulley.program", &published.program[..]),
        ("pulley.version", published.version.as_bytes()),
        ("pulley.opcodes", &published.opcodes),
        ("pulley.reason", published.reason.as_bytes()),
        ("pulley-retargeted.program", &retargeted.program),
        ("pulley-retargeted.reason", retargeted.reason.as_bytes()),
    ] {
        fs::write(out.join(name), contents).expect("the output folder");
    }
}

fn build_from(metadata: &Value, which: &Interpreter, out: &Path) -> Result<Built, String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let interpreter = packages
        .into_iter()
        .find(|package| package["name"] == INTERPRETER)
        .ok_or("Cranelift is built without Pulley")?;
    let version = interpreter["version"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let sources = sources()?;
    println!("cargo:rerun-if-changed={}", sources.display());
    let folder = out.join(match which {
        Interpreter::Published => "pulley",
        Interpreter::Retargeted => "pulley-retargeted",
    });
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let dependency = match which {
        Interpreter::Published => dependency(interpreter),
        Interpreter::Retargeted => retargeted(interpreter, &sources, &folder)?,
    };
    fs::write(
        folder.join("Cargo.toml"),
        manifest(&dependency, which, &sources),
    )
    .map_err(|error| error.to_string())?;
    // Dependencies that the extension has as well are of the same version.
    let lock = std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo") + "/Cargo.lock";
    let _ = fs::copy(lock, folder.join("Cargo.lock"));
    let program = run_cargo(&folder, true).or_else(|_| run_cargo(&folder, false))?;
    Ok(Built {
        opcodes: run(Command::new(&program).arg("opcodes"))?,
        program: fs::read(program).map_err(|error| error.to_string())?,
        version,
        reason: String::new(),
    })
}

/// Makes the copy of the interpreter, and says where it is.
fn retargeted(interpreter: &Value, sources: &Path, folder: &Path) -> Result<String, String> {
    let manifest = Path::new(interpreter["manifest_path"].as_str().unwrap_or_default());
    let copied = folder.join("interpreter");
    retarget::copy(manifest, &sources.join("retargeted/guest.rs"), &copied)?;
    Ok(format!("path = {:?}", copied.display().to_string()))
}

/// The folder of the program's sources, beside that of this file.
fn sources() -> Result<PathBuf, String> {
    let file = Path::new(file!())
        .canonicalize()
        .map_err(|error| format!("{}: {error}", file!()))?;
    let backend = file.parent().and_then(Path::parent);
    Ok(backend.expect("two folders above").join("pulley"))
}

/// Says where the interpreter is that cargo resolved for Cranelift.
fn dependency(interpreter: &Value) -> String {
    let version = format!("={}", interpreter["version"].as_str().unwrap_or_default());
    let folder = Path::new(interpreter["manifest_path"].as_str().unwrap_or_default()).parent();
    let (key, place) = if interpreter["source"].is_null() {
        (
            "path",
            folder.unwrap_or(Path::new("")).display().to_string(),
        )
    } else {
        ("version", version)
    };
    format!("{key} = {place:?}")
}

fn manifest(dependency: &str, which: &Interpreter, sources: &Path) -> String {
    let features = match which {
        Interpreter::Published => "[]",
        Interpreter::Retargeted => "[\"retargeted\"]",
    };
    format!(
        "[package]\nname = {NAME:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [[bin]]\nname = {NAME:?}\npath = {:?}\n\
         [dependencies]\nlibc = \"0.2\"\n\
         {INTERPRETER} = {{ {dependency}, features = [\"std\", \"interp\", \"disas\", \"profile\"] }}\n\
         [features]\ndefault = {features}\nretargeted = []\n\
         [profile.release]\npanic = \"abort\"\ncodegen-units = 1\nstrip = true\n\
         [workspace]\n",
        sources.join("main.rs").display().to_string(),
    )
}

fn run_cargo(folder: &Path, offline: bool) -> Result<PathBuf, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let target = std::env::var("TARGET").expect("set by cargo");
    run(Command::new(cargo)
        .current_dir(folder)
        .args(["build", "--release", "--quiet", "--target-dir", "target"])
        .args(["--target", &target])
        .args(offline.then_some("--offline"))
        // Not the flags of `.cargo/config.toml`.
        .env("CARGO_ENCODED_RUSTFLAGS", "")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER"))?;
    Ok(folder
        .join("target")
        .join(target)
        .join("release")
        .join(NAME))
}

/// Runs a command and returns what it prints, or its first error.
fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let line = message.lines().find(|line| line.starts_with("error"));
    Err(line.unwrap_or("it ended without a word").to_owned())
}
