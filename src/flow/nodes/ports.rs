//! Outputs and ports with their types, and what travels between them.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::program::Firing;
use crate::flow::message::{Message, Slot};

/// A value of any type. One without content takes no memory of its own.
pub(crate) type Parcel = Box<dyn Any + Send>;

/// A message of a flow.
pub(crate) enum Value {
    /// A value that belongs to its receiver.
    Own(Parcel),
    /// A value that several receivers share.
    Shared(Arc<dyn Any + Send + Sync>),
}

impl Message for Value {
    type Slot = Mutex<Option<Self>>;

    fn signal() -> Self {
        Self::Own(Box::new(()))
    }
}

impl Slot<Value> for Mutex<Option<Value>> {
    fn new() -> Self {
        Self::new(None)
    }

    #[inline]
    fn put(&self, message: Value) {
        *self.lock() = Some(message);
    }

    fn is_empty(&self) -> bool {
        self.lock().is_none()
    }

    fn clear(&self) {
        *self.lock() = None;
    }
}

/// The way from an output to a port.
pub(super) struct Connection {
    /// The output; none if it is one of another flow.
    pub(super) output: Option<usize>,
    /// What one message hands on.
    pub(super) bytes: usize,
    /// The type of the messages.
    pub(super) kind: &'static str,
}

type Send_<T> = Box<dyn Fn(T, &Firing<'_>) + Send + Sync>;

/// How the value of an output goes on its way.
pub(super) struct Emitter<T> {
    /// The flow, and its number there.
    pub(super) flow: u64,
    pub(super) output: usize,
    /// How, if it is not simply moved to its one reader.
    way: OnceLock<Send_<T>>,
}

impl<T> Emitter<T> {
    pub(super) fn new(flow: u64, output: usize) -> Self {
        Self { flow, output, way: OnceLock::new() }
    }
}

impl<T: Send + 'static> Emitter<T> {
    /// Sends a value to whoever reads it; throws it away if nobody does.
    #[inline]
    pub(super) fn emit(&self, value: T, firing: &Firing<'_>) {
        match self.way.get() {
            Some(way) => way(value, firing),
            None => {
                if let Some(&edge) = firing.edges_from(self.output).first() {
                    firing.send(edge, Value::Own(Box::new(value)));
                }
            }
        }
    }
}

/// The output of a node: values of type `T` go on to the one node that takes it in, and messages of type `B`
/// come back where the graph is reversed.
pub struct Output<T, B = T> {
    pub(super) emitter: Arc<Emitter<T>>,
    back: PhantomData<fn(B)>,
}

impl<T, B> Output<T, B> {
    pub(super) fn new(emitter: Arc<Emitter<T>>) -> Self {
        Self { emitter, back: PhantomData }
    }
}

impl<T: Send + Sync + 'static, B> Output<T, B> {
    pub(super) fn share(self) -> Shared<T, B> {
        let Emitter { flow, output, .. } = *self.emitter;
        let way = move |value: T, firing: &Firing<'_>| {
            let value = Arc::new(value);
            for &edge in firing.edges_from(output) {
                firing.send(edge, Value::Shared(Arc::clone(&value) as _));
            }
        };
        // An output is shared, taken apart or taken in, each of which uses it up: nobody else set this.
        let _ = self.emitter.way.set(Box::new(way));
        Shared { flow, output, values: PhantomData }
    }
}

impl<T: Send + 'static, B> Output<T, B> {
    pub(super) fn into_signal(self) -> Signal {
        let Emitter { flow, output, .. } = *self.emitter;
        // The count says it all.
        let _ = self.emitter.way.set(Box::new(|value, _: &Firing<'_>| drop(value)));
        Signal { flow, output }
    }

    /// Lets its values go the way of what stood for it.
    pub(super) fn stand_in(self, later: Arc<Emitter<T>>) {
        let way = move |value, firing: &Firing<'_>| later.emit(value, firing);
        let _ = self.emitter.way.set(Box::new(way));
    }
}

impl<T: Send + 'static, U: Send + 'static> Output<(T, U)> {
    pub(super) fn unzip(self, first: Arc<Emitter<T>>, second: Arc<Emitter<U>>) {
        let way = move |(one, two), firing: &Firing<'_>| {
            first.emit(one, firing);
            second.emit(two, firing);
        };
        let _ = self.emitter.way.set(Box::new(way));
    }
}

impl<T, B> std::fmt::Debug for Output<T, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Output<{}>({})", std::any::type_name::<T>(), self.emitter.output)
    }
}

/// The output of a node for any number of readers, each of which gets an [`Arc`] of the value.
pub struct Shared<T, B = T> {
    pub(super) flow: u64,
    pub(super) output: usize,
    values: PhantomData<fn(B) -> T>,
}

impl<T, B> Clone for Shared<T, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, B> Copy for Shared<T, B> {}

impl<T, B> std::fmt::Debug for Shared<T, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared<{}>({})", std::any::type_name::<T>(), self.output)
    }
}

/// Word that a node has run, for any number of readers: it orders them, and carries nothing.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    pub(super) flow: u64,
    pub(super) output: usize,
}

/// A port that is to be connected.
pub struct Port<T> {
    /// Of what stands for the output that is connected later.
    pub(super) emitter: Arc<Emitter<T>>,
}

impl<T> Clone for Port<T> {
    fn clone(&self) -> Self {
        Self { emitter: Arc::clone(&self.emitter) }
    }
}

impl<T> std::fmt::Debug for Port<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Port<{}>({})", std::any::type_name::<T>(), self.emitter.output)
    }
}
