//! Where the time of a compilation goes, and which phase a panic interrupts.
//!
//! Cranelift announces its passes to a profiler of the thread; ours adds them up under few names.

use cranelift_codegen::timing::{Pass, Profiler, set_thread_profiler};
use std::any::Any;
use std::cell::Cell;
use std::time::Instant;

/// What the compiler is busy with. Each moment counts for one phase only, the innermost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Read,
    Verify,
    Optimize,
    Lower,
    Regalloc,
    Emit,
    Other,
}

const PHASES: usize = 7;

impl Phase {
    pub const COMPILING: [Phase; 6] = [
        Phase::Verify,
        Phase::Optimize,
        Phase::Lower,
        Phase::Regalloc,
        Phase::Emit,
        Phase::Other,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Phase::Read => "read",
            Phase::Verify => "verify",
            Phase::Optimize => "optimize",
            Phase::Lower => "lower",
            Phase::Regalloc => "regalloc",
            Phase::Emit => "emit",
            Phase::Other => "other",
        }
    }
}

thread_local! {
    static CURRENT: Cell<Phase> = const { Cell::new(Phase::Other) };
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    static TOTALS: Cell<[u64; PHASES]> = const { Cell::new([0; PHASES]) };
    static INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Forgets all times of this thread and starts the clock.
pub fn start() {
    if !INSTALLED.replace(true) {
        set_thread_profiler(Box::new(Phases));
    }
    CURRENT.set(Phase::Other);
    TOTALS.set([0; PHASES]);
    SINCE.set(Some(Instant::now()));
}

/// The phase that this thread is in.
pub fn phase() -> Phase {
    CURRENT.get()
}

/// Goes over to `phase` until the guard is dropped.
pub fn enter(phase: Phase) -> Guard {
    Guard {
        previous: switch(phase),
    }
}

/// Nanoseconds since `start` by phase, in the order of `Phase::COMPILING`.
pub fn nanoseconds() -> [u64; Phase::COMPILING.len()] {
    switch(phase());
    let totals = TOTALS.get();
    Phase::COMPILING.map(|phase| totals[phase as usize])
}

fn switch(to: Phase) -> Phase {
    let now = Instant::now();
    let from = CURRENT.replace(to);
    if let Some(since) = SINCE.replace(Some(now)) {
        let mut totals = TOTALS.get();
        let elapsed = now.saturating_duration_since(since).as_nanos();
        totals[from as usize] += u64::try_from(elapsed).unwrap_or(u64::MAX);
        TOTALS.set(totals);
    }
    from
}

pub struct Guard {
    previous: Phase,
}

impl Drop for Guard {
    fn drop(&mut self) {
        switch(self.previous);
    }
}

struct Phases;

impl Profiler for Phases {
    fn start_pass(&self, pass: Pass) -> Box<dyn Any> {
        let phase = match pass {
            Pass::verifier => Phase::Verify,
            Pass::vcode_lower => Phase::Lower,
            Pass::regalloc | Pass::regalloc_checker => Phase::Regalloc,
            Pass::vcode_emit | Pass::vcode_emit_finish => Phase::Emit,
            _ => phase(),
        };
        if phase == self::phase() {
            return Box::new(());
        }
        Box::new(enter(phase))
    }
}
