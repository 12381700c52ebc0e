//! Tasks that change bytes of memory, and copy those of their messages.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use crate::data;
use crate::error::Result;
use crate::measure::{Scratch, change_words};
use crate::memory;
use crate::scheduling::Instance;
use crate::statistics::median;

const WORD: f64 = size_of::<u64>() as f64;

#[derive(Debug)]
pub(super) struct Memory {
    /// By worker.
    scratch: Vec<Mutex<Scratch>>,
    /// By task: what others copy of it.
    outputs: Vec<RwLock<Vec<u64>>>,
    words_a_second: f64,
}

impl Memory {
    pub(super) fn new(instance: &Instance<'_>) -> Result<Self> {
        let graph = instance.graph();
        let largest = |task| {
            let bytes = graph.outgoing(task).iter().map(|edge| edge.communication.bytes());
            words(bytes.fold(0.0, f64::max))
        };
        let tasks = 0..graph.task_count();
        let sizes: Vec<usize> = tasks.map(largest).collect();
        let all = sizes
            .iter()
            .fold(instance.workers() * Scratch::WORDS, |all, it| all.saturating_add(*it));
        memory::check(all.saturating_mul(size_of::<u64>())).map_err(|why| {
            let bytes = memory::amount(all.saturating_mul(size_of::<u64>()));
            let problem = format!("its workers and messages need {bytes} of memory, {why}");
            let origin = format!("graph `{}`", data::escaped(graph.name()));
            data::refuse(origin, problem, "let tasks spin or sleep, or give edges fewer bytes")
        })?;
        Ok(Self {
            scratch: (0..instance.workers()).map(|_| Mutex::new(Scratch::new())).collect(),
            outputs: sizes.iter().map(|&size| RwLock::new((0..size as u64).collect())).collect(),
            words_a_second: words_a_second(),
        })
    }

    /// Copies what a task has left for others to a worker.
    pub(super) fn copy(&self, from: usize, bytes: f64, worker: usize) {
        let mut scratch = self.scratch[worker].lock();
        let output = self.outputs[from].read();
        let mut left = &output[..words(bytes).min(output.len())];
        while !left.is_empty() {
            let stretch = scratch.stretch(left.len());
            let (now, later) = left.split_at(stretch.len());
            stretch.copy_from_slice(now);
            black_box(stretch);
            left = later;
        }
    }

    /// Changes as many words as one worker alone does in so many seconds: first those that others copy, then others.
    pub(super) fn work(&self, task: usize, seconds: f64, worker: usize) {
        let all = (seconds * self.words_a_second) as usize;
        let mut output = self.outputs[task].write();
        let first = all.min(output.len());
        change_words(&mut output[..first]);
        drop(output);
        self.scratch[worker].lock().change(all - first);
    }
}

/// Whole words that hold so many bytes.
fn words(bytes: f64) -> usize {
    (bytes / WORD).ceil() as usize
}

/// How many words one worker changes in a second while it is alone; measured once.
fn words_a_second() -> f64 {
    static SPEED: OnceLock<f64> = OnceLock::new();
    *SPEED.get_or_init(|| {
        let mut scratch = Scratch::new();
        let mut seconds: Vec<f64> = (0..9)
            .map(|_| {
                let began = Instant::now();
                scratch.change(Scratch::WORDS);
                began.elapsed().as_secs_f64()
            })
            .collect();
        Scratch::WORDS as f64 / median(&mut seconds).max(1e-9)
    })
}
