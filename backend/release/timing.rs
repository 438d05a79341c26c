//! Which phase a panic happened in, as far as it can be told from outside of any release: the place
//! of `backend/src/timing.rs`, which has it from Cranelift's profiler.

use std::cell::Cell;

#[derive(Clone, Copy)]
pub enum Phase {
    Read,
    Other,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Read => "read",
            Phase::Other => "other",
        }
    }
}

thread_local! {
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Other) };
}

/// A panic from here on is of this phase.
pub fn enter(phase: Phase) {
    PHASE.set(phase);
}

pub fn start() {}

pub fn phase() -> Phase {
    PHASE.get()
}
