//! Run commands of filetests: `; run: %f(1) == 2`, `; print: %f(1)`.

use crate::errors::{self, ReadError};
use crate::panics;
use crate::timing::{self, Phase};
use crate::types;
use cranelift_codegen::data_value::DataValue;
use cranelift_codegen::ir::{AbiParam, Signature};
use cranelift_codegen::isa::CallConv;
use cranelift_reader::{Comparison, RunCommand};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Reads a comment as a run command for a function with these parameters and results.
///
/// None when it is a comment of another kind. Otherwise `kind` ("run" or "print"), `function`,
/// `args`, and for "run" `comparison` ("==" or "!=") and `expected`. A value is a pair of its type
/// and its bits, lane 0 lowest.
#[pyfunction]
pub fn parse_run_command<'py>(
    py: Python<'py>,
    text: &str,
    params: Vec<String>,
    returns: Vec<String>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let mut signature = Signature::new(CallConv::Fast);
    signature.params = abi_params(&params)?;
    signature.returns = abi_params(&returns)?;
    let command = panics::catch(|| {
        let _phase = timing::enter(Phase::Read);
        cranelift_reader::parse_run_command(text, &signature)
    })
    .map_err(|panic| errors::compiler_panic(py, panic, ""))?
    .map_err(|error| errors::read_error(py, &error))?;

    let dict = PyDict::new(py);
    match command {
        None => return Ok(None),
        Some(RunCommand::Print(invocation)) => {
            dict.set_item("kind", "print")?;
            dict.set_item("function", invocation.func)?;
            dict.set_item("args", values(py, &params, &invocation.args)?)?;
        }
        Some(RunCommand::Run(invocation, comparison, expected)) => {
            dict.set_item("kind", "run")?;
            dict.set_item("function", invocation.func)?;
            dict.set_item("args", values(py, &params, &invocation.args)?)?;
            dict.set_item(
                "comparison",
                if comparison == Comparison::Equals {
                    "=="
                } else {
                    "!="
                },
            )?;
            dict.set_item("expected", values(py, &returns, &expected)?)?;
        }
    }
    Ok(Some(dict))
}

fn abi_params(names: &[String]) -> PyResult<Vec<AbiParam>> {
    let known = |name: &String| {
        types::by_name(name)
            .map(AbiParam::new)
            .ok_or_else(|| ReadError::new_err(format!("no type named '{name}'")))
    };
    names.iter().map(known).collect()
}

/// Cranelift reads a vector as bytes and forgets its lanes, so the types are the signature's.
fn values<'py>(
    py: Python<'py>,
    types: &[String],
    values: &[DataValue],
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for (index, value) in values.iter().enumerate() {
        let ty = types
            .get(index)
            .cloned()
            .unwrap_or_else(|| value.ty().to_string());
        list.append((ty, bits(value)))?;
    }
    Ok(list)
}

#[expect(clippy::cast_sign_loss, reason = "the bits are what is asked for")]
fn bits(value: &DataValue) -> u128 {
    match value {
        DataValue::I8(value) => (*value as u8).into(),
        DataValue::I16(value) => (*value as u16).into(),
        DataValue::I32(value) => (*value as u32).into(),
        DataValue::I64(value) => (*value as u64).into(),
        DataValue::I128(value) => *value as u128,
        DataValue::F16(value) => value.bits().into(),
        DataValue::F32(value) => value.bits().into(),
        DataValue::F64(value) => value.bits().into(),
        DataValue::F128(value) => value.bits(),
        DataValue::V128(bytes) => u128::from_le_bytes(*bytes),
        DataValue::V64(bytes) => u64::from_le_bytes(*bytes).into(),
        DataValue::V32(bytes) => u32::from_le_bytes(*bytes).into(),
        DataValue::V16(bytes) => u16::from_le_bytes(*bytes).into(),
    }
}
