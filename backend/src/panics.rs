//! Turns Cranelift's panics into values, without a word on stderr.

use crate::timing;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

/// A panic that was caught: what it said, where, and in which phase of the compiler.
#[derive(Clone, Default)]
pub struct Panic {
    pub message: String,
    pub location: String,
    pub phase: &'static str,
    /// Addresses in the calls that were open, the innermost first. `backend/release` has no debug
    /// information to look them up in.
    #[allow(dead_code)]
    pub frames: Vec<u64>,
}

/// How many open calls are kept: rules call each other, but not so deeply.
const MOST_FRAMES: usize = 96;

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
        frames: frames(),
    }
}

// The unwinder that Rust's own panics use. It is much faster than a backtrace with names, which most
// panics do not need.
unsafe extern "C" {
    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

const CONTINUE: c_int = 0;
const STOP: c_int = 5;

fn frames() -> Vec<u64> {
    extern "C" fn visit(context: *mut c_void, found: *mut c_void) -> c_int {
        // SAFETY: `found` is the vector below, which nobody else uses meanwhile, and `context` is the
        // unwinder's.
        let (found, address) = unsafe { (&mut *found.cast::<Vec<u64>>(), _Unwind_GetIP(context)) };
        // A return address may already belong to the next line.
        found.push((address as u64).saturating_sub(1));
        if found.len() < MOST_FRAMES {
            CONTINUE
        } else {
            STOP
        }
    }
    let mut found: Vec<u64> = Vec::with_capacity(MOST_FRAMES);
    // SAFETY: `visit` never unwinds: the vector has room for all that it takes.
    unsafe { _Unwind_Backtrace(visit, (&raw mut found).cast()) };
    found
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
