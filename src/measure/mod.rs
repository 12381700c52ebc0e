//! Measurements: the time of a training step and of a prediction, the overhead of a node, the speedup of several
//! workers, what the machine can do, the state of its cores meanwhile, and where the figures are from.

mod conditions;
mod free_cores;
mod handover;
mod overhead;
mod peak;
mod prediction;
mod process;
mod provenance;
mod scratch;
pub mod speedup;
mod step;

pub use conditions::{Conditions, CoreWatch};
pub(crate) use free_cores::{Probe, Watch};
pub(crate) use handover::is_near;
pub use handover::{Handover, PairHandover, pool_cores};
pub(crate) use overhead::tiny_run;
pub use overhead::{Overhead, SHAPES, ShapeSpec, overhead, tiny_nodes};
pub use peak::product_peak;
pub use prediction::{PredictionTime, time_predictions};
pub use process::{minor_faults, peak_resident_mib, seconds_without_core};
pub use provenance::Provenance;
pub(crate) use scratch::{Scratch, change_words};
pub use step::{StepTime, prepare, settle, time_block, time_steps};

pub use crate::kernels::instruction_set_name;
