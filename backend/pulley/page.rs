//! The command page. Its words are those of `backend/engines/command_page.py`.

use std::ffi::c_int;
use std::io;
use std::ptr;

const ADDRESS: usize = 0x80_0000;
const SIZE: usize = 4096;

pub const COMMAND: usize = 0;
pub const SEQUENCE: usize = 1;
pub const DONE_SEQUENCE: usize = 2;
pub const NUMBER: usize = 3;
pub const ARGUMENTS: usize = 4;
pub const RESULT: usize = 10;
pub const ENTRY: usize = 11;
pub const STATUS: usize = 12;
pub const INFORMATION: usize = 13;
pub const CONTEXT: usize = 14;
pub const STACK_POINTER: usize = 16;
pub const INTEGERS: usize = 32;
pub const VECTORS: usize = 64;
pub const FLOATS: usize = 128;
pub const FRAME_POINTER: usize = 160;
pub const FAR_FUNCTIONS: usize = 256;

pub const RUN: u64 = 1;
pub const RESUME: u64 = 2;
pub const RETURNED: u64 = 0x1000;
/// A trap for no reason that the interpreter knows; the reasons follow.
pub const TRAPPED: u64 = 0x2000;

/// Where the registers are left that code was stopped with.
pub const REGISTERS: u64 = 0x90_0000;
/// Behind the registers: as much of what a signal's handler is told as the host reads.
pub const INFORMATION_OFFSET: u64 = 2048;

/// The page, whose words have the byte order of the bytecode's memory.
pub struct Page {
    words: *mut u64,
    big_endian: bool,
}

impl Page {
    /// Maps the page, the first one of the shared memory.
    pub fn map(file: c_int, big_endian: bool) -> io::Result<Self> {
        let place = ptr::with_exposed_provenance_mut(ADDRESS);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: nothing lies there, or it fails.
        let mapped = unsafe { libc::mmap(place, SIZE, protection, flags, file, 0) };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let words = mapped.cast();
        Ok(Self { words, big_endian })
    }

    pub fn get(&self, word: usize) -> u64 {
        assert!(word < SIZE / 8);
        // SAFETY: the word belongs to the page, which stays mapped.
        self.ordered(unsafe { self.words.add(word).read_volatile() })
    }

    pub fn set(&self, word: usize, value: u64) {
        assert!(word < SIZE / 8);
        // SAFETY: as above.
        unsafe { self.words.add(word).write_volatile(self.ordered(value)) }
    }

    /// A word as the host has it, or as it is in memory: the one is the other with this done.
    pub fn ordered(&self, value: u64) -> u64 {
        if self.big_endian {
            value.to_be()
        } else {
            value.to_le()
        }
    }
}
