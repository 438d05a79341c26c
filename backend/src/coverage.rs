//! The coverage counters that the instrumentation put into this extension.
//!
//! The instrumented code calls the two `__sanitizer_cov_*_init` functions while the library is
//! being loaded. They only take notes: before `main`'s runtime is up nothing else is safe.

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bounds of one section, as the linker laid it out.
struct Section {
    start: AtomicUsize,
    stop: AtomicUsize,
}

impl Section {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            stop: AtomicUsize::new(0),
        }
    }

    /// Every instrumented object announces the section that it became a part of: in one library
    /// that is always the same.
    fn announce(&self, start: usize, stop: usize) {
        if start < stop {
            self.start.store(start, Ordering::Relaxed);
            self.stop.store(stop, Ordering::Relaxed);
        }
    }

    fn bounds(&self) -> (usize, usize) {
        (
            self.start.load(Ordering::Relaxed),
            self.stop.load(Ordering::Relaxed),
        )
    }
}

static COUNTERS: Section = Section::new();
static PCS: Section = Section::new();

/// Called by the instrumentation with the bounds of the inline counters.
#[unsafe(no_mangle)]
pub extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    COUNTERS.announce(start as usize, stop as usize);
}

/// Called by the instrumentation with the bounds of the table of (PC, flags), one per counter.
#[unsafe(no_mangle)]
pub extern "C" fn __sanitizer_cov_pcs_init(start: *const usize, stop: *const usize) {
    PCS.announce(start as usize, stop as usize);
}

/// Memory of the extension that Python reads, or writes, through the buffer protocol.
#[pyclass(frozen, module = "backend.cranelift._cranelift")]
pub struct Counters {
    start: usize,
    length: usize,
    writable: bool,
}

impl Counters {
    /// The counters of all edges.
    pub fn all() -> Self {
        section(&COUNTERS, true)
    }

    pub fn length(&self) -> usize {
        self.length
    }

    pub fn pointer(&self) -> *mut u8 {
        self.start as *mut u8
    }

    /// One counter, as it is now.
    pub fn counter(&self, number: usize) -> u8 {
        assert!(number < self.length);
        // SAFETY: the byte belongs to the section, which is never unloaded.
        unsafe { self.pointer().add(number).read() }
    }

    /// Sets all bytes to zero.
    pub fn clear(&self) {
        if self.length > 0 {
            // SAFETY: as above; counters may be written.
            unsafe { self.pointer().write_bytes(0, self.length) }
        }
    }
}

#[pymethods]
impl Counters {
    fn __len__(&self) -> usize {
        self.length
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let start = if this.length == 0 {
            ptr::NonNull::dangling().as_ptr()
        } else {
            this.start as *mut c_void
        };
        let length = ffi::Py_ssize_t::try_from(this.length)
            .map_err(|_| PyBufferError::new_err("too large"))?;
        // SAFETY: the section is part of the loaded library, which Python never unloads; `view` is
        // the caller's, as the buffer protocol has it.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                start,
                length,
                c_int::from(!this.writable),
                flags,
            )
        };
        if status == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(slf.py()))
        }
    }
}

/// All counters of the extension, one byte for each edge. Writable: setting them to zero starts
/// anew. Empty in a build without instrumentation.
#[pyfunction]
pub fn coverage_counters() -> Counters {
    Counters::all()
}

/// Pairs of words, as many as there are counters: the address of the edge's block, and 1 where it
/// is the entry of a function.
#[pyfunction]
pub fn coverage_pcs() -> Counters {
    section(&PCS, false)
}

/// Addresses `(start, stop)` of the counters, for a libFuzzer that is to be guided by them.
#[pyfunction]
pub fn coverage_ranges() -> Vec<(usize, usize)> {
    let (start, stop) = COUNTERS.bounds();
    if start < stop {
        vec![(start, stop)]
    } else {
        Vec::new()
    }
}

/// A symbol that the library exports, and its address in this process.
pub fn anchor() -> (&'static str, u64) {
    (
        "__sanitizer_cov_pcs_init",
        __sanitizer_cov_pcs_init as *const () as u64,
    )
}

fn section(section: &Section, writable: bool) -> Counters {
    let (start, stop) = section.bounds();
    Counters {
        start,
        length: stop - start,
        writable,
    }
}
