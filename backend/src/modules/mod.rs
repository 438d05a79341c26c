//! The functions of a case, and data that they refer to, as a module of Cranelift's: a file of objects, or
//! the memory of a JIT.

pub mod jit;
pub mod object;
mod read;

use crate::compile::{self, Compiled, Functions};
use crate::errors::CompileError;
use crate::failure::Failure;
use crate::names;
use crate::panics;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{
    ExternalName, Function, GlobalValueData, LibCall, UserExternalName, UserExternalNameRef,
};
use cranelift_module::{
    DataDescription, DataId, FuncId, FuncOrDataId, Linkage, Module, ModuleError,
};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use std::collections::HashSet;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(object::make_object, module)?)?;
    module.add_function(wrap_pyfunction!(jit::make_jit, module)?)?;
    module.add_function(wrap_pyfunction!(read::read_object, module)?)
}

/// Data of a module; the class of Python with these attributes is `backend.cranelift.modules`.
#[derive(FromPyObject)]
pub struct DataObject {
    name: String,
    contents: Vec<u8>,
    alignment: u64,
    writable: bool,
    thread_local: bool,
    /// `(offset, symbol, addend)`: where the address of a function or of other data is written.
    addresses: Vec<(u32, String, i64)>,
}

/// What becomes a module.
pub struct Contents<'a> {
    pub functions: &'a Functions,
    /// Which of the functions are defined; the others are declared if one of these refers to them.
    pub defined: HashSet<String>,
    /// Those of them that nothing outside of the module sees.
    pub local: HashSet<String>,
    pub data: Vec<DataObject>,
    pub chaos: &'a [u8],
}

/// What happens in a module, except for what goes wrong within the compiler.
pub enum ModuleFailure {
    Compiler(Failure),
    Module {
        message: String,
        name: String,
    },
    /// The memory that was asked for cannot be had.
    Memory(String),
}

impl ModuleFailure {
    pub fn into_exception(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Compiler(failure) => failure.into_exception(py),
            Self::Module { message, name } => {
                let error = CompileError::new_err(format!("%{name}: {message}"));
                let value = error.value(py);
                let set = value
                    .setattr("message", message)
                    .and_then(|()| value.setattr("function", name));
                set.err().unwrap_or(error)
            }
            Self::Memory(message) => PyMemoryError::new_err(message),
        }
    }

    fn of(error: impl Into<Box<ModuleError>>, name: &str) -> Self {
        let name = name.to_owned();
        match *error.into() {
            ModuleError::Compilation(error) => Self::Compiler(Failure::Codegen {
                error,
                function: name,
            }),
            ModuleError::Allocation { err } => Self::Memory(err.to_string()),
            other => Self::Module {
                message: other.to_string(),
                name,
            },
        }
    }
}

/// Runs what may panic within a module.
pub fn guarded<T>(
    name: &str,
    body: impl FnOnce() -> Result<T, ModuleFailure>,
) -> Result<T, ModuleFailure> {
    panics::catch(body).unwrap_or_else(|panic| {
        Err(ModuleFailure::Compiler(Failure::Panic {
            panic,
            function: name.to_owned(),
        }))
    })
}

/// The symbol of a library call: its name is nobody else's.
pub fn libcall_symbol(call: LibCall) -> String {
    format!("LibCall:{call}")
}

/// A function in a module, and its code before relocations are resolved.
pub struct Defined {
    pub id: FuncId,
    pub compiled: Compiled,
}

/// Declares everything, and defines functions, then data, in their order. `place` is called with the
/// name of each before it is defined.
pub fn fill(
    module: &mut dyn Module,
    contents: &Contents<'_>,
    place: &dyn Fn(&str),
) -> Result<(Vec<Defined>, Vec<DataId>), ModuleFailure> {
    for (function, name) in contents.functions.iter() {
        if contents.defined.contains(name) {
            let linkage = contents.linkage(name);
            let declared = module.declare_function(name, linkage, &function.signature);
            declared.map_err(|error| ModuleFailure::of(error, name))?;
        }
    }
    let mut ids = Vec::new();
    for data in &contents.data {
        let linkage = contents.linkage(&data.name);
        let id = module.declare_data(&data.name, linkage, data.writable, data.thread_local);
        ids.push(id.map_err(|error| ModuleFailure::of(error, &data.name))?);
    }
    let functions = define_functions(module, contents, place)?;
    for (data, id) in contents.data.iter().zip(&ids) {
        place(&data.name);
        let defined = define_data(module, data, *id);
        defined.map_err(|error| ModuleFailure::of(error, &data.name))?;
    }
    Ok((functions, ids))
}

impl Contents<'_> {
    fn linkage(&self, name: &str) -> Linkage {
        if self.local.contains(name) {
            Linkage::Local
        } else {
            Linkage::Export
        }
    }
}

fn define_functions(
    module: &mut dyn Module,
    contents: &Contents<'_>,
    place: &dyn Fn(&str),
) -> Result<Vec<Defined>, ModuleFailure> {
    let mut control = compile::control_plane(contents.chaos);
    let mut defined = Vec::new();
    for (function, name) in contents.functions.iter() {
        if !contents.defined.contains(name) {
            continue;
        }
        place(name);
        let compiled = guarded(name, || {
            let mut context = Context::for_function(function.clone());
            let failed = |error: ModuleError| ModuleFailure::of(error, name);
            name_symbols(module, &mut context.func)
                .map_err(|error| ModuleFailure::of(error, name))?;
            let id = match module.get_name(name) {
                Some(FuncOrDataId::Func(id)) => id,
                _ => return Err(failed(ModuleError::Undeclared(name.to_owned()))),
            };
            module
                .define_function_with_control_plane(id, &mut context, &mut control)
                .map_err(failed)?;
            let compiled = Compiled::of_context(&context, name, module.isa());
            Ok(compiled.map(|compiled| Defined { id, compiled }))
        })?;
        defined.extend(compiled);
    }
    Ok(defined)
}

/// Replaces the names in a function by those of the module, where each is declared.
fn name_symbols(module: &mut dyn Module, function: &mut Function) -> Result<(), Box<ModuleError>> {
    for reference in function.dfg.ext_funcs.keys() {
        let declared = &function.dfg.ext_funcs[reference];
        let symbol = plain(&declared.name, function);
        let signature = function.dfg.signatures[declared.signature].clone();
        let id = match module.get_name(&symbol) {
            Some(known) => known,
            None => {
                let id = module.declare_function(&symbol, Linkage::Import, &signature)?;
                FuncOrDataId::Func(id)
            }
        };
        let name = imported(function, id);
        function.dfg.ext_funcs[reference].name = ExternalName::User(name);
    }
    for value in function.global_values.keys() {
        let GlobalValueData::Symbol { name, tls, .. } = &function.global_values[value] else {
            continue;
        };
        let (symbol, thread_local) = (plain(name, function), *tls);
        let id = match module.get_name(&symbol) {
            Some(known) => known,
            None => {
                let id = module.declare_data(&symbol, Linkage::Import, true, thread_local)?;
                FuncOrDataId::Data(id)
            }
        };
        let new = imported(function, id);
        if let GlobalValueData::Symbol { name, .. } = &mut function.global_values[value] {
            *name = ExternalName::User(new);
        }
    }
    Ok(())
}

/// Functions are namespace 0 of a module, data is namespace 1.
fn imported(function: &mut Function, id: FuncOrDataId) -> UserExternalNameRef {
    let name = match id {
        FuncOrDataId::Func(id) => UserExternalName::new(0, id.as_u32()),
        FuncOrDataId::Data(id) => UserExternalName::new(1, id.as_u32()),
    };
    function.declare_imported_user_function(name)
}

fn plain(name: &ExternalName, function: &Function) -> String {
    let text = names::external(name, function);
    text.strip_prefix('%').map(str::to_owned).unwrap_or(text)
}

fn define_data(
    module: &mut dyn Module,
    data: &DataObject,
    id: DataId,
) -> Result<(), Box<ModuleError>> {
    let mut description = DataDescription::new();
    if data.contents.iter().all(|byte| *byte == 0) && data.addresses.is_empty() {
        description.define_zeroinit(data.contents.len());
    } else {
        description.define(data.contents.clone().into_boxed_slice());
    }
    description.set_align(data.alignment);
    for (offset, name, addend) in &data.addresses {
        match module.get_name(name) {
            Some(FuncOrDataId::Func(id)) => {
                let function = module.declare_func_in_data(id, &mut description);
                description.write_function_addr(*offset, function);
            }
            Some(FuncOrDataId::Data(id)) => {
                let value = module.declare_data_in_data(id, &mut description);
                description.write_data_addr(*offset, value, *addend);
            }
            None => {
                let id = module.declare_data(name, Linkage::Import, true, false)?;
                let value = module.declare_data_in_data(id, &mut description);
                description.write_data_addr(*offset, value, *addend);
            }
        }
    }
    Ok(module.define_data(id, &description)?)
}
