//! What nodes do: closures with the types of their ports.

use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;

use parking_lot::Mutex;

use super::inputs::Inputs;
use super::ports::Emitter;
use super::program::Firing;
use super::{Part, signature};

/// A node's forward task, whatever its types.
pub(super) trait Body: Send + Sync {
    /// The task of one run.
    fn instance(self: Arc<Self>) -> Box<dyn Fire>;

    /// Into how many parts it is split.
    fn parts(&self) -> usize {
        1
    }
}

/// A node's reverse task.
pub(super) trait ReverseBody: Send + Sync {
    /// The task of one run.
    fn instance(self: Arc<Self>) -> Box<dyn Fire>;

    /// Whether the forward task sends it what it needs.
    fn keeps(&self) -> bool {
        true
    }
}

/// A task of one run.
pub(super) trait Fire: Send + Sync {
    /// Runs one part: takes its messages, computes, and sends.
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String>;

    /// The types that it takes and gives.
    fn signature(&self) -> String;

    /// Lets go of what a failed or stalled run has left.
    fn reset(&self) {}
}

pub(super) fn receive<I: Inputs>(firing: &Firing<'_>, ports: usize) -> Result<I::Values, String> {
    I::receive(firing, &mut 0, ports)
}

/// Bodies that need nothing of their own in a run.
macro_rules! without_cell {
    ($trait:ident for $type:ident<$($letter:ident),+> where $($bounds:tt)+) => {
        impl<$($letter),+> $trait for $type<$($letter),+> where $($bounds)+ {
            fn instance(self: Arc<Self>) -> Box<dyn Fire> {
                Box::new(self)
            }
        }
    };
}

pub(super) use without_cell;

/// A node that computes its output from its inputs.
pub(super) struct Forward<I, R, F> {
    compute: F,
    emitter: Arc<Emitter<R>>,
    ports: usize,
    inputs: PhantomData<fn(I)>,
}

impl<I, R, F> Forward<I, R, F> {
    pub(super) fn new(compute: F, emitter: Arc<Emitter<R>>, ports: usize) -> Self {
        Self { compute, emitter, ports, inputs: PhantomData }
    }
}

without_cell!(Body for Forward<I, R, F> where
    I: Inputs, R: Send + 'static, F: Fn(I::Values) -> Result<R, String> + Send + Sync + 'static);

impl<I, R, F> Fire for Arc<Forward<I, R, F>>
where
    I: Inputs,
    R: Send + 'static,
    F: Fn(I::Values) -> Result<R, String> + Send + Sync + 'static,
{
    #[inline]
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        let value = (self.compute)(receive::<I>(firing, self.ports)?)?;
        self.emitter.emit(value, firing);
        Ok(())
    }

    fn signature(&self) -> String {
        signature::<I::Values, R>()
    }
}

/// A source.
pub(super) struct SourceBody<T> {
    pub(super) source: usize,
    pub(super) emitter: Arc<Emitter<T>>,
}

without_cell!(Body for SourceBody<T> where T: Send + 'static);

impl<T: Send + 'static> Fire for Arc<SourceBody<T>> {
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        let fed =
            firing.fed(self.source).ok_or("it was not fed; feed every source before a run")?;
        let value =
            fed.downcast::<T>().map_err(|_| format!("it was not fed a {}", type_name::<T>()))?;
        self.emitter.emit(*value, firing);
        Ok(())
    }

    fn signature(&self) -> String {
        type_name::<T>().to_owned()
    }
}

/// A sink.
pub(super) struct SinkBody<I> {
    sink: usize,
    ports: usize,
    inputs: PhantomData<fn(I)>,
}

impl<I> SinkBody<I> {
    pub(super) fn new(sink: usize, ports: usize) -> Self {
        Self { sink, ports, inputs: PhantomData }
    }
}

without_cell!(Body for SinkBody<I> where I: Inputs);

impl<I: Inputs> Fire for Arc<SinkBody<I>> {
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        firing.result(self.sink, Box::new(receive::<I>(firing, self.ports)?));
        Ok(())
    }

    fn signature(&self) -> String {
        type_name::<I::Values>().to_owned()
    }
}

/// A node that keeps a state from run to run.
pub(super) struct Stateful<I, S, R, F> {
    state: Mutex<S>,
    compute: F,
    emitter: Arc<Emitter<R>>,
    ports: usize,
    inputs: PhantomData<fn(I)>,
}

impl<I, S, R, F> Stateful<I, S, R, F> {
    pub(super) fn new(state: S, compute: F, emitter: Arc<Emitter<R>>, ports: usize) -> Self {
        Self { state: Mutex::new(state), compute, emitter, ports, inputs: PhantomData }
    }
}

without_cell!(Body for Stateful<I, S, R, F> where
    I: Inputs, S: Send + 'static, R: Send + 'static,
    F: Fn(&mut S, I::Values) -> Result<R, String> + Send + Sync + 'static);

impl<I, S, R, F> Fire for Arc<Stateful<I, S, R, F>>
where
    I: Inputs,
    S: Send + 'static,
    R: Send + 'static,
    F: Fn(&mut S, I::Values) -> Result<R, String> + Send + Sync + 'static,
{
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        let values = receive::<I>(firing, self.ports)?;
        let value = (self.compute)(&mut self.state.lock(), values)?;
        self.emitter.emit(value, firing);
        Ok(())
    }

    fn signature(&self) -> String {
        signature::<I::Values, R>()
    }
}

/// A node whose parts compute pieces of its output.
pub(super) struct Split<I, R, F> {
    compute: F,
    emitter: Arc<Emitter<Vec<R>>>,
    ports: usize,
    parts: usize,
    inputs: PhantomData<fn(I)>,
}

impl<I, R, F> Split<I, R, F> {
    pub(super) fn new(
        compute: F,
        emitter: Arc<Emitter<Vec<R>>>,
        ports: usize,
        parts: usize,
    ) -> Self {
        Self { compute, emitter, ports, parts, inputs: PhantomData }
    }
}

impl<I, R, F> Body for Split<I, R, F>
where
    I: Inputs,
    I::Values: Sync,
    R: Send + 'static,
    F: Fn(&I::Values, Part) -> Result<R, String> + Send + Sync + 'static,
{
    fn instance(self: Arc<Self>) -> Box<dyn Fire> {
        let made = (0..self.parts).map(|_| Mutex::new(None)).collect();
        Box::new(SplitRun { split: self, values: Mutex::new(None), made })
    }

    fn parts(&self) -> usize {
        self.parts
    }
}

/// The parts of a node in one run.
struct SplitRun<I: Inputs, R, F> {
    split: Arc<Split<I, R, F>>,
    /// What the first part took out of the ports.
    values: Mutex<Option<Arc<I::Values>>>,
    /// By part: what it has made.
    made: Vec<Mutex<Option<R>>>,
}

impl<I, R, F> Fire for SplitRun<I, R, F>
where
    I: Inputs,
    I::Values: Sync,
    R: Send + 'static,
    F: Fn(&I::Values, Part) -> Result<R, String> + Send + Sync + 'static,
{
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        let values = {
            let mut values = self.values.lock();
            if let Some(values) = &*values {
                Arc::clone(values)
            } else {
                let taken = Arc::new(receive::<I>(firing, self.split.ports)?);
                Arc::clone(values.insert(taken))
            }
        };
        let part = Part { index: firing.part(), count: self.made.len() };
        let piece = (self.split.compute)(&values, part)?;
        drop(values);
        *self.made[part.index].lock() = Some(piece);
        if firing.is_last_part() {
            *self.values.lock() = None;
            let pieces: Option<Vec<R>> =
                self.made.iter().map(|piece| piece.lock().take()).collect();
            self.split.emitter.emit(pieces.ok_or("another part of it failed")?, firing);
        }
        Ok(())
    }

    fn signature(&self) -> String {
        signature::<I::Values, Vec<R>>()
    }

    fn reset(&self) {
        *self.values.lock() = None;
        self.made.iter().for_each(|piece| *piece.lock() = None);
    }
}
