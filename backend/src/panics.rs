//! Turns Cranelift's panics into values, without a word on stderr.

use crate::timing;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

/// A panic that was caught: what it said, where, and in which phase of the compiler.
#[derive(Clone, Default)]
pub struct Panic {
    pub message: String,
    pub location: String,
    pub phase: &'static str,
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Installs the process-wide hook. Panics of threads that are not inside `catch` go where they
/// went before.
pub fn install_hook() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if CATCHING.get() {
            LAST.set(Some(describe(info)));
        } else {
            previous(info);
        }
    }));
}

/// Runs `body`, with a panic of it as an error. Whatever `body` was changing must be thrown away
/// then.
pub fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Panic> {
    timing::start();
    CATCHING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(false);
    result.map_err(|payload| {
        // The payload's own destructor may panic, which would abort the process from here.
        std::mem::forget(payload);
        LAST.take().unwrap_or_default()
    })
}

fn describe(info: &PanicHookInfo<'_>) -> Panic {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let location = info.location().map_or_else(String::new, |at| {
        format!("{}:{}:{}", relative(at.file()), at.line(), at.column())
    });
    Panic {
        message: message.to_owned(),
        location,
        phase: timing::phase().name(),
    }
}

/// A source path without what differs between machines: `cranelift-codegen/src/isa/x64/lower.rs`
/// for a file of a crate, `cranelift-codegen/out/isle_x64.rs` for one that its build generated.
fn relative(path: &str) -> String {
    let parts: Vec<&str> = path
        .split(['/', '\\'])
        .filter(|part| !part.is_empty())
        .collect();
    let Some(inner) = parts
        .iter()
        .rposition(|part| matches!(*part, "src" | "out"))
    else {
        return path.to_owned();
    };
    let Some(folder) = inner.checked_sub(1) else {
        return path.to_owned();
    };
    let mut name = without_suffix(parts[folder]).to_owned();
    // A Wasmtime working tree keeps `cranelift-codegen` in `cranelift/codegen`.
    if folder > 0 && parts[folder - 1] == "cranelift" {
        name = format!("cranelift-{name}");
    }
    format!("{name}/{}", parts[inner..].join("/"))
}

/// `cranelift-codegen` for `cranelift-codegen-0.135.8` and for `cranelift-codegen-1f2e3d4c5b6a7988`.
fn without_suffix(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((stem, tail)) if is_version(tail) || is_build_hash(tail) => stem,
        _ => name,
    }
}

fn is_version(text: &str) -> bool {
    text.contains('.') && text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_build_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
