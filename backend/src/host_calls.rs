//! What the emulator's stubs of library calls leave to the host. They are C functions, because they
//! are called in the midst of emulation.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::ffi::c_void;

/// Unicorn's `uc_cb_hookcode_t`.
type Callback = unsafe extern "C" fn(*mut c_void, u64, u32, *mut Mailbox);

/// Where a stub leaves the words of its vector registers, and finds the result in the first one.
#[repr(C)]
pub struct Mailbox([[u64; 2]; 3]);

/// Computes `x * y + z` of binary64, rounded once.
///
/// # Safety
///
/// `mailbox` must be valid for reads and writes.
unsafe extern "C" fn fma(_engine: *mut c_void, _address: u64, _size: u32, mailbox: *mut Mailbox) {
    // SAFETY: as the caller promised.
    let words = unsafe { &mut (*mailbox).0 };
    let [x, y, z] = words.map(|operand| f64::from_bits(operand[0]));
    words[0][0] = x.mul_add(y, z).to_bits();
}

/// Computes `x * y + z` of binary32, rounded once. The bits above the result are undefined, so they
/// come back inverted.
///
/// # Safety
///
/// `mailbox` must be valid for reads and writes.
unsafe extern "C" fn fmaf(_engine: *mut c_void, _address: u64, _size: u32, mailbox: *mut Mailbox) {
    // SAFETY: as the caller promised.
    let words = unsafe { &mut (*mailbox).0 };
    let [x, y, z] = words.map(|operand| f32::from_bits(low(operand[0])));
    let result = u64::from(x.mul_add(y, z).to_bits());
    words[0][0] = result | !words[0][0] & !u64::from(u32::MAX);
}

fn low(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The address of the function of a name, for a hook of kind `UC_HOOK_CODE` whose data is the
/// mailbox.
#[pyfunction]
pub fn host_call(name: &str) -> PyResult<usize> {
    let callback: Callback = match name {
        "fma" => fma,
        "fmaf" => fmaf,
        _ => return Err(PyValueError::new_err(format!("no host call '{name}'"))),
    };
    Ok(callback as *const () as usize)
}
