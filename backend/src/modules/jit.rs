//! Functions and data in the memory of a JIT, which is never executed here: what is in it is copied into
//! the emulator, to the same addresses.

use super::{Contents, DataObject, ModuleFailure, fill, guarded, libcall_symbol};
use crate::compile::{Compiled, Functions};
use crate::isa::TargetIsa;
use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::ModuleResult;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

const NOTHING: &[u8] = &[];

/// A function of a module that was finalized: its address, and its code before that.
type Placed = (usize, Compiled);
/// Memory as it is at the end: address, contents, `code`, `readonly` or `data`.
type Segment = (usize, Vec<u8>, &'static str);
/// The same, for Python.
type PySegment<'py> = (usize, Bound<'py, PyBytes>, &'static str);

/// Compiles functions into memory at chosen addresses, with data.
///
/// `areas` are addresses and sizes of memory; `places` says in which of them a function or data lies; `symbols`
/// are the addresses of what is defined elsewhere.
#[pyfunction]
#[pyo3(signature = (functions, isa, data, areas, places, symbols, *, chaos=NOTHING))]
#[expect(clippy::too_many_arguments)] // that are named in Python
pub fn make_jit<'py>(
    py: Python<'py>,
    functions: &Functions,
    isa: &TargetIsa,
    data: Vec<DataObject>,
    areas: Vec<(usize, usize)>,
    places: HashMap<String, usize>,
    symbols: HashMap<String, usize>,
    chaos: &[u8],
) -> PyResult<(Vec<Placed>, Vec<PySegment<'py>>)> {
    let contents = Contents {
        functions,
        defined: functions.iter().map(|(_, name)| name.to_owned()).collect(),
        local: HashSet::new(),
        data,
        chaos,
    };
    let made = py.detach(|| guarded("", || make(&contents, isa, &areas, &places, symbols)));
    let (placed, segments) = made.map_err(|failure| failure.into_exception(py))?;
    let segments = segments.into_iter();
    let segments = segments.map(|(at, bytes, kind)| (at, PyBytes::new(py, &bytes), kind));
    Ok((placed, segments.collect()))
}

fn make(
    contents: &Contents<'_>,
    isa: &TargetIsa,
    areas: &[(usize, usize)],
    places: &HashMap<String, usize>,
    symbols: HashMap<String, usize>,
) -> Result<(Vec<Placed>, Vec<Segment>), ModuleFailure> {
    let memory = Memory::map(areas).map_err(|error| ModuleFailure::Memory(error.to_string()))?;
    let memory = Shared(Arc::new(Mutex::new(memory)));
    let mut builder = JITBuilder::with_isa(isa.isa.clone(), Box::new(libcall_symbol));
    builder.memory_provider(Box::new(memory.clone()));
    for (name, address) in symbols {
        builder.symbol(name, std::ptr::without_provenance(address));
    }
    let mut module = JITModule::new(builder);
    let place = |name: &str| memory.with(|m| m.current = places.get(name).copied().unwrap_or(0));
    let (functions, _) = fill(&mut module, contents, &place)?;
    let failed = |error| ModuleFailure::of(error, "");
    guarded("", || module.finalize_definitions().map_err(failed))?;
    let functions = functions.into_iter();
    let placed = functions.map(|f| (module.get_finalized_function(f.id).addr(), f.compiled));
    let placed = placed.collect();
    Ok((placed, memory.with(|memory| memory.contents())))
}

/// What memory is for. Each has a third of an area, so that no page is for two.
const KINDS: [&str; 3] = ["code", "readonly", "data"];

/// One mapping at a chosen address.
struct Area {
    base: usize,
    size: usize,
    used: [usize; KINDS.len()],
}

/// All mappings, and what was allocated in them.
struct Memory {
    areas: Vec<Area>,
    /// The area of the next allocation.
    current: usize,
    allocated: Vec<(usize, usize, &'static str)>,
}

impl Memory {
    fn map(areas: &[(usize, usize)]) -> io::Result<Self> {
        let mut memory = Self {
            areas: Vec::new(),
            current: 0,
            allocated: Vec::new(),
        };
        for (base, size) in areas.iter().copied() {
            map_at(base, size)?;
            memory.areas.push(Area {
                base,
                size,
                used: [0; KINDS.len()],
            });
        }
        Ok(memory)
    }

    fn allocate(&mut self, size: usize, align: u64, kind: &JITMemoryKind) -> io::Result<*mut u8> {
        let full = || io::Error::other("no room in the chosen memory");
        let area = self.areas.get_mut(self.current).ok_or_else(full)?;
        let kind = match kind {
            JITMemoryKind::Executable => 0,
            JITMemoryKind::ReadOnly => 1,
            JITMemoryKind::Writable => 2,
        };
        let part = area.size / KINDS.len();
        let align = usize::try_from(align).map_err(|_| full())?.max(1);
        let start = area.used[kind].next_multiple_of(align);
        if start + size > part {
            return Err(full());
        }
        area.used[kind] = start + size;
        let address = area.base + kind * part + start;
        self.allocated.push((address, size, KINDS[kind]));
        Ok(std::ptr::with_exposed_provenance_mut(address))
    }

    fn contents(&self) -> Vec<Segment> {
        let allocated = self.allocated.iter().copied();
        allocated
            .map(|(address, size, kind)| {
                let start: *const u8 = std::ptr::with_exposed_provenance(address);
                // SAFETY: it lies in an area, which stays mapped as long as `self`, and nobody writes.
                let bytes = unsafe { std::slice::from_raw_parts(start, size) };
                (address, bytes.to_vec(), kind)
            })
            .collect()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for area in &self.areas {
            // SAFETY: it was mapped by `map_at`, and no reference into it is left.
            unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(area.base), area.size) };
        }
    }
}

/// Maps memory at an address, if nothing is there.
fn map_at(base: usize, size: usize) -> io::Result<()> {
    let wanted = std::ptr::with_exposed_provenance_mut(base);
    let (protection, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANON,
    );
    // SAFETY: without MAP_FIXED it replaces nothing. The address is a wish, granted if it is free.
    let found = unsafe { libc::mmap(wanted, size, protection, flags, -1, 0) };
    if found == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    found.expose_provenance();
    if found != wanted {
        // SAFETY: it was just mapped.
        unsafe { libc::munmap(found, size) };
        return Err(io::Error::other("the chosen memory is in use"));
    }
    Ok(())
}

/// The memory, for the module and for us.
#[derive(Clone)]
struct Shared(Arc<Mutex<Memory>>);

impl Shared {
    fn with<T>(&self, body: impl FnOnce(&mut Memory) -> T) -> T {
        body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl JITMemoryProvider for Shared {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        self.with(|memory| memory.allocate(size, align, &kind))
    }

    unsafe fn free_memory(&mut self) {}

    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        Ok(())
    }
}
