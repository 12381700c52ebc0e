//! How networks run.

use crate::plan::PlanOptions;
use crate::setters::setters;
use crate::topology::Pinning;

/// How a network runs.
///
/// ```
/// use caudal::train::NetworkOptions;
///
/// let options = NetworkOptions::default().seed(7).workers(4).policy("fifo");
/// assert_eq!((options.workers, options.policy.as_str()), (4, "fifo"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// For the first values of the parameters.
    pub seed: u64,
    /// One of [`crate::flow::EXECUTORS`].
    pub executor: String,
    /// Threads of the pool, the calling one included.
    pub workers: usize,
    /// One of [`crate::flow::policy::POLICIES`].
    pub policy: String,
    /// Where the workers run. The threads of [`Network::predict_stream`](super::Network::predict_stream) are not pinned.
    pub pinning: Pinning,
    /// Whether a few early steps of training are measured, part by part, so that the policy goes by what
    /// tasks take; it goes by estimates before, and without. Numbers are the same.
    pub measured_costs: bool,
    /// Whether a training step ends in an error, [`Error::NotFinite`](crate::Error::NotFinite), where a loss or
    /// a gradient is infinite or no number. [`Network::fit`](super::Network::fit) then keeps a second copy of the
    /// parameters.
    pub check_finite: bool,
    /// How plans are compiled.
    pub plan: PlanOptions,
}

impl Default for NetworkOptions {
    /// The pool with a worker for every core, and the critical path first.
    fn default() -> Self {
        Self {
            seed: 0,
            executor: "pool".to_owned(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            policy: "critical-path".to_owned(),
            pinning: Pinning::None,
            measured_costs: true,
            check_finite: true,
            plan: PlanOptions::default(),
        }
    }
}

impl NetworkOptions {
    setters! {
        seed: u64,
        executor: impl Into<String>,
        workers: usize,
        policy: impl Into<String>,
        pinning: Pinning,
        measured_costs: bool,
        check_finite: bool,
        plan: PlanOptions,
    }
}
