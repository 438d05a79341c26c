//! CLIF's value types by name.

use cranelift_codegen::ir::Type;
use cranelift_codegen::ir::types::{F16, F32, F64, F128, I8, I16, I32, I64, I128};
use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Every value type of fixed size: scalars, then vectors. Dynamic vectors are left out: no backend
/// of ours lowers them, and Cranelift panics on some of the combinations that its table allows.
pub static ALL: LazyLock<Vec<Type>> = LazyLock::new(|| {
    let scalars = [I8, I16, I32, I64, I128, F16, F32, F64, F128];
    let mut all = scalars.to_vec();
    for scalar in scalars {
        all.extend((1..=8).filter_map(|log2| scalar.by(1 << log2)));
    }
    all
});

/// The dynamic vectors.
pub static DYNAMIC: LazyLock<Vec<Type>> = LazyLock::new(|| {
    let vectors = ALL.iter().filter(|ty| ty.is_vector());
    vectors.filter_map(|ty| ty.vector_to_dynamic()).collect()
});

static BY_NAME: LazyLock<HashMap<String, Type>> =
    LazyLock::new(|| ALL.iter().map(|ty| (ty.to_string(), *ty)).collect());

pub fn by_name(name: &str) -> Option<Type> {
    BY_NAME.get(name).copied()
}

/// Names of all value types of fixed size.
#[pyfunction]
pub fn types() -> Vec<String> {
    ALL.iter().map(ToString::to_string).collect()
}
