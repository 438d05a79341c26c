//! What fills the TLB of the emulator: a C function, because it is called in the midst of emulation.
//!
//! Without paging, QEMU gives every page all permissions. A page that may be executed can hold
//! translated code, so each store to it is checked for that, some 30 ns long. Here data gets no
//! permission to be executed, and is stored to at full speed. What may really be read, written and
//! executed is decided elsewhere, by how the memory is mapped.

use pyo3::prelude::*;
use std::ffi::{c_int, c_void};

/// Unicorn's `uc_tlb_entry`.
#[repr(C)]
pub struct Entry {
    physical: u64,
    permissions: c_int,
}

// Of Unicorn's `uc_mem_type` and `uc_prot`.
const FETCH: c_int = 18;
const READ: c_int = 1;
const WRITE: c_int = 2;
const EXECUTE: c_int = 4;

/// Unicorn's `uc_cb_tlbevent_t`: maps a page to itself.
///
/// # Safety
///
/// `entry` must be valid for writes.
unsafe extern "C" fn fill(
    _engine: *mut c_void,
    page: u64,
    access: c_int,
    entry: *mut Entry,
    _data: *mut c_void,
) -> bool {
    // Constants lie among the code, and are read.
    let permissions = if access == FETCH {
        READ | EXECUTE
    } else {
        READ | WRITE
    };
    let physical = page;
    // SAFETY: as the caller promised.
    unsafe {
        entry.write(Entry {
            physical,
            permissions,
        });
    }
    true
}

/// The address of the function, for a hook of kind `UC_HOOK_TLB_FILL`.
#[pyfunction]
pub fn tlb_fill_callback() -> usize {
    fill as *const () as usize
}
