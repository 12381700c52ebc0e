//! Nodes that fail on demand, and otherwise are the ones that they wrap.

use std::any::Any;
use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{panic_any, set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use caudal::Shape;
use caudal::context::{Context, MatrixMut, Numerics, Phase};
use caudal::layers::{
    Arity, Cost, FormReaders, ItemSplit, Layer, Misfit, ParameterSpec, Pass, PreparedWeights,
    Reads, Split, View, WholeBatch,
};
use caudal::losses::{Loss, TargetValues};
use caudal::metrics::Metric;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Error,
    Panic,
    /// With a payload that is no text.
    PanicWithNumber,
    /// Not at all, but it takes its time.
    Late,
}

pub(crate) const WAYS: [Way; 3] = [Way::Error, Way::Panic, Way::PanicWithNumber];

impl Way {
    pub(crate) fn cause(self) -> &'static str {
        match self {
            Self::Error => "planned error",
            Self::Panic => "panicked: planned panic",
            Self::PanicWithNumber => "panicked",
            Self::Late => "",
        }
    }
}

/// A payload that only these tests panic with.
pub(crate) struct Planned(#[allow(dead_code)] pub(crate) u32);

/// A node and one of its phases.
pub(crate) type At = (String, &'static str);

/// What fails, and who was asked to compute what; shared by all nodes of a network.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    failing: Mutex<(BTreeSet<At>, Option<Way>)>,
    pub(crate) called: Mutex<BTreeSet<At>>,
    /// Without it, nodes say, like those that they wrap, that their gradients can't fail.
    admits: bool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Switch {
    pub(crate) fn new(admits: bool) -> Arc<Self> {
        Arc::new(Self { admits, ..Self::default() })
    }

    pub(crate) fn arm(&self, places: &[At], way: Way) {
        *lock(&self.failing) = (places.iter().cloned().collect(), Some(way));
    }

    pub(crate) fn disarm(&self) {
        *lock(&self.failing) = (BTreeSet::new(), None);
    }

    pub(crate) fn pass(&self, node: &str, phase: &'static str) -> Result<(), String> {
        let place = (node.to_owned(), phase);
        let way = {
            let failing = lock(&self.failing);
            if failing.0.contains(&place) { failing.1 } else { None }
        };
        lock(&self.called).insert(place);
        match way {
            None => Ok(()),
            Some(Way::Error) => Err("planned error".to_owned()),
            Some(Way::Panic) => panic!("planned panic"),
            Some(Way::PanicWithNumber) => panic_any(Planned(7)),
            Some(Way::Late) => {
                std::thread::sleep(Duration::from_micros(100));
                Ok(())
            }
        }
    }
}

/// A layer, loss or metric that fails on demand, and otherwise is the one it wraps.
#[derive(Debug)]
pub(crate) struct Faulty<T> {
    node: String,
    inner: T,
    switch: Arc<Switch>,
}

impl<T> Faulty<T> {
    pub(crate) fn new(node: &str, inner: T, switch: &Arc<Switch>) -> Self {
        Self { node: node.to_owned(), inner, switch: Arc::clone(switch) }
    }
}

impl<T: Layer> Layer for Faulty<T> {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn attributes(&self) -> toml::Table {
        self.inner.attributes()
    }

    fn arity(&self) -> Arity {
        self.inner.arity()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        self.inner.output_shape(inputs)
    }

    fn parameters(&self, inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        self.inner.parameters(inputs)
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        self.inner.cost(inputs, output)
    }

    fn work(
        &self,
        phase: Phase,
        inputs: &[&[usize]],
        output: &[usize],
        numerics: Numerics,
    ) -> Cost {
        self.inner.work(phase, inputs, output, numerics)
    }

    fn split(&self) -> Split {
        self.inner.split()
    }

    fn item_split(&self, inputs: &[&[usize]], numerics: Numerics) -> ItemSplit {
        self.inner.item_split(inputs, numerics)
    }

    fn smallest_part(&self, inputs: &[&[usize]]) -> usize {
        self.inner.smallest_part(inputs)
    }

    fn param_grad_sums(&self, inputs: &[&[usize]], numerics: Numerics) -> usize {
        self.inner.param_grad_sums(inputs, numerics)
    }

    fn param_split(&self, inputs: &[&[usize]]) -> Split {
        self.inner.param_split(inputs)
    }

    fn sums_param_grads(&self, inputs: &[&[usize]], numerics: Numerics) -> bool {
        self.inner.sums_param_grads(inputs, numerics)
    }

    fn differentiable(&self, input: usize) -> bool {
        self.inner.differentiable(input)
    }

    fn indices(&self, input: usize) -> Option<usize> {
        self.inner.indices(input)
    }

    fn part_of_input(&self, input: &[usize]) -> Option<(usize, Range<usize>)> {
        self.inner.part_of_input(input)
    }

    fn rearranges(&self) -> bool {
        self.inner.rearranges()
    }

    fn view(&self, inputs: &[&[usize]]) -> View {
        self.inner.view(inputs)
    }

    fn is_constant(&self) -> bool {
        self.inner.is_constant()
    }

    fn whole_batch(&self) -> Option<&dyn WholeBatch> {
        self.inner.whole_batch()
    }

    fn in_place(&self) -> bool {
        self.inner.in_place()
    }

    fn passes_gradient(&self) -> bool {
        self.inner.passes_gradient()
    }

    fn backward_can_fail(&self) -> bool {
        self.switch.admits || self.inner.backward_can_fail()
    }

    fn input_grad_reads(&self) -> Reads {
        self.inner.input_grad_reads()
    }

    fn param_grad_reads(&self) -> Reads {
        self.inner.param_grad_reads()
    }

    fn prepared_weights(&self) -> Option<&dyn PreparedWeights> {
        self.inner.prepared_weights().map(|_| self as &dyn PreparedWeights)
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        self.switch.pass(&self.node, "forward")?;
        self.inner.forward(context, output)
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        self.switch.pass(&self.node, "input_grad")?;
        self.inner.input_grad(context, input, gradient)
    }

    fn param_grad(
        &self,
        context: &Context<'_>,
        parameter: usize,
        rows: Range<usize>,
        gradient: &mut [f32],
    ) -> Result<(), String> {
        self.switch.pass(&self.node, "param_grad")?;
        self.inner.param_grad(context, parameter, rows, gradient)
    }
}

impl<T: Layer> PreparedWeights for Faulty<T> {
    fn floats(
        &self,
        pass: Pass,
        inputs: &[&[usize]],
        numerics: Numerics,
        readers: FormReaders,
    ) -> usize {
        self.inner.prepared_weights().unwrap().floats(pass, inputs, numerics, readers)
    }

    fn prepare(
        &self,
        context: &Context<'_>,
        pass: Pass,
        prepared: &mut [f32],
    ) -> Result<(), String> {
        self.switch.pass(&self.node, "prepare")?;
        self.inner.prepared_weights().unwrap().prepare(context, pass, prepared)
    }
}

impl<T: Loss> Loss for Faulty<T> {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn attributes(&self) -> toml::Table {
        self.inner.attributes()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        self.inner.check(inputs)
    }

    fn target_values(&self, inputs: &[&[usize]]) -> TargetValues {
        self.inner.target_values(inputs)
    }

    fn differentiable(&self, input: usize) -> bool {
        self.inner.differentiable(input)
    }

    fn input_grad_reads(&self) -> Reads {
        self.inner.input_grad_reads()
    }

    fn backward_can_fail(&self) -> bool {
        self.switch.admits || self.inner.backward_can_fail()
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        self.switch.pass(&self.node, "forward")?;
        self.inner.forward(context, losses)
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        self.switch.pass(&self.node, "input_grad")?;
        self.inner.input_grad(context, input, scale, gradient)
    }
}

impl<T: Metric> Metric for Faulty<T> {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn attributes(&self) -> toml::Table {
        self.inner.attributes()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        self.inner.check(inputs)
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        self.inner.statistics(inputs)
    }

    fn sums(&self, inputs: &[&[usize]]) -> usize {
        self.inner.sums(inputs)
    }

    fn add(&self, sums: &mut Vec<f64>, item: &[f32]) {
        self.inner.add(sums, item);
    }

    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String> {
        self.switch.pass(&self.node, "forward")?;
        self.inner.forward(context, statistics)
    }

    fn value(&self, sums: &[f64], items: usize) -> f64 {
        self.inner.value(sums, items)
    }
}

/// While one of these lives, planned panics print nothing.
pub(crate) struct Quiet;

static QUIET: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn is_planned(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Planned>()
        || payload.downcast_ref::<&str>().is_some_and(|text| text.starts_with("planned"))
}

impl Quiet {
    pub(crate) fn new() -> Self {
        // Once: a hook that holds the one before it would grow with every run.
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = take_hook();
            set_hook(Box::new(move |info| {
                if QUIET.load(Ordering::SeqCst) == 0 || !is_planned(info.payload()) {
                    usual(info);
                }
            }));
        });
        QUIET.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.fetch_sub(1, Ordering::SeqCst);
    }
}
