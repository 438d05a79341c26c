//! Cranelift's incremental cache, held in memory.

use crate::compile::{self, Compiled, Functions};
use crate::failure::Failure;
use crate::isa::TargetIsa;
use cranelift_codegen::incremental_cache::CacheKvStore;
use pyo3::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was compiled so far, by the hash of what it was compiled from.
#[derive(Default)]
struct Store {
    entries: HashMap<Vec<u8>, Vec<u8>>,
}

impl CacheKvStore for Store {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.entries.get(key).map(|blob| Cow::from(blob.as_slice()))
    }

    fn insert(&mut self, key: &[u8], blob: Vec<u8>) {
        self.entries.insert(key.to_vec(), blob);
    }
}

/// A cache of compiled functions. It grows until it is cleared.
#[pyclass(frozen, module = "backend.cranelift._cranelift")]
#[derive(Default)]
pub struct IncrementalCache {
    store: Mutex<Store>,
}

impl IncrementalCache {
    /// A panic of the compiler leaves the store whole: it is changed in one step.
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl IncrementalCache {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Compiles every function through the cache; each comes with whether it was found there.
    fn compile(
        &self,
        py: Python<'_>,
        functions: &Functions,
        isa: &TargetIsa,
    ) -> PyResult<Vec<(Compiled, bool)>> {
        let isa = &*isa.isa;
        let result: Result<Vec<_>, Failure> = py.detach(|| {
            functions
                .iter()
                .map(|(function, name)| {
                    compile::through_cache(function, name, isa, &mut *self.lock())
                })
                .collect()
        });
        result.map_err(|failure| failure.into_exception(py))
    }

    /// Forgets everything.
    fn clear(&self) {
        self.lock().entries.clear();
    }

    fn __len__(&self) -> usize {
        self.lock().entries.len()
    }
}
