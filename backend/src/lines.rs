//! From addresses of this extension to lines of its sources, by its own debug information.

use crate::coverage;
use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, RunTimeEndian};
use object::{Object, ObjectSection, ObjectSymbol};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::path::PathBuf;

type Slice<'data> = EndianSlice<'data, RunTimeEndian>;

/// Source files, and `(index of an address, index of a file, line)`.
type Frames = (Vec<String>, Vec<(usize, usize, u32)>);

/// The lines of addresses of this process, in source files whose name begins with `prefix`: one row
/// for each frame, of the function that was inlined there and of those that it was inlined into.
///
/// `library` is this extension's own file. What it has no debug information for has no rows.
#[pyfunction]
pub fn source_lines(
    py: Python<'_>,
    library: PathBuf,
    addresses: Vec<u64>,
    prefix: &str,
) -> PyResult<Frames> {
    let bytes = std::fs::read(&library)?;
    py.detach(|| frames(&bytes, &addresses, prefix))
        .map_err(|problem| PyValueError::new_err(format!("{}: {problem}", library.display())))
}

fn frames(bytes: &[u8], addresses: &[u64], prefix: &str) -> Result<Frames, String> {
    let object = object::File::parse(bytes).map_err(|error| error.to_string())?;
    let bias = load_bias(&object).ok_or("not the library that is loaded")?;
    let context = context(&object).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    let mut rows = Vec::new();
    let mut known: HashMap<String, Option<usize>> = HashMap::new();
    for (index, address) in addresses.iter().enumerate() {
        let mut found = context
            .find_frames(address.wrapping_sub(bias))
            .skip_all_loads()
            .map_err(|error| error.to_string())?;
        while let Some(frame) = found.next().map_err(|error| error.to_string())? {
            let Some(location) = frame.location else {
                continue;
            };
            let (Some(path), Some(line)) = (location.file, location.line) else {
                continue;
            };
            let file = known.get(path).copied().unwrap_or_else(|| {
                let number = is_wanted(path, prefix).then(|| {
                    files.push(path.to_owned());
                    files.len() - 1
                });
                known.insert(path.to_owned(), number);
                number
            });
            if let Some(file) = file {
                rows.push((index, file, line));
            }
        }
    }
    Ok((files, rows))
}

fn is_wanted(path: &str, prefix: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with(prefix))
}

fn context<'data>(
    object: &object::File<'data>,
) -> Result<Context<Slice<'data>>, addr2line::gimli::Error> {
    let endian = if object.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    // A section that is missing, or compressed, is as good as empty.
    let dwarf = Dwarf::load(|id| -> Result<_, addr2line::gimli::Error> {
        let section = object.section_by_name(id.name());
        let data = section.and_then(|section| section.data().ok());
        Ok(EndianSlice::new(data.unwrap_or_default(), endian))
    })?;
    Context::from_dwarf(dwarf)
}

/// What was added to the file's addresses when it was loaded.
fn load_bias(object: &object::File<'_>) -> Option<u64> {
    let (name, address) = coverage::anchor();
    object
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .map(|symbol| address.wrapping_sub(symbol.address()))
}
