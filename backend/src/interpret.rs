//! Functions through `cranelift-interpreter`, for all inputs of a case.
//!
//! Its `step` gives every instruction its meaning; the loop around it is ours, for its own neither
//! shows memory afterwards nor says at which instruction it gave up, and it recurses with each call.

use crate::compile::Functions;
use crate::errors;
use crate::isa::TargetIsa;
use crate::names::name;
use crate::panics;
use cranelift_codegen::Context;
use cranelift_codegen::data_value::DataValue;
use cranelift_codegen::ir::{Block, Function, Inst, Type};
use cranelift_codegen::isa::TargetIsa as CraneliftIsa;
use cranelift_interpreter::environment::FunctionStore;
use cranelift_interpreter::instruction::DfgInstructionContext;
use cranelift_interpreter::interpreter::InterpreterState;
use cranelift_interpreter::state::State;
use cranelift_interpreter::step::{ControlFlow, CraneliftTrap, StepError, step};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error;

/// Where a case's memory begins in the interpreter's stack, its only memory: not at address zero,
/// and as aligned as any access asks for.
const REGION: usize = 64;
const NOTHING: &[u8] = &[];

/// How the run of one input ended. `Failed` is a fault of the interpreter; what it knows that it
/// cannot do is `Unsupported`.
enum Ending {
    Returned(Vec<DataValue>),
    Trapped(String),
    OutOfFuel,
    Unsupported(String),
    Failed(String),
}

impl Ending {
    fn kind(&self) -> u8 {
        match self {
            Ending::Returned(_) => 0,
            Ending::Trapped(_) => 1,
            Ending::OutOfFuel => 2,
            Ending::Unsupported(_) => 3,
            Ending::Failed(_) => 4,
        }
    }

    fn detail(self) -> Option<String> {
        match self {
            Ending::Trapped(text) | Ending::Unsupported(text) | Ending::Failed(text) => Some(text),
            Ending::Returned(_) | Ending::OutOfFuel => None,
        }
    }
}

/// Results by return value, kinds of endings, what is to be said of an ending by input, memory.
type Interpreted<'py> = (
    Vec<Bound<'py, PyBytes>>,
    Bound<'py, PyBytes>,
    HashMap<usize, String>,
    Bound<'py, PyBytes>,
);

/// Interprets the function `entry` for `count` inputs. `args` are the inputs' bit patterns by
/// parameter; the parameter `region` receives the address of memory that holds `contents`.
/// With `canonical_nans` Cranelift's pass for them runs first, as it does before compiling.
#[pyfunction]
#[pyo3(signature = (functions, entry, count, args, *, fuel, region=None, contents=NOTHING, canonical_nans=None))]
#[expect(clippy::too_many_arguments, reason = "most are keywords in Python")]
pub fn interpret<'py>(
    py: Python<'py>,
    functions: &Functions,
    entry: &str,
    count: usize,
    args: Vec<PyBackedBytes>,
    fuel: u64,
    region: Option<usize>,
    contents: &[u8],
    canonical_nans: Option<&TargetIsa>,
) -> PyResult<Interpreted<'py>> {
    let rewritten = match canonical_nans {
        Some(isa) => Some(with_canonical_nans(py, &functions.functions, &*isa.isa)?),
        None => None,
    };
    let functions = rewritten.as_deref().unwrap_or(&functions.functions);
    let Some(main) = functions.iter().find(|function| name(function) == entry) else {
        return Err(PyValueError::new_err(format!("no function %{entry}")));
    };
    let case = Case {
        store: store(functions),
        main,
        args: &args,
        region,
        contents,
        fuel,
    };
    case.check(count)?;
    let mut results = vec![Vec::new(); main.signature.returns.len()];
    let mut memory = Vec::with_capacity(count * contents.len());
    let endings: Vec<Ending> = py.detach(|| {
        let rows = 0..count;
        rows.map(|row| case.run(row, &mut results, &mut memory))
            .collect()
    });
    let kinds: Vec<u8> = endings.iter().map(Ending::kind).collect();
    let details = endings.into_iter().enumerate();
    let details = details.filter_map(|(row, ending)| Some((row, ending.detail()?)));
    let results = results.iter().map(|bytes| PyBytes::new(py, bytes));
    Ok((
        results.collect(),
        PyBytes::new(py, &kinds),
        details.collect(),
        PyBytes::new(py, &memory),
    ))
}

fn with_canonical_nans(
    py: Python<'_>,
    functions: &[Function],
    isa: &dyn CraneliftIsa,
) -> PyResult<Vec<Function>> {
    let rewritten = panics::catch(|| {
        let contexts = functions.iter().map(|function| {
            let mut context = Context::for_function(function.clone());
            context.canonicalize_nans(isa).map(|()| context.func)
        });
        contexts.collect::<Result<Vec<Function>, _>>()
    });
    match rewritten {
        Ok(Ok(functions)) => Ok(functions),
        Ok(Err(error)) => Err(errors::codegen_error(py, error, "")),
        Err(panic) => Err(errors::compiler_panic(py, panic, "")),
    }
}

/// The functions by name. Of two with the same name the first counts.
fn store(functions: &[Function]) -> FunctionStore<'_> {
    let mut store = FunctionStore::default();
    for function in functions {
        let name = function.name.to_string();
        if store.index_of(&name).is_none() {
            store.add(name, function);
        }
    }
    store
}

struct Case<'a> {
    store: FunctionStore<'a>,
    main: &'a Function,
    args: &'a [PyBackedBytes],
    region: Option<usize>,
    contents: &'a [u8],
    fuel: u64,
}

impl<'a> Case<'a> {
    fn check(&self, count: usize) -> PyResult<()> {
        let params = &self.main.signature.params;
        let sizes = params.iter().map(|param| param.value_type.bytes() as usize);
        let fits = self.args.len() == params.len()
            && self
                .args
                .iter()
                .zip(sizes)
                .enumerate()
                .all(|(n, (arg, size))| Some(n) == self.region || arg.len() == count * size);
        if fits {
            return Ok(());
        }
        let message = "the arguments do not fit the function's parameters";
        Err(PyValueError::new_err(message))
    }

    /// Runs one input and appends what it left to `results` and `memory`: zeros where nothing is
    /// known.
    fn run(&self, row: usize, results: &mut [Vec<u8>], memory: &mut Vec<u8>) -> Ending {
        let mut state = InterpreterState::default().with_function_store(self.store.clone());
        state.stack.resize(REGION, 0);
        state.stack.extend_from_slice(self.contents);
        state
            .stack
            .resize(state.stack.len().next_multiple_of(REGION), 0);
        state.frame_offset = state.stack.len();
        let at = Cell::new(None);
        let ending = panics::catch(|| {
            let args = self.arguments(row);
            run(&mut state, self.main, &args, self.fuel, &at)
        });
        let ending = match ending {
            Ok(ending) => self.checked(ending),
            Err(panic) => given_up(at.get(), &panic.message),
        };
        for (index, (bytes, param)) in results
            .iter_mut()
            .zip(&self.main.signature.returns)
            .enumerate()
        {
            let start = bytes.len();
            bytes.resize(start + param.value_type.bytes() as usize, 0);
            if let Ending::Returned(values) = &ending {
                values[index].write_to_slice_le(&mut bytes[start..]);
            }
        }
        memory.extend_from_slice(&state.stack[REGION..REGION + self.contents.len()]);
        ending
    }

    fn arguments(&self, row: usize) -> Vec<DataValue> {
        let params = self.main.signature.params.iter().zip(self.args).enumerate();
        params
            .map(|(index, (param, bytes))| {
                if Some(index) == self.region {
                    return DataValue::I64(REGION as i64);
                }
                let size = param.value_type.bytes() as usize;
                let bytes = &bytes[row * size..][..size];
                DataValue::read_from_slice_le(bytes, param.value_type)
            })
            .collect()
    }

    /// A result of another size than the signature says is a failure.
    fn checked(&self, ending: Ending) -> Ending {
        let Ending::Returned(values) = &ending else {
            return ending;
        };
        let returns = &self.main.signature.returns;
        let wrong = values
            .iter()
            .zip(returns)
            .enumerate()
            .find(|(_, (value, param))| !is_of(value, param.value_type));
        match wrong {
            Some((index, (value, _))) => {
                Ending::Failed(format!("result {index} has the type {}", value.ty()))
            }
            None => ending,
        }
    }
}

/// Vectors know their size only.
fn is_of(value: &DataValue, type_: Type) -> bool {
    if type_.is_vector() {
        return value.is_vector() && value.ty().bytes() == type_.bytes();
    }
    value.ty() == type_
}

type Place<'a> = Option<(&'a Function, Inst)>;

fn run<'a>(
    state: &mut InterpreterState<'a>,
    main: &'a Function,
    args: &[DataValue],
    fuel: u64,
    at: &Cell<Place<'a>>,
) -> Ending {
    let mut calls = Vec::new();
    let mut next = enter(state, main, args);
    for _ in 0..fuel {
        let function = state.get_current_function();
        let Some(inst) = next else {
            return Ending::Failed("ran past the end of a block".to_owned());
        };
        at.set(Some((function, inst)));
        let context = DfgInstructionContext::new(inst, &function.dfg);
        let flow = match step(state, context) {
            Ok(flow) => flow,
            Err(error) => return given_up(at.get(), &message(&error)),
        };
        next = function.layout.next_inst(inst);
        match flow {
            ControlFlow::Continue => {}
            ControlFlow::Assign(values) => assign(state, function, inst, values.to_vec()),
            ControlFlow::ContinueAt(block, values) => {
                next = jump(state, function, block, values.to_vec());
            }
            ControlFlow::Call(callee, values) => {
                calls.push(inst);
                next = enter(state, callee, &values);
            }
            ControlFlow::ReturnCall(callee, values) => {
                state.pop_frame();
                next = enter(state, callee, &values);
            }
            ControlFlow::Return(values) => {
                state.pop_frame();
                let Some(call) = calls.pop() else {
                    return Ending::Returned(values.to_vec());
                };
                let caller = state.get_current_function();
                assign(state, caller, call, values.to_vec());
                next = caller.layout.next_inst(call);
            }
            ControlFlow::Trap(trap) => return Ending::Trapped(trap_name(&trap)),
        }
    }
    Ending::OutOfFuel
}

fn enter<'a>(
    state: &mut InterpreterState<'a>,
    function: &'a Function,
    args: &[DataValue],
) -> Option<Inst> {
    state.push_frame(function);
    let block = function.layout.entry_block()?;
    jump(state, function, block, args.to_vec())
}

fn jump(
    state: &mut InterpreterState<'_>,
    function: &Function,
    block: Block,
    values: Vec<DataValue>,
) -> Option<Inst> {
    let params = function.dfg.block_params(block);
    state.current_frame_mut().set_all(params, values);
    function.layout.first_inst(block)
}

fn assign(
    state: &mut InterpreterState<'_>,
    function: &Function,
    inst: Inst,
    values: Vec<DataValue>,
) {
    let results = function.dfg.inst_results(inst);
    state.current_frame_mut().set_all(results, values);
}

/// Trap codes as CLIF spells them; what is no trap of CLIF has a name of the interpreter's own.
fn trap_name(trap: &CraneliftTrap) -> String {
    match trap {
        CraneliftTrap::User(code) => code.to_string(),
        other => format!("cranelift-interpreter: {other}"),
    }
}

fn message(error: &StepError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Why an input was not interpreted. `unimplemented!` and errors are what it does not claim to
/// know; any other panic is a fault.
fn given_up(at: Place<'_>, message: &str) -> Ending {
    let place = at.map_or_else(String::new, |(function, inst)| {
        let opcode = function.dfg.insts[inst].opcode();
        let type_ = function.dfg.ctrl_typevar(inst);
        if type_.is_invalid() {
            format!("{opcode}: ")
        } else {
            format!("{opcode}.{type_}: ")
        }
    });
    let text = format!("{place}{message}");
    let missing = ["not implemented", "cannot step", "failed to access"];
    // It unwraps errors of its own in places.
    let unwrapped = message.contains("InvalidType(");
    if unwrapped || missing.iter().any(|start| message.starts_with(start)) {
        Ending::Unsupported(text)
    } else {
        Ending::Failed(text)
    }
}
