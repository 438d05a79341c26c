//! Reads files of objects: sections, symbols and relocations, by a library that knows the three formats.

use object::read::{self, Object, ObjectSection, ObjectSymbol, RelocationTarget};
use object::{RelocationFlags, SectionIndex, SymbolIndex};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// Returns what is in a file, of which `backend.cranelift.modules` makes objects.
#[pyfunction]
pub fn read_object<'py>(py: Python<'py>, contents: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let file = read::File::parse(contents).map_err(wrong)?;
    let sections = PyList::empty(py);
    let relocations = PyList::empty(py);
    for section in file.sections() {
        let number = section.index().0;
        let name = section.name().map_err(wrong)?;
        let bytes = PyBytes::new(py, section.data().map_err(wrong)?);
        let kind = format!("{:?}", section.kind());
        let (address, size, alignment) = (section.address(), section.size(), section.align());
        sections.append((number, name, kind, address, size, alignment, bytes))?;
        for (offset, relocation) in section.relocations() {
            let (symbol, in_section) = target(relocation.target());
            relocations.append((
                (number, offset, number_of(relocation.flags())),
                (symbol, in_section),
                (relocation.addend(), relocation.has_implicit_addend()),
            ))?;
        }
    }
    let symbols = PyList::empty(py);
    for symbol in file.symbols() {
        let name = symbol.name().map_err(wrong)?;
        let section = symbol.section_index().map(|index: SectionIndex| index.0);
        let (global, weak) = (symbol.is_global(), symbol.is_weak());
        let undefined = symbol.is_undefined();
        symbols.append((
            symbol.index().0,
            name,
            section,
            symbol.address(),
            undefined,
            global,
            weak,
        ))?;
    }
    let found = PyDict::new(py);
    found.set_item("sections", sections)?;
    found.set_item("symbols", symbols)?;
    found.set_item("relocations", relocations)?;
    Ok(found)
}

/// The symbol or section that a relocation refers to, by number.
fn target(target: RelocationTarget) -> (Option<usize>, Option<usize>) {
    match target {
        RelocationTarget::Symbol(SymbolIndex(number)) => (Some(number), None),
        RelocationTarget::Section(SectionIndex(number)) => (None, Some(number)),
        _ => (None, None),
    }
}

/// The number of a relocation's type, as the format has it.
fn number_of(flags: RelocationFlags) -> Option<u32> {
    match flags {
        RelocationFlags::Elf { r_type } => Some(r_type),
        RelocationFlags::MachO { r_type, .. } => Some(u32::from(r_type)),
        RelocationFlags::Coff { typ } => Some(u32::from(typ)),
        _ => None,
    }
}

fn wrong(error: read::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}
