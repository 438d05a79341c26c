//! Text to functions, functions to machine code.

use crate::bounds;
use crate::call_sites::{self, HandlerSite, StackMap};
use crate::errors;
use crate::failure::Failure;
use crate::frontend;
use crate::inline;
use crate::isa::TargetIsa;
use crate::labels::{self, Location};
use crate::names;
use crate::panics;
use crate::shims::{self, Referent};
use crate::timing::{self, Phase};
use crate::unwind;
use crate::x86_features::{Code, Need};
use arbitrary::{Arbitrary, Unstructured};
use cranelift_codegen::binemit::CodeOffset;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::incremental_cache::CacheKvStore;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::{CallConv, TargetIsa as CraneliftIsa};
use cranelift_codegen::{CodegenError, CodegenResult, CompiledCode, Context};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Instant;

const NOTHING: &[u8] = &[];

thread_local! {
    // Kept for its allocations.
    static CONTEXT: RefCell<Context> = RefCell::new(Context::new());
}

/// The functions of a CLIF text, parsed once, to be compiled for any number of targets.
#[pyclass(frozen, module = "backend.cranelift._cranelift")]
pub struct Functions {
    pub functions: Vec<Function>,
    #[pyo3(get)]
    names: Vec<String>,
    #[pyo3(get)]
    read_ns: u64,
}

#[pymethods]
impl Functions {
    #[new]
    fn new(py: Python<'_>, text: &str) -> PyResult<Self> {
        bounds::check(py, text)?;
        let (result, read_ns) = py.detach(|| {
            let start = Instant::now();
            let result = panics::catch(|| {
                let _phase = timing::enter(Phase::Read);
                cranelift_reader::parse_functions(text)
            });
            (
                result,
                u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            )
        });
        let functions = result
            .map_err(|panic| errors::compiler_panic(py, panic, ""))?
            .map_err(|error| errors::read_error(py, &error))?;
        let names = functions.iter().map(names::name).collect();
        Ok(Self {
            functions,
            names,
            read_ns,
        })
    }

    /// Compiles every function, in the order of the text. `chaos` is what chaos mode draws its
    /// decisions from, from the last byte to the first; without any it decides as a release does.
    /// `inlining` says which calls are inlined before: `inline.rs`. `labels` labels all values, and
    /// numbers all instructions: `labels.rs`.
    #[pyo3(signature = (isa, *, clif=false, chaos=NOTHING, inlining=NOTHING, labels=false))]
    fn compile(
        &self,
        py: Python<'_>,
        isa: &TargetIsa,
        clif: bool,
        chaos: &[u8],
        inlining: &[u8],
        labels: bool,
    ) -> PyResult<Vec<Compiled>> {
        let isa = &*isa.isa;
        let result = py.detach(|| {
            let mut control = control_plane(chaos);
            let mut functions = self.inlined(inlining)?;
            if labels {
                functions.to_mut().iter_mut().for_each(labels::label);
            }
            functions
                .iter()
                .zip(&self.names)
                .map(|(function, name)| compile(function, name, isa, clif, &mut control))
                .collect::<Result<Vec<Compiled>, Failure>>()
        });
        result.map_err(|failure| failure.into_exception(py))
    }

    /// Optimises every function, as `compile` does before it lowers them, so that instructions which
    /// the ISA lacks do not matter. Returns their CLIF.
    #[pyo3(signature = (isa, *, chaos=NOTHING, inlining=NOTHING))]
    fn optimize(
        &self,
        py: Python<'_>,
        isa: &TargetIsa,
        chaos: &[u8],
        inlining: &[u8],
    ) -> PyResult<Vec<String>> {
        let isa = &*isa.isa;
        let result = py.detach(|| {
            let mut control = control_plane(chaos);
            let functions = self.inlined(inlining)?;
            functions
                .iter()
                .zip(&self.names)
                .map(|(function, name)| {
                    in_context(function, name, |context| {
                        optimize(context, isa, &mut control)?;
                        Ok(context.func.display().to_string())
                    })
                })
                .collect::<Result<Vec<String>, Failure>>()
        });
        result.map_err(|failure| failure.into_exception(py))
    }

    /// The functions after inlining, as Cranelift prints them, one after another.
    fn inline(&self, py: Python<'_>, inlining: &[u8]) -> PyResult<String> {
        let result = self.inlined(inlining);
        let functions = result.map_err(|failure| failure.into_exception(py))?;
        Ok(display(&functions))
    }

    /// The functions as `cranelift-frontend` makes them (`frontend.rs`), as Cranelift prints them.
    /// `references` has for each function the numbers of the values that need stack maps; `late`
    /// seals blocks at the end.
    fn translate(
        &self,
        py: Python<'_>,
        isa: &TargetIsa,
        references: Vec<HashSet<u32>>,
        late: bool,
    ) -> PyResult<String> {
        let config = isa.isa.frontend_config();
        let mut made = Vec::new();
        for ((function, name), needed) in self.iter().zip(&references) {
            let translated = panics::catch(|| frontend::translate(function, needed, late, config));
            made.push(translated.map_err(|panic| errors::compiler_panic(py, panic, name))?);
        }
        Ok(display(&made))
    }

    /// Compiles every function, whatever becomes of the others: in the order of the text its code,
    /// or the exception that `compile` would have raised.
    fn compile_each(&self, py: Python<'_>, isa: &TargetIsa) -> PyResult<Vec<Py<PyAny>>> {
        let isa = &*isa.isa;
        let results: Vec<Result<Compiled, Failure>> = py.detach(|| {
            let mut control = ControlPlane::default();
            self.functions
                .iter()
                .zip(&self.names)
                .map(|(function, name)| compile(function, name, isa, false, &mut control))
                .collect()
        });
        let objects = results.into_iter().map(|result| match result {
            Ok(compiled) => Ok(Py::new(py, compiled)?.into_any()),
            Err(failure) => Ok(failure.into_exception(py).into_value(py).into_any()),
        });
        objects.collect()
    }

    /// The verifier's exception for each function that it refuses, or that makes it panic; None for
    /// the others.
    fn verify(&self, py: Python<'_>, isa: &TargetIsa) -> Vec<Option<Py<PyAny>>> {
        let verified = self.functions.iter().zip(&self.names);
        verified
            .map(|(function, name)| {
                let result =
                    panics::catch(|| cranelift_codegen::verify_function(function, &*isa.isa));
                let function = name.clone();
                let failure = match result {
                    Ok(verified) => Failure::Codegen {
                        error: verified.err()?.into(),
                        function,
                    },
                    Err(panic) => Failure::Panic { panic, function },
                };
                Some(failure.into_exception(py).into_value(py).into_any())
            })
            .collect()
    }

    /// Each function by itself, so that one that fails does not hide the others.
    fn split(&self) -> Vec<Self> {
        let functions = self.functions.iter().zip(&self.names);
        functions
            .map(|(function, name)| Self {
                functions: vec![function.clone()],
                names: vec![name.clone()],
                read_ns: 0,
            })
            .collect()
    }

    /// The functions as Cranelift prints them, one after another.
    fn display(&self) -> String {
        display(&self.functions)
    }

    fn __len__(&self) -> usize {
        self.functions.len()
    }
}

impl Functions {
    fn inlined(&self, inlining: &[u8]) -> Result<Cow<'_, [Function]>, Failure> {
        if inlining.is_empty() {
            return Ok(Cow::Borrowed(&self.functions));
        }
        inline::inline_calls(&self.functions, inlining).map(Cow::Owned)
    }

    /// Every function with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&Function, &str)> {
        self.functions
            .iter()
            .zip(self.names.iter().map(String::as_str))
    }
}

/// One function's machine code, and what belongs to it.
#[pyclass(frozen, module = "backend.cranelift._cranelift")]
pub struct Compiled {
    #[pyo3(get)]
    name: String,
    code: CompiledCode,
    relocations: Vec<(CodeOffset, String, String, i64)>,
    #[pyo3(get)]
    clif: Option<String>,
    #[pyo3(get)]
    instructions: usize,
    #[pyo3(get)]
    blocks: usize,
    convention: CallConv,
    nanoseconds: [u64; Phase::COMPILING.len()],
    x86_64: bool,
    /// Whether a table names blocks: a jump table, or one of exception handlers.
    tables: bool,
}

#[pymethods]
impl Compiled {
    #[getter]
    fn code<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.code.code_buffer())
    }

    /// The function's calling convention, as CLIF spells it.
    #[getter]
    fn convention(&self) -> String {
        self.convention.to_string()
    }

    /// `(offset, kind, target, addend)`; the target is `%name`, `LibCall:FmaF64`,
    /// `KnownSymbol:...` or, within the function itself, `func+16`.
    #[getter]
    fn relocations(&self) -> Vec<(CodeOffset, String, String, i64)> {
        self.relocations.clone()
    }

    /// `(offset, trap code)`, by offset.
    #[getter]
    fn traps(&self) -> Vec<(CodeOffset, String)> {
        let traps = self.code.buffer.traps().iter();
        traps
            .map(|trap| (trap.offset, trap.code.to_string()))
            .collect()
    }

    /// `(start, end, location)` of the code that came of instructions with a source location (`@2a`),
    /// by start; what Cranelift added by itself is in none.
    #[getter]
    fn source_locations(&self) -> Vec<(CodeOffset, CodeOffset, u32)> {
        labels::source_locations(&self.code)
    }

    /// `(value, start, end, register, offset)` of each place that holds a labelled value, by value:
    /// `labels.rs`. `isa` is the target that it was compiled for.
    fn value_locations(&self, isa: &TargetIsa) -> Vec<Location> {
        labels::value_locations(&self.code, &*isa.isa)
    }

    /// `(return address, offset from the stack pointer to the frame's top, [(type, offset from the stack
    /// pointer)])` of each call with a stack map, by return address.
    #[getter]
    fn stack_maps(&self) -> Vec<StackMap> {
        call_sites::stack_maps(&self.code)
    }

    /// Offsets at which blocks start, in the order of the code, if a table may name them: the others are
    /// reached from instructions. The last one may lie behind the code, where constants begin, if its
    /// block has become empty.
    #[getter]
    fn block_starts(&self) -> &[CodeOffset] {
        if self.tables {
            &self.code.bb_starts
        } else {
            &[]
        }
    }

    /// Offsets behind the calls that may unwind or need a stack map: the return addresses.
    #[getter]
    fn call_sites(&self) -> Vec<CodeOffset> {
        self.code
            .buffer
            .call_sites()
            .map(|site| site.ret_addr)
            .collect()
    }

    /// Calls with exception handlers, as `call_sites.rs` describes them.
    #[getter]
    fn handler_sites(&self) -> Vec<HandlerSite> {
        call_sites::handler_sites(&self.code)
    }

    /// `(feature, mnemonic, offset)`: what the instructions need of an x86-64 CPU, and the first that
    /// needs it. Nothing for another ISA.
    #[getter]
    fn cpu_features(&self) -> Vec<Need> {
        if self.x86_64 {
            Code::of(&self.code, self.in_tables()).features()
        } else {
            Vec::new()
        }
    }

    /// `(offset, size)` of each instruction, by that decoder. Nothing for another ISA than x86-64.
    #[getter]
    fn decoded(&self) -> Vec<(CodeOffset, usize)> {
        if !self.x86_64 {
            return Vec::new();
        }
        let mut found = Vec::new();
        Code::of(&self.code, self.block_starts()).for_each(|instruction| {
            found.push((instruction.ip32(), instruction.len()));
        });
        found.sort_unstable();
        found
    }

    /// Bytes from the bottom of the frame to the frame pointer, where the function has a frame.
    #[getter]
    fn frame_size(&self) -> Option<u32> {
        self.code
            .buffer
            .frame_layout()
            .map(|layout| layout.frame_to_fp_offset)
    }

    /// The section `.debug_frame` with this function's entry, as if it lay at address 0; None if the ISA
    /// has none. `isa` is the target that it was compiled for.
    fn debug_frame<'py>(
        &self,
        py: Python<'py>,
        isa: &TargetIsa,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.table(py, || unwind::debug_frame(&self.code, &*isa.isa))
    }

    /// The `UNWIND_INFO` of Windows; None for another ISA than x86-64.
    fn windows_unwind_info<'py>(
        &self,
        py: Python<'py>,
        isa: &TargetIsa,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.table(py, || unwind::windows(&self.code, &*isa.isa))
    }

    #[getter]
    fn alignment(&self) -> u32 {
        shims::alignment(&self.code)
    }

    #[getter]
    fn nanoseconds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (phase, nanoseconds) in Phase::COMPILING.iter().zip(self.nanoseconds) {
            dict.set_item(phase.name(), nanoseconds)?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!(
            "Compiled(%{}, {} bytes)",
            self.name,
            self.code.code_buffer().len()
        )
    }
}

impl Compiled {
    /// The code that somebody has compiled in a context; nothing if nobody has. Names in relocations are
    /// those of the context's function.
    #[cfg(feature = "modules")]
    pub fn of_context(context: &Context, name: &str, isa: &dyn CraneliftIsa) -> Option<Self> {
        let code = context.compiled_code()?.clone();
        Some(Self::of(code, &context.func, name, isa).counted(&context.func))
    }

    /// The code of a function, of which neither CLIF nor counts are kept.
    fn of(code: CompiledCode, function: &Function, name: &str, isa: &dyn CraneliftIsa) -> Self {
        Self {
            name: name.to_owned(),
            relocations: relocations(&code, function),
            code,
            clif: None,
            instructions: 0,
            blocks: 0,
            convention: function.signature.call_conv,
            nanoseconds: timing::nanoseconds(),
            x86_64: isa.name() == "x64",
            tables: has_tables(function),
        }
    }

    /// The same with the counts of the function that was lowered.
    fn counted(self, function: &Function) -> Self {
        let layout = &function.layout;
        let counts = layout
            .blocks()
            .map(|block| layout.block_insts(block).count());
        Self {
            instructions: counts.sum(),
            blocks: layout.blocks().count(),
            ..self
        }
    }

    fn table<'py>(
        &self,
        py: Python<'py>,
        make: impl FnOnce() -> CodegenResult<Option<Vec<u8>>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let function = || self.name.clone();
        let made = match panics::catch(make) {
            Ok(made) => made.map_err(|error| Failure::Codegen {
                error,
                function: function(),
            }),
            Err(panic) => Err(Failure::Panic {
                panic,
                function: function(),
            }),
        };
        let bytes = made.map_err(|failure| failure.into_exception(py))?;
        Ok(bytes.map(|bytes| PyBytes::new(py, &bytes)))
    }

    /// Starts of blocks that a table may name, and that are surely code: the last one may be where
    /// constants begin, and what these look like must not be held against the code.
    fn in_tables(&self) -> &[CodeOffset] {
        match self.block_starts() {
            [most @ .., _] => most,
            [] => &[],
        }
    }
}

fn display(functions: &[Function]) -> String {
    let texts: Vec<String> = functions.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

/// The control plane whose data is exactly `chaos`.
pub fn control_plane(chaos: &[u8]) -> ControlPlane {
    if chaos.is_empty() {
        return ControlPlane::default();
    }
    // Its only constructor reads a list the way `arbitrary` encodes one: before each element a
    // byte that says that there is one more.
    let encoded: Vec<u8> = chaos.iter().flat_map(|byte| [1, *byte]).collect();
    ControlPlane::arbitrary(&mut Unstructured::new(&encoded)).unwrap_or_default()
}

fn compile(
    function: &Function,
    name: &str,
    isa: &dyn CraneliftIsa,
    clif: bool,
    control: &mut ControlPlane,
) -> Result<Compiled, Failure> {
    in_context(function, name, |context| {
        run_pipeline(context, name, isa, clif, control)
    })
}

/// Compiles a function through the incremental cache; whether it was found there.
pub fn through_cache(
    function: &Function,
    name: &str,
    isa: &dyn CraneliftIsa,
    store: &mut dyn CacheKvStore,
) -> Result<(Compiled, bool), Failure> {
    in_context(function, name, |context| {
        let mut control = ControlPlane::default();
        let (code, hit) = context
            .compile_with_cache(isa, store, &mut control)
            .map(|(code, hit)| (code.clone(), hit))
            .map_err(|error| error.inner)?;
        Ok((Compiled::of(code, &context.func, name, isa), hit))
    })
}

/// Works on a function in this thread's context; a panic is a failure, and makes the context anew.
fn in_context<R>(
    function: &Function,
    name: &str,
    body: impl FnOnce(&mut Context) -> Result<R, CodegenError>,
) -> Result<R, Failure> {
    let result = panics::catch(|| {
        CONTEXT.with_borrow_mut(|context| {
            context.clear();
            context.func = function.clone();
            body(context)
        })
    });
    if result.is_err() {
        // It was left in the middle of something.
        CONTEXT.set(Context::new());
        shims::reset();
    }
    Failure::of(result, name)
}

/// The first half of `Context::compile`.
fn optimize(
    context: &mut Context,
    isa: &dyn CraneliftIsa,
    control: &mut ControlPlane,
) -> Result<(), CodegenError> {
    // `optimize` begins with the verifier, unless it rewrites NaNs before.
    if isa.flags().enable_nan_canonicalization() {
        context.verify_if(isa)?;
    }
    let _phase = timing::enter(Phase::Optimize);
    context.optimize(isa, control)
}

/// The steps of `Context::compile`, with a look at the function between the two halves.
fn run_pipeline(
    context: &mut Context,
    name: &str,
    isa: &dyn CraneliftIsa,
    clif: bool,
    control: &mut ControlPlane,
) -> Result<Compiled, CodegenError> {
    optimize(context, isa, control)?;
    let clif = clif.then(|| context.func.display().to_string());
    let code = {
        let _phase = timing::enter(Phase::Lower);
        shims::compile_function(isa, &context.func, &context.domtree, control)?
    };
    let compiled = Compiled::of(code, &context.func, name, isa);
    Ok(Compiled {
        clif,
        ..compiled.counted(&context.func)
    })
}

fn has_tables(function: &Function) -> bool {
    !function.dfg.jump_tables.is_empty() || !function.dfg.exception_tables.is_empty()
}

fn relocations(code: &CompiledCode, function: &Function) -> Vec<(CodeOffset, String, String, i64)> {
    let relocations = code.buffer.relocs().iter();
    relocations
        .map(|relocation| {
            let target = match shims::referent(&relocation.target) {
                Referent::Name(external) => names::relocated(external, function),
                Referent::Offset(offset) => format!("func+{offset}"),
            };
            (
                relocation.offset,
                format!("{:?}", relocation.kind),
                target,
                relocation.addend,
            )
        })
        .collect()
}
