//! Where numbers live: parameters with their optimizer state, and buffers that go round.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Error, Result};
use crate::graph::{Graph, Parameter};
use crate::initializers::{self, Fans};
use crate::kernels::{self, Buffer, Panels};
use crate::layers::Layout;
use crate::optimizers::Optimizer;
use crate::tensor::{Tensor, describe_shape};

/// The weights of a network and what its optimizer keeps beside them, in memory layout.
///
/// Runs read them, and the update tasks of training runs write them, in the order that the plan sets.
/// Everybody else goes through methods that copy, between runs. Runs that share parameters may be executed
/// on several threads: predictions side by side, a training step alone.
#[derive(Debug)]
pub struct Parameters {
    pub(super) entries: Vec<Entry>,
    /// Locked for as long as an execution, or a copy, takes.
    lock: RwLock<()>,
}

/// Held by who uses parameters, for as long as it does.
#[derive(Debug)]
pub(super) enum Hold<'a> {
    /// With others who read.
    Shared { _lock: RwLockReadGuard<'a, ()> },
    /// Alone, to write.
    Exclusive { _lock: RwLockWriteGuard<'a, ()> },
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) weights: Buffer,
    pub(super) state: Vec<Buffer>,
}

impl Parameters {
    /// First values for every parameter of `graph`, from its initializer and `seed`, and zeros for
    /// the optimizer's state, which statistics and frozen parameters do not have.
    pub fn initialize(graph: &Graph, optimizer: &dyn Optimizer, seed: u64) -> Self {
        let entries = graph.parameters().iter().map(|parameter| {
            let spec = &parameter.spec;
            let mut values = vec![0.0; spec.count()];
            let fans = Fans { fan_in: spec.fan_in, fan_out: spec.fan_out };
            let mut random = initializers::stream(seed, &parameter.name);
            spec.initializer.fill(fans, &mut random, &mut values);
            let mut weights = Buffer::zeroed(spec.floats());
            to_memory(parameter, &values, weights.as_mut_slice());
            let state =
                parameter.state(optimizer).iter().map(|_| Buffer::zeroed(spec.floats())).collect();
            Entry { weights, state }
        });
        Self::of(entries.collect())
    }

    fn of(entries: Vec<Entry>) -> Self {
        Self { entries, lock: RwLock::new(()) }
    }

    /// Waits until nobody writes, or, to write, until nobody else uses them.
    pub(super) fn hold(&self, to_write: bool) -> Hold<'_> {
        if to_write {
            Hold::Exclusive { _lock: self.lock.write() }
        } else {
            Hold::Shared { _lock: self.lock.read() }
        }
    }

    /// Whether these are parameters of `graph`, with what `optimizer` keeps for each if there is one.
    ///
    /// # Errors
    /// With the first parameter that is not.
    pub(super) fn check(&self, graph: &Graph, optimizer: Option<&dyn Optimizer>) -> Result<()> {
        let expected = graph.parameters();
        let refuse = |parameter: String, problem: String| Error::Parameter {
            parameter,
            problem,
            remedy: "initialize parameters for the graph and the optimizer of the plan".to_owned(),
        };
        if expected.len() != self.entries.len() {
            let problem = format!(
                "its graph has {} parameters, but these are {}",
                expected.len(),
                self.entries.len()
            );
            return Err(refuse(graph.name().to_owned(), problem));
        }
        for (parameter, entry) in expected.iter().zip(&self.entries) {
            let (floats, found) = (parameter.spec.floats(), entry.weights.len());
            if floats != found {
                let problem = format!("it takes {floats} numbers in memory, but these are {found}");
                return Err(refuse(parameter.name.clone(), problem));
            }
            let arrays = optimizer.map_or(0, |it| parameter.state(it).len());
            let whole = entry.state.iter().all(|array| array.len() == floats);
            if entry.state.len() < arrays || !whole {
                let problem = format!(
                    "its optimizer keeps {arrays} arrays of {floats} numbers for it, but there are {}",
                    entry.state.len()
                );
                return Err(refuse(parameter.name.clone(), problem));
            }
        }
        Ok(())
    }

    /// The weights of parameter number `index`, row-major.
    pub(crate) fn weights(&self, graph: &Graph, index: usize) -> Tensor {
        let hold = self.hold(false);
        from_memory(&graph.parameters()[index], read(&self.entries[index].weights, &hold))
    }

    /// What `look` makes of the weights of parameter number `index` as they lie in memory.
    pub(super) fn with_memory<T>(&self, index: usize, look: impl FnOnce(&[f32]) -> T) -> T {
        look(read(&self.entries[index].weights, &self.hold(false)))
    }

    /// Array number `state` that the optimizer keeps for parameter number `index`, row-major.
    pub(crate) fn state(&self, graph: &Graph, index: usize, state: usize) -> Tensor {
        let hold = self.hold(false);
        from_memory(&graph.parameters()[index], read(&self.entries[index].state[state], &hold))
    }

    /// Replaces the weights of parameter number `index`.
    pub(crate) fn set_weights(&self, graph: &Graph, index: usize, values: &Tensor) -> Result<()> {
        set(&graph.parameters()[index], values, &self.entries[index].weights, &mut self.hold(true))
    }

    /// Replaces an array that the optimizer keeps for parameter number `index`.
    pub(crate) fn set_state(
        &self,
        graph: &Graph,
        index: usize,
        state: usize,
        values: &Tensor,
    ) -> Result<()> {
        let buffer = &self.entries[index].state[state];
        set(&graph.parameters()[index], values, buffer, &mut self.hold(true))
    }

    /// A copy of the weights, without what the optimizer keeps: for predictions.
    pub(crate) fn copy_weights(&self) -> Self {
        let hold = self.hold(false);
        let copy = |entry: &Entry| {
            let mut weights = Buffer::zeroed(entry.weights.len());
            weights.as_mut_slice().copy_from_slice(read(&entry.weights, &hold));
            Entry { weights, state: Vec::new() }
        };
        Self::of(self.entries.iter().map(copy).collect())
    }

    /// A copy of everything, to restore with [`Parameters::restore`].
    pub(crate) fn snapshot(&self) -> Vec<Vec<f32>> {
        let buffers =
            self.entries.iter().flat_map(|entry| [&entry.weights].into_iter().chain(&entry.state));
        let hold = self.hold(false);
        buffers.map(|buffer| read(buffer, &hold).to_vec()).collect()
    }

    /// Puts back what [`Parameters::snapshot`] copied.
    pub(crate) fn restore(&self, snapshot: &[Vec<f32>]) {
        let buffers =
            self.entries.iter().flat_map(|entry| [&entry.weights].into_iter().chain(&entry.state));
        let mut hold = self.hold(true);
        for (buffer, copy) in buffers.zip(snapshot) {
            write(buffer, &mut hold).copy_from_slice(copy);
        }
    }
}

fn read<'a>(buffer: &'a Buffer, _hold: &'a Hold<'_>) -> &'a [f32] {
    // SAFETY: who writes through a shared reference, the update tasks of a run and `write`, holds the lock
    // of these parameters exclusively; so nobody does while it is held here.
    unsafe { buffer.as_slice() }
}

fn write<'a>(buffer: &'a Buffer, _hold: &'a mut Hold<'_>) -> &'a mut [f32] {
    // SAFETY: the lock is held exclusively (all callers ask for it so), so nobody else looks; and the
    // exclusive borrow of what holds it keeps this slice the only one.
    unsafe { std::slice::from_raw_parts_mut(buffer.pointer(), buffer.len()) }
}

fn set(parameter: &Parameter, values: &Tensor, buffer: &Buffer, hold: &mut Hold<'_>) -> Result<()> {
    if values.shape() != parameter.spec.shape {
        return Err(Error::Parameter {
            parameter: parameter.name.clone(),
            problem: format!(
                "its shape is {}, but the values have {}",
                describe_shape(&parameter.spec.shape),
                describe_shape(values.shape())
            ),
            remedy: "give it values of its own shape".to_owned(),
        });
    }
    let values = values.as_standard_layout();
    // A tensor in standard layout is one slice.
    to_memory(parameter, values.as_slice().unwrap_or(&[]), write(buffer, hold));
    Ok(())
}

fn to_memory(parameter: &Parameter, values: &[f32], memory: &mut [f32]) {
    let (rows, columns) = parameter.spec.matrix();
    match parameter.spec.layout {
        Layout::Plain => memory[..values.len()].copy_from_slice(values),
        Layout::Panels { groups } => {
            let columns = columns / groups;
            let mut of_group = vec![0.0; rows * columns];
            let memory = memory.chunks_mut(kernels::panel_len(rows, columns).max(1));
            for (group, memory) in memory.enumerate().take(groups) {
                for (row, to) in of_group.chunks_mut(columns.max(1)).enumerate() {
                    to.copy_from_slice(&values[(row * groups + group) * columns..][..columns]);
                }
                kernels::to_panels(&of_group, rows, columns, memory);
            }
        }
    }
}

/// A parameter's numbers, from its layout in memory to a row-major tensor.
pub(super) fn from_memory(parameter: &Parameter, memory: &[f32]) -> Tensor {
    let (rows, columns) = parameter.spec.matrix();
    let mut values = vec![0.0; parameter.spec.count()];
    match parameter.spec.layout {
        Layout::Plain => values.copy_from_slice(&memory[..parameter.spec.count()]),
        Layout::Panels { groups } => {
            let columns = columns / groups;
            let mut of_group = vec![0.0; rows * columns];
            for group in 0..groups {
                let memory = kernels::panels_of_group(memory, rows, columns, group);
                kernels::from_panels(memory, rows, columns, &mut of_group);
                for (row, from) in of_group.chunks(columns.max(1)).enumerate() {
                    values[(row * groups + group) * columns..][..columns].copy_from_slice(from);
                }
            }
        }
    }
    let shape = ndarray::IxDyn(&parameter.spec.shape);
    Tensor::from_shape_vec(shape, values).unwrap_or_else(|error| unreachable!("{error}"))
}

/// One group of weights in panels, as kernels read them.
pub(super) fn panels<'a>(parameter: &Parameter, memory: &'a [f32], group: usize) -> Panels<'a> {
    let (rows, columns) = parameter.spec.matrix();
    let columns = match parameter.spec.layout {
        Layout::Plain => columns,
        Layout::Panels { groups } => columns / groups,
    };
    Panels::new(kernels::panels_of_group(memory, rows, columns, group), rows, columns)
}

/// Buffers that tasks take for their results and give back after the last read, so that a step
/// allocates nothing once all sizes have been seen.
#[derive(Debug, Default)]
pub(super) struct Recycler {
    shelves: Mutex<Shelves>,
    live: AtomicUsize,
    peak: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shelves {
    all: Vec<Buffer>,
    /// By size in floats: buffers that nobody holds; the one given back last goes out first, since
    /// it is the likeliest to be in a cache.
    free: BTreeMap<usize, Vec<u32>>,
}

impl Recycler {
    /// A buffer of at least `floats` floats: its number and where it starts. Its content is left
    /// over from its last use.
    pub(super) fn take(&self, floats: usize) -> (u32, *mut f32) {
        let mut shelves = self.shelves.lock();
        let fits =
            shelves.free.range_mut(floats..=floats + floats / 4).find_map(|(_, shelf)| shelf.pop());
        let number = fits.unwrap_or_else(|| {
            shelves.all.push(Buffer::zeroed(floats));
            // Fewer than 2^32 buffers: each is at least a page.
            (shelves.all.len() - 1) as u32
        });
        let buffer = &shelves.all[number as usize];
        let bytes = buffer.len() * size_of::<f32>();
        let live = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(live, Ordering::Relaxed);
        (number, buffer.pointer())
    }

    /// Gives a buffer back.
    pub(super) fn give_back(&self, number: u32) {
        let mut shelves = self.shelves.lock();
        let floats = shelves.all[number as usize].len();
        shelves.free.entry(floats).or_default().push(number);
        self.live.fetch_sub(floats * size_of::<f32>(), Ordering::Relaxed);
    }

    /// The most bytes that were out at one time.
    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}
