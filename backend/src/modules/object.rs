//! Functions and data as a file of objects: ELF, Mach-O or COFF, as the target's triple says.

use super::{Contents, DataObject, ModuleFailure, fill, guarded, libcall_symbol};
use crate::compile::{Compiled, Functions};
use crate::isa::TargetIsa;
use cranelift_object::{ObjectBuilder, ObjectModule};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::HashSet;

const NOTHING: &[u8] = &[];

/// Compiles functions into a file, with data.
#[pyfunction]
#[pyo3(signature = (functions, isa, defined, local, data, *, sections=false, chaos=NOTHING))]
#[expect(clippy::too_many_arguments)] // that are named in Python
pub fn make_object<'py>(
    py: Python<'py>,
    functions: &Functions,
    isa: &TargetIsa,
    defined: HashSet<String>,
    local: HashSet<String>,
    data: Vec<DataObject>,
    sections: bool,
    chaos: &[u8],
) -> PyResult<(Bound<'py, PyBytes>, Vec<Compiled>)> {
    let contents = Contents {
        functions,
        defined,
        local,
        data,
        chaos,
    };
    let made = py.detach(|| guarded("", || make(&contents, isa, sections)));
    let (file, compiled) = made.map_err(|failure| failure.into_exception(py))?;
    Ok((PyBytes::new(py, &file), compiled))
}

fn make(
    contents: &Contents<'_>,
    isa: &TargetIsa,
    sections: bool,
) -> Result<(Vec<u8>, Vec<Compiled>), ModuleFailure> {
    let failed = |error| ModuleFailure::of(error, "");
    let mut builder =
        ObjectBuilder::new(isa.isa.clone(), "case", Box::new(libcall_symbol)).map_err(failed)?;
    builder.per_function_section(sections);
    builder.per_data_object_section(sections);
    let mut module = ObjectModule::new(builder);
    let (functions, _) = fill(&mut module, contents, &|_| {})?;
    let file = guarded("", || {
        module
            .finish()
            .emit()
            .map_err(|error| ModuleFailure::Module {
                message: error.to_string(),
                name: String::new(),
            })
    })?;
    let compiled = functions.into_iter().map(|defined| defined.compiled);
    Ok((file, compiled.collect()))
}
