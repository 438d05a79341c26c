//! The exceptions that Python sees. Each carries its facts as attributes, besides its message.

use crate::failure::Failure;
use crate::panics::Panic;
use cranelift_codegen::CodegenError;
use cranelift_reader::ParseError;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;

create_exception!(
    backend.cranelift._cranelift,
    ReadError,
    PyValueError,
    "Text that is not CLIF: `message`, `line`."
);
create_exception!(
    backend.cranelift._cranelift,
    SettingsError,
    PyValueError,
    "An unknown ISA, setting or value."
);
create_exception!(
    backend.cranelift._cranelift,
    VerifierError,
    PyException,
    "The verifier refused a function: `message`, `function`, `location`."
);
create_exception!(
    backend.cranelift._cranelift,
    CompileError,
    PyException,
    "Cranelift reported that it cannot compile a function: `message`, `function`."
);
create_exception!(
    backend.cranelift._cranelift,
    UnsupportedError,
    CompileError,
    "Cranelift says that a target lacks what a function needs."
);
create_exception!(
    backend.cranelift._cranelift,
    CompilerPanic,
    PyException,
    "Cranelift panicked: `message`, `location`, `function`, `phase`, `frames`."
);

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("ReadError", py.get_type::<ReadError>())?;
    module.add("SettingsError", py.get_type::<SettingsError>())?;
    module.add("VerifierError", py.get_type::<VerifierError>())?;
    module.add("CompileError", py.get_type::<CompileError>())?;
    module.add("UnsupportedError", py.get_type::<UnsupportedError>())?;
    module.add("CompilerPanic", py.get_type::<CompilerPanic>())
}

impl Failure {
    pub fn into_exception(self, py: Python<'_>) -> PyErr {
        match self {
            Failure::Panic { panic, function } => compiler_panic(py, panic, &function),
            Failure::Codegen { error, function } => codegen_error(py, error, &function),
        }
    }
}

/// Sets attributes on an exception; the exception itself comes back.
fn with<const N: usize>(py: Python<'_>, error: PyErr, attributes: [(&str, &str); N]) -> PyErr {
    for (name, value) in attributes {
        if let Err(failed) = error.value(py).setattr(name, value) {
            return failed;
        }
    }
    error
}

pub fn compiler_panic(py: Python<'_>, panic: Panic, function: &str) -> PyErr {
    let text = format!("{} at {}", panic.message, panic.location);
    let error = with(
        py,
        CompilerPanic::new_err(text),
        [
            ("message", panic.message.as_str()),
            ("location", panic.location.as_str()),
            ("function", function),
            ("phase", panic.phase),
        ],
    );
    match error.value(py).setattr("frames", panic.frames) {
        Ok(()) => error,
        Err(failed) => failed,
    }
}

pub fn codegen_error(py: Python<'_>, error: CodegenError, function: &str) -> PyErr {
    match error {
        CodegenError::Verifier(errors) => {
            let lines: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
            let message = lines.join("; ");
            let location = errors
                .0
                .first()
                .map(|e| e.location.to_string())
                .unwrap_or_default();
            with(
                py,
                VerifierError::new_err(format!("%{function}: {message}")),
                [
                    ("message", &message),
                    ("function", function),
                    ("location", &location),
                ],
            )
        }
        CodegenError::Unsupported(what) => with(
            py,
            UnsupportedError::new_err(format!("%{function}: {what}")),
            [("message", what.as_str()), ("function", function)],
        ),
        other => {
            let message = other.to_string();
            with(
                py,
                CompileError::new_err(format!("%{function}: {message}")),
                [("message", message.as_str()), ("function", function)],
            )
        }
    }
}

pub fn read_error(py: Python<'_>, error: &ParseError) -> PyErr {
    line_error(py, error.location.line_number, &error.message)
}

/// A `ReadError` about a line.
pub fn line_error(py: Python<'_>, line: usize, message: &str) -> PyErr {
    let exception = ReadError::new_err(format!("line {line}: {message}"));
    if let Err(failed) = exception.value(py).setattr("line", line) {
        return failed;
    }
    with(py, exception, [("message", message)])
}
