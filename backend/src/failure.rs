//! What goes wrong while functions are compiled.

use crate::panics::Panic;
use cranelift_codegen::CodegenError;

/// What went wrong outside of the GIL; becomes an exception once it is held again.
pub enum Failure {
    Panic {
        panic: Panic,
        function: String,
    },
    Codegen {
        error: CodegenError,
        function: String,
    },
}

impl Failure {
    /// What came of a step for a function that may panic.
    pub fn of<T>(
        result: Result<Result<T, CodegenError>, Panic>,
        function: &str,
    ) -> Result<T, Self> {
        let function = || function.to_owned();
        match result {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(error)) => Err(Self::Codegen {
                error,
                function: function(),
            }),
            Err(panic) => Err(Self::Panic {
                panic,
                function: function(),
            }),
        }
    }
}
