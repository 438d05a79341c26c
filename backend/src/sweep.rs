//! Looking through all coverage counters, which is done after each case, and through those of
//! rules, which is done after each compilation.
//!
//! This file is instrumented like everything else, and a counter is incremented in each step of a
//! loop. So the loops take large steps.

use crate::coverage::Counters;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Bytes of one step. It is read as words.
const STEP: usize = 256;
const WORDS: usize = STEP / 8;
const WORD: usize = 8;

/// The edges that were not seen yet: of each counter's byte all bits are set, or none.
#[pyclass(module = "backend.cranelift._cranelift")]
pub struct UnseenEdges {
    unseen: Vec<[u64; WORDS]>,
}

#[pymethods]
impl UnseenEdges {
    /// No edge counts as seen.
    #[new]
    fn new() -> Self {
        let length = Counters::all().length().div_ceil(STEP);
        Self {
            unseen: vec![[u64::MAX; WORDS]; length],
        }
    }

    /// Forgets what was seen, and sets all counters to zero.
    fn restart(&mut self) {
        self.unseen.fill([u64::MAX; WORDS]);
        Counters::all().clear();
    }

    /// Adds the edges whose counter is not zero, and returns the numbers of the new ones.
    fn collect(&mut self) -> Vec<usize> {
        let live = Counters::all();
        let mut new = Vec::new();
        for (number, unseen) in self.unseen.iter_mut().enumerate() {
            let start = number * STEP;
            let found = if start + STEP <= live.length() {
                live.step(start)
            } else {
                live.last_step(start)
            };
            if any(&found, unseen) {
                note(&found, unseen, start, &mut new);
            }
        }
        new
    }

    /// One byte for each edge: 1 if it was seen.
    fn seen<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = self.unseen.iter().flatten().flat_map(|w| w.to_ne_bytes());
        let flags: Vec<u8> = bytes.map(|byte| u8::from(byte == 0)).collect();
        PyBytes::new(py, &flags[..Counters::all().length()])
    }
}

/// Whether a counter of a step is not zero that was not seen. Without branches, so that it is one
/// block of code.
fn any(found: &[u64; WORDS], unseen: &[u64; WORDS]) -> bool {
    let mut new = [0; 4];
    let mut place = 0;
    while place < WORDS {
        new[0] |= found[place] & unseen[place];
        new[1] |= found[place + 1] & unseen[place + 1];
        new[2] |= found[place + 2] & unseen[place + 2];
        new[3] |= found[place + 3] & unseen[place + 3];
        place += 4;
    }
    new[0] | new[1] | new[2] | new[3] != 0
}

/// Appends the numbers of the edges of a step that are new, and marks them as seen.
fn note(found: &[u64; WORDS], unseen: &mut [u64; WORDS], start: usize, new: &mut Vec<usize>) {
    for (place, (found, unseen)) in found.iter().zip(unseen).enumerate() {
        if found & *unseen == 0 {
            continue;
        }
        let mut left = unseen.to_ne_bytes();
        for (byte, found) in found.to_ne_bytes().into_iter().enumerate() {
            if found != 0 && left[byte] != 0 {
                left[byte] = 0;
                new.push(start + place * WORD + byte);
            }
        }
        *unseen = u64::from_ne_bytes(left);
    }
}

impl Counters {
    /// The counters from `start` on.
    fn step(&self, start: usize) -> [u64; WORDS] {
        assert!(start + STEP <= self.length());
        // SAFETY: the bytes belong to the section, which is never unloaded. They change only where
        // instrumented code runs in another thread, and any value of a counter will do.
        unsafe {
            self.pointer()
                .add(start)
                .cast::<[u64; WORDS]>()
                .read_unaligned()
        }
    }

    /// The counters from `start` on, with zeros behind the last one.
    fn last_step(&self, start: usize) -> [u64; WORDS] {
        let mut bytes = [0; STEP];
        for (place, byte) in bytes.iter_mut().enumerate() {
            if start + place < self.length() {
                *byte = self.counter(start + place);
            }
        }
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        words
    }
}

/// The counters of some edges, each of which belongs to a member of a group.
#[pyclass(frozen, module = "backend.cranelift._cranelift")]
pub struct WatchedEdges {
    edges: Vec<u32>,
    members: Vec<usize>,
    count: usize,
}

#[pymethods]
impl WatchedEdges {
    /// `pairs` are of an edge and the number of its member, below `count`.
    #[new]
    fn new(pairs: Vec<(u32, usize)>, count: usize) -> PyResult<Self> {
        let length = Counters::all().length();
        if pairs
            .iter()
            .any(|&(e, m)| e as usize >= length || m >= count)
        {
            return Err(PyIndexError::new_err("no such edge, or no such member"));
        }
        let (edges, members) = pairs.into_iter().unzip();
        Ok(Self {
            edges,
            members,
            count,
        })
    }

    /// The present counters.
    fn mark<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        PyBytes::new_with(py, self.edges.len(), |counters| {
            self.copy_to(counters);
            Ok(())
        })
    }

    /// The numbers of the members, ascending, one of whose counters is not what it was at a mark.
    fn since(&self, mark: &[u8]) -> PyResult<Vec<usize>> {
        if mark.len() != self.edges.len() {
            return Err(PyIndexError::new_err("a mark of other edges"));
        }
        let mut present = vec![0; self.edges.len()];
        self.copy_to(&mut present);
        let mut passed = vec![false; self.count];
        let steps = present.chunks(WORD).zip(mark.chunks(WORD));
        for (members, (present, mark)) in self.members.chunks(WORD).zip(steps) {
            if word(present) != word(mark) {
                for (place, &member) in members.iter().enumerate() {
                    passed[member] |= present[place] != mark[place];
                }
            }
        }
        Ok((0..self.count).filter(|&member| passed[member]).collect())
    }
}

/// At most eight bytes as a word, with zeros behind them.
fn word(bytes: &[u8]) -> u64 {
    match bytes.as_array::<WORD>() {
        Some(whole) => u64::from_ne_bytes(*whole),
        None => bytes
            .iter()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

impl WatchedEdges {
    /// Copies the present counters, in steps of a word.
    fn copy_to(&self, counters: &mut [u8]) {
        let live = Counters::all().pointer();
        // SAFETY: `new` has compared the edges with the length of the section, which is never
        // unloaded.
        let counter = |edge: u32| unsafe { live.add(edge as usize).read() };
        let (steps, rest) = counters.as_chunks_mut::<WORD>();
        let (edges, last) = self.edges.as_chunks::<WORD>();
        for (step, &[a, b, c, d, e, f, g, h]) in steps.iter_mut().zip(edges) {
            *step = [
                counter(a),
                counter(b),
                counter(c),
                counter(d),
                counter(e),
                counter(f),
                counter(g),
                counter(h),
            ];
        }
        for (byte, &edge) in rest.iter_mut().zip(last) {
            *byte = counter(edge);
        }
    }
}
