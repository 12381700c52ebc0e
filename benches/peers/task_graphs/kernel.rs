//! What nodes do in iterations, as `caudal metg` defines it; `kernel.hpp` is the same for the C++ programs.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::OnceLock;

enum Kernel {
    Nothing,
    Compute,
    Memory,
}

struct Work {
    kernel: Kernel,
    /// Iterations of a node in the mean.
    mean: u64,
    /// By node: its share of that; where there are none, all take the mean.
    shares: Vec<f64>,
}

static WORK: OnceLock<Work> = OnceLock::new();

/// Says what nodes do, once, and how many iterations that is together.
pub(super) fn set(kernel: &str, mean: u64, shares: Vec<f64>, nodes: usize) -> Result<u64, String> {
    let kernel = match kernel {
        "" => Kernel::Nothing,
        "compute" => Kernel::Compute,
        "memory" => Kernel::Memory,
        _ => return Err(format!("--kernel: compute or memory, not {kernel}")),
    };
    let work = WORK.get_or_init(|| Work { kernel, mean, shares });
    Ok((0..nodes).map(|node| work.iterations(node)).sum())
}

impl Work {
    fn iterations(&self, node: usize) -> u64 {
        self.shares.get(node).map_or(self.mean, |share| (self.mean as f64 * share).round() as u64)
    }
}

/// What a node does.
#[inline]
pub(super) fn run(node: usize) {
    if let Some(work) = WORK.get() {
        match work.kernel {
            Kernel::Nothing => {}
            Kernel::Compute => compute(work.iterations(node)),
            Kernel::Memory => memory(work.iterations(node)),
        }
    }
}

#[inline(never)]
fn compute(iterations: u64) {
    let mut number = black_box(1_u64);
    for _ in 0..iterations {
        number = (number ^ (number >> 32)).wrapping_mul(6_364_136_223_846_793_005);
    }
    black_box(number);
}

/// Words that a thread has for itself.
const WORDS: usize = 1 << 21;

thread_local! {
    static SCRATCH: RefCell<(Vec<u64>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

#[inline(never)]
fn memory(iterations: u64) {
    SCRATCH.with_borrow_mut(|(words, next)| {
        if words.is_empty() {
            *words = (0..WORDS as u64).collect();
        }
        let mut left = iterations as usize * 8;
        while left > 0 {
            let end = WORDS.min(*next + left);
            for word in &mut words[*next..end] {
                *word = word.wrapping_mul(3) ^ 1;
            }
            black_box(&mut words[..]);
            left -= end - *next;
            *next = end % WORDS;
        }
    });
}
