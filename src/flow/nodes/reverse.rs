//! What nodes do where the graph runs forward and then reversed.

use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;

use super::body::{Body, Fire, ReverseBody, receive, without_cell};
use super::inputs::Inputs;
use super::ports::Emitter;
use super::program::Firing;
use super::signature;

/// A sink where the graph turns around.
pub(super) struct Turn<T, B, F> {
    sink: usize,
    begin: F,
    types: PhantomData<fn(T) -> B>,
}

impl<T, B, F> Turn<T, B, F> {
    pub(super) fn new(sink: usize, begin: F) -> Self {
        Self { sink, begin, types: PhantomData }
    }
}

without_cell!(Body for Turn<T, B, F> where
    T: Send + 'static, B: Send + 'static, F: Fn(&T) -> Result<B, String> + Send + Sync + 'static);

impl<T, B, F> Fire for Arc<Turn<T, B, F>>
where
    T: Send + 'static,
    B: Send + 'static,
    F: Fn(&T) -> Result<B, String> + Send + Sync + 'static,
{
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        let value: T = firing.take(0)?;
        firing.send_back(0, Box::new((self.begin)(&value)?));
        firing.result(self.sink, Box::new(value));
        Ok(())
    }

    fn signature(&self) -> String {
        signature::<T, B>()
    }
}

/// What comes back to a source.
pub(super) struct SourceBack<T> {
    source: usize,
    messages: PhantomData<fn(T)>,
}

impl<T> SourceBack<T> {
    pub(super) fn new(source: usize) -> Self {
        Self { source, messages: PhantomData }
    }
}

impl<T: Send + 'static> ReverseBody for SourceBack<T> {
    fn instance(self: Arc<Self>) -> Box<dyn Fire> {
        Box::new(self)
    }

    fn keeps(&self) -> bool {
        false
    }
}

impl<T: Send + 'static> Fire for Arc<SourceBack<T>> {
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        let messages: Result<Vec<T>, String> =
            (0..firing.ports()).map(|port| firing.take(port)).collect();
        firing.came_back(self.source, Box::new(messages?));
        Ok(())
    }

    fn signature(&self) -> String {
        type_name::<T>().to_owned()
    }
}

/// A node that keeps something for its reverse.
pub(super) struct Kept<I, R, K, F> {
    compute: F,
    emitter: Arc<Emitter<R>>,
    ports: usize,
    types: PhantomData<fn(I) -> K>,
}

impl<I, R, K, F> Kept<I, R, K, F> {
    pub(super) fn new(compute: F, emitter: Arc<Emitter<R>>, ports: usize) -> Self {
        Self { compute, emitter, ports, types: PhantomData }
    }
}

without_cell!(Body for Kept<I, R, K, F> where
    I: Inputs, R: Send + 'static, K: Send + 'static,
    F: Fn(I::Values) -> Result<(R, K), String> + Send + Sync + 'static);

impl<I, R, K, F> Fire for Arc<Kept<I, R, K, F>>
where
    I: Inputs,
    R: Send + 'static,
    K: Send + 'static,
    F: Fn(I::Values) -> Result<(R, K), String> + Send + Sync + 'static,
{
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        let (value, kept) = (self.compute)(receive::<I>(firing, self.ports)?)?;
        self.emitter.emit(value, firing);
        firing.keep(Box::new(kept));
        Ok(())
    }

    fn signature(&self) -> String {
        signature::<I::Values, R>()
    }
}

/// The reverse of a node.
pub(super) struct Reverse<I, K, B, F> {
    compute: F,
    types: PhantomData<fn(I, K) -> B>,
}

impl<I, K, B, F> Reverse<I, K, B, F> {
    pub(super) fn new(compute: F) -> Self {
        Self { compute, types: PhantomData }
    }
}

without_cell!(ReverseBody for Reverse<I, K, B, F> where
    I: Inputs, K: Send + 'static, B: Send + 'static,
    F: Fn(K, Vec<B>) -> Result<I::Back, String> + Send + Sync + 'static);

impl<I, K, B, F> Fire for Arc<Reverse<I, K, B, F>>
where
    I: Inputs,
    K: Send + 'static,
    B: Send + 'static,
    F: Fn(K, Vec<B>) -> Result<I::Back, String> + Send + Sync + 'static,
{
    fn fire(&self, firing: &Firing<'_>) -> Result<(), String> {
        let kept: K = firing.take(0)?;
        let messages: Result<Vec<B>, String> =
            (1..firing.ports()).map(|port| firing.take(port)).collect();
        I::send_back((self.compute)(kept, messages?)?, firing, &mut 0)
    }

    fn signature(&self) -> String {
        signature::<Vec<B>, I::Back>()
    }
}
