//! Runs Pulley bytecode for clif-fuzz, as a process of its own.
//!
//! The interpreter reads and writes the addresses that the bytecode names, so wrong bytecode can
//! damage the process. That is why it is this one, which does nothing else, and is confined
//! (`backend/engines/confine.py`). What it is told, and how, is in
//! `backend/engines/command_page.py`: a byte on standard input says that there is a command in the
//! page, a byte on standard output that it is done.
//!
//! With the argument `disassemble` it prints the instructions of the bytecode on standard input, with
//! `opcodes` the encodings of all opcodes.

mod disassemble;
mod opcodes;
mod page;
mod registers;

use page::Page;
use pulley_interpreter::interp::{DoneReason, TrapKind, Vm};
use pulley_interpreter::regs::XReg;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::process::exit;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

/// Bytes of the stack on which signals are handled. Each fault leaves a few KiB on it for good.
const SIGNAL_STACK: usize = 64 << 20;

/// Commands besides `page::RUN` and `page::RESUME`, in the word `page::NUMBER`.
const MAP: u64 = 0;
const UNMAP: u64 = 1;

/// Everything that a signal's handler has to find.
struct Machine {
    page: Page,
    vm: *mut Vm,
}

// SAFETY: the process has one thread.
unsafe impl Send for Machine {}
// SAFETY: as above.
unsafe impl Sync for Machine {}

static MACHINE: OnceLock<Machine> = OnceLock::new();

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", file, bits, order] => match (file.parse(), bits.parse()) {
            (Ok(file), Ok(bits)) => begin(file, bits, order == "big"),
            _ => Err(io::Error::other("FILE and BITS are numbers")),
        },
        ["disassemble"] => disassemble::all(),
        ["opcodes"] => opcodes::all(),
        _ => Err(io::Error::other(
            "usage: serve FILE BITS ORDER | disassemble | opcodes",
        )),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        exit(1);
    }
}

/// Serves for good the host that shares the memory which is open as `file`.
///
/// Addresses have so many bits; what lies in memory has this byte order.
fn begin(file: c_int, pointer_bits: u32, big_endian: bool) -> io::Result<()> {
    choose(pointer_bits, big_endian)?;
    // The least stack of its own, since bytecode runs on the host's. It is below all other memory,
    // so that the interpreter's own check of the stack never fails: guard pages do it, as elsewhere.
    let vm = Vm::with_stack(0).map_err(|_| io::Error::other("out of memory"))?;
    let machine = Machine {
        page: Page::map(file, big_endian)?,
        vm: Box::into_raw(Box::new(vm)),
    };
    catch_signals()?;
    let machine = MACHINE.get_or_init(|| machine);
    serve(machine);
    Err(io::Error::other("nothing to go on with"))
}

/// Tells the interpreter what its guest's data model is.
#[cfg(feature = "retargeted")]
fn choose(pointer_bits: u32, big_endian: bool) -> io::Result<()> {
    pulley_interpreter::interp::guest::choose(pointer_bits, big_endian);
    Ok(())
}

/// Refuses a guest whose data model is not the host's.
#[cfg(not(feature = "retargeted"))]
fn choose(pointer_bits: u32, big_endian: bool) -> io::Result<()> {
    if pointer_bits != usize::BITS || big_endian != cfg!(target_endian = "big") {
        return Err(io::Error::other(
            "this interpreter is for guests like its host",
        ));
    }
    Ok(())
}

fn catch_signals() -> io::Result<()> {
    // SAFETY: the calls get what they ask for.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN); // whoever started us ends us
        let stack = map(
            0,
            SIGNAL_STACK,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        checked(stack)?;
        let stack = libc::stack_t {
            ss_sp: ptr::with_exposed_provenance_mut(stack as usize),
            ss_flags: 0,
            ss_size: SIGNAL_STACK,
        };
        checked(libc::sigaltstack(&stack, ptr::null_mut()).into())?;
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            checked(libc::sigaction(signal, &action, ptr::null_mut()).into())?;
        }
    }
    Ok(())
}

fn checked(result: i64) -> io::Result<()> {
    if (-4095..0).contains(&result) {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// An access to memory failed.
///
/// What the interpreter was doing is never gone on with, unless the host says so: then it has
/// mapped the memory, and the access is made again. Otherwise this handler serves from now on, and
/// does not return.
extern "C" fn on_signal(signal: c_int, information: *mut libc::siginfo_t, _context: *mut c_void) {
    let Some(machine) = MACHINE.get() else {
        exit(1)
    };
    // SAFETY: the kernel passes what the signal is about.
    let address = unsafe { (*information).si_addr() } as u64;
    // SAFETY: the interpreter is stopped, and this is the only thread.
    let vm = unsafe { &*machine.vm };
    let pc = vm.executing_pc().get().unwrap_or(0);
    registers::save(&machine.page, vm, pc as u64, address);
    machine.page.set(page::STATUS, signal as u64);
    serve(machine);
}

/// Does what the host says. Returns if the access that failed is to be made again.
fn serve(machine: &Machine) {
    let page = &machine.page;
    loop {
        page.set(page::DONE_SEQUENCE, page.get(page::SEQUENCE));
        transfer(|byte| unsafe { libc::write(1, byte, 1) });
        transfer(|byte| unsafe { libc::read(0, byte, 1) });
        match page.get(page::COMMAND) {
            page::RUN => run(machine),
            page::RESUME => return,
            _ => page.set(page::RESULT, system_call(page) as u64),
        }
    }
}

/// Reads or writes a byte; ends the process if there is nobody on the other side.
fn transfer(call: impl Fn(*mut c_void) -> isize) {
    let mut byte = [b'c'];
    loop {
        match call(byte.as_mut_ptr().cast()) {
            1 => return,
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => exit(0),
        }
    }
}

fn run(machine: &Machine) {
    let page = &machine.page;
    // SAFETY: the interpreter that this machine's last run stopped is never gone on with.
    let vm = unsafe { &mut *machine.vm };
    registers::load(page, vm);
    let mut pc = page.get(page::ENTRY);
    loop {
        let Some(at) = NonNull::new(ptr::with_exposed_provenance_mut(pc as usize)) else {
            exit(1);
        };
        // SAFETY: none. That is what the process is for.
        match unsafe { vm.call_run(at) } {
            DoneReason::ReturnToHost(()) => {
                page.set(page::STATUS, page::RETURNED);
                return;
            }
            DoneReason::Trap { pc, kind } => {
                registers::save(page, vm, pc.as_ptr().expose_provenance() as u64, 0);
                page.set(page::STATUS, page::TRAPPED + reason(kind));
                return;
            }
            DoneReason::CallIndirectHost { id, resume } => {
                // There is no host: a function of the case is called.
                // SAFETY: as above.
                unsafe { vm.set_lr(resume.as_ptr()) };
                pc = page.get(page::FAR_FUNCTIONS + usize::from(id));
            }
        }
    }
}

/// The number of the reason of a trap, 0 for none.
fn reason(kind: Option<TrapKind>) -> u64 {
    match kind {
        None => 0,
        Some(TrapKind::DivideByZero) => 1,
        Some(TrapKind::IntegerOverflow) => 2,
        Some(TrapKind::BadConversionToInteger) => 3,
        Some(TrapKind::MemoryOutOfBounds) => 4,
        Some(TrapKind::DisabledOpcode) => 5,
        Some(TrapKind::StackOverflow) => 6,
    }
}

/// Makes a system call, and returns its result, or an error as a negative number.
fn system_call(page: &Page) -> i64 {
    let argument = |number| page.get(page::ARGUMENTS + number);
    let (address, size) = (argument(0), argument(1) as usize);
    match page.get(page::NUMBER) {
        MAP => {
            let [flags, file] = [3, 4].map(|number| argument(number) as c_int);
            map(address, size, flags, file, argument(5))
        }
        UNMAP => {
            let place = ptr::with_exposed_provenance_mut(address as usize);
            // SAFETY: only the host's memory lies there.
            result(unsafe { libc::munmap(place, size) }.into())
        }
        _ => -i64::from(libc::ENOSYS),
    }
}

fn map(address: u64, size: usize, flags: c_int, file: c_int, offset: u64) -> i64 {
    let place = ptr::with_exposed_provenance_mut(address as usize);
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the host knows what lies there.
    let mapped = unsafe { libc::mmap(place, size, protection, flags, file, offset as i64) };
    result(mapped.expose_provenance() as i64)
}

fn result(returned: i64) -> i64 {
    if returned == -1 {
        return -i64::from(
            io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        );
    }
    returned
}

/// The stack pointer, by its name in the interpreter.
const SP: XReg = XReg::sp;
