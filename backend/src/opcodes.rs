//! The opcode table: formats, flags and type constraints, as Cranelift itself has them.

use crate::panics;
use crate::types;
use cranelift_codegen::ir::instructions::{OpcodeConstraints, ResolvedConstraint};
use cranelift_codegen::ir::{Opcode, TrapCode, Type, types::INVALID};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// One entry for each opcode.
#[pyfunction]
pub fn opcodes(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for opcode in Opcode::all() {
        list.append(entry(py, *opcode)?)?;
    }
    Ok(list)
}

/// Every trap code that has a name of its own; beside them there are `user1` to `user250`.
#[pyfunction]
pub fn trap_codes() -> Vec<String> {
    TrapCode::non_user_traps()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn entry(py: Python<'_>, opcode: Opcode) -> PyResult<Bound<'_, PyDict>> {
    let constraints = opcode.constraints();
    let controlling = controlling_types(constraints, &types::ALL);
    // Few opcodes take dynamic vectors only.
    let examples = if controlling.is_empty() {
        controlling_types(constraints, &types::DYNAMIC)
    } else {
        controlling.clone()
    };
    let format = format!("{:?}", opcode.format());
    let typevar_operand = constraints
        .use_typevar_operand()
        .then(|| typevar_operand(&format));
    let polymorphic = constraints.is_polymorphic();

    let args = PyList::empty(py);
    for index in 0..constraints.num_fixed_value_arguments() {
        let resolve = |ty| constraints.value_argument_constraint(index, ty);
        args.append(constraint(py, polymorphic, &examples, resolve)?)?;
    }
    let results = PyList::empty(py);
    for index in 0..constraints.num_fixed_results() {
        let resolve = |ty| ResolvedConstraint::Bound(constraints.result_type(index, ty));
        results.append(constraint(py, polymorphic, &examples, resolve)?)?;
    }

    let entry = PyDict::new(py);
    entry.set_item("name", opcode.to_string())?;
    entry.set_item("format", format)?;
    entry.set_item("flags", flags(opcode))?;
    entry.set_item("polymorphic", polymorphic)?;
    entry.set_item("typevar_operand", typevar_operand)?;
    entry.set_item(
        "requires_typevar_operand",
        constraints.requires_typevar_operand(),
    )?;
    entry.set_item("args", args)?;
    entry.set_item("results", results)?;
    entry.set_item("ctrl_types", names(controlling.iter().copied()))?;
    Ok(entry)
}

fn flags(opcode: Opcode) -> Vec<&'static str> {
    let flags = [
        ("is_terminator", opcode.is_terminator()),
        ("is_branch", opcode.is_branch()),
        ("is_call", opcode.is_call()),
        ("is_return", opcode.is_return()),
        ("can_load", opcode.can_load()),
        ("can_store", opcode.can_store()),
        ("can_trap", opcode.can_trap()),
        ("other_side_effects", opcode.other_side_effects()),
        ("side_effects_idempotent", opcode.side_effects_idempotent()),
    ];
    flags
        .into_iter()
        .filter(|(_, holds)| *holds)
        .map(|(name, _)| name)
        .collect()
}

/// Which value operand determines the controlling type: a property of the format.
fn typevar_operand(format: &str) -> usize {
    match format {
        "Ternary" => 1,
        "AtomicCas" => 2,
        _ => 0,
    }
}

/// The candidates that an opcode allows as its controlling type. Cranelift's sets are a little too
/// wide: where an operand's type cannot be derived (and Cranelift panics), the type is left out.
fn controlling_types(constraints: OpcodeConstraints, candidates: &[Type]) -> Vec<Type> {
    let Some(set) = constraints.ctrl_typeset() else {
        return Vec::new();
    };
    let resolves = |ty: Type| {
        panics::catch(|| {
            for index in 0..constraints.num_fixed_value_arguments() {
                constraints.value_argument_constraint(index, ty);
            }
            for index in 0..constraints.num_fixed_results() {
                constraints.result_type(index, ty);
            }
        })
        .is_ok()
    };
    candidates
        .iter()
        .copied()
        .filter(|ty| set.contains(*ty) && resolves(*ty))
        .collect()
}

/// A constraint by Cranelift's name of it, over types of fixed size. The original is private to Cranelift, what it resolves
/// to is not: so the first kind is taken that gives the same for every controlling type.
fn constraint<'py>(
    py: Python<'py>,
    polymorphic: bool,
    controlling: &[Type],
    resolve: impl Fn(Type) -> ResolvedConstraint,
) -> PyResult<Bound<'py, PyList>> {
    let resolved: Vec<(Type, ResolvedConstraint)> = if polymorphic {
        controlling.iter().map(|ty| (*ty, resolve(*ty))).collect()
    } else {
        vec![(INVALID, resolve(INVALID))]
    };
    // The same for several controlling types: it does not depend on them.
    let independent = !polymorphic
        || resolved.len() > 1 && resolved.iter().all(|(_, result)| *result == resolved[0].1);
    let kind = KINDS
        .iter()
        .find(|kind| !independent && resolved.iter().all(|(ty, result)| kind.gives(*ty, *result)));
    let list = PyList::empty(py);
    match (kind, resolved.first()) {
        (Some(kind), _) => list.append(kind.name)?,
        (None, Some((_, ResolvedConstraint::Bound(ty)))) => {
            list.append("Concrete")?;
            list.append(ty.to_string())?;
        }
        (None, Some((_, ResolvedConstraint::Free(set)))) => {
            let allowed = types::ALL.iter().copied().filter(|ty| set.contains(*ty));
            list.append("Free")?;
            list.append(names(allowed).into_bound_py_any(py)?)?;
        }
        (None, None) => list.append("Same")?,
    }
    Ok(list)
}

/// A kind of constraint that depends on the controlling type.
struct Kind {
    name: &'static str,
    rule: Rule,
}

enum Rule {
    Type(fn(Type) -> Option<Type>),
    Set(fn(controlling: Type, candidate: Type) -> bool),
}

impl Kind {
    fn gives(&self, controlling: Type, result: ResolvedConstraint) -> bool {
        match (&self.rule, result) {
            (Rule::Type(rule), ResolvedConstraint::Bound(ty)) => rule(controlling) == Some(ty),
            (Rule::Set(rule), ResolvedConstraint::Free(set)) => types::ALL
                .iter()
                .all(|ty| set.contains(*ty) == rule(controlling, *ty)),
            _ => false,
        }
    }
}

const KINDS: [Kind; 10] = [
    Kind {
        name: "Same",
        rule: Rule::Type(Some),
    },
    Kind {
        name: "LaneOf",
        rule: Rule::Type(|ty| Some(ty.lane_of())),
    },
    Kind {
        name: "AsTruthy",
        rule: Rule::Type(|ty| Some(ty.as_truthy())),
    },
    Kind {
        name: "HalfWidth",
        rule: Rule::Type(Type::half_width),
    },
    Kind {
        name: "DoubleWidth",
        rule: Rule::Type(Type::double_width),
    },
    Kind {
        name: "SplitLanes",
        rule: Rule::Type(Type::split_lanes),
    },
    Kind {
        name: "MergeLanes",
        rule: Rule::Type(Type::merge_lanes),
    },
    Kind {
        name: "DynamicToVector",
        rule: Rule::Type(minimum),
    },
    Kind {
        name: "Narrower",
        rule: Rule::Set(|ty, other| same_class(ty, other) && other.bits() < ty.lane_bits()),
    },
    Kind {
        name: "Wider",
        rule: Rule::Set(|ty, other| same_class(ty, other) && other.bits() > ty.lane_bits()),
    },
];

/// The vector that a dynamic one is a multiple of.
fn minimum(ty: Type) -> Option<Type> {
    if ty.is_dynamic_vector() {
        ty.dynamic_to_vector()
    } else {
        None
    }
}

/// Whether `other` is a scalar of the kind of `ty`'s lanes.
fn same_class(ty: Type, other: Type) -> bool {
    other.is_lane() && other.is_int() == ty.lane_type().is_int()
}

fn names(types: impl Iterator<Item = Type>) -> Vec<String> {
    types.map(|ty| ty.to_string()).collect()
}
