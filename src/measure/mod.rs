//! Measurements: the time of a training step and of a prediction, the overhead of a node, the speedup of several
//! workers, and what the machine can do.

mod overhead;
mod peak;
mod prediction;
mod process;
pub mod speedup;
mod step;

pub(crate) use overhead::tiny_run;
pub use overhead::{Overhead, SHAPES, ShapeSpec, overhead, tiny_nodes};
pub use peak::product_peak;
pub use prediction::{PredictionTime, time_predictions};
pub use process::{minor_faults, peak_resident_mib, seconds_without_core};
pub use step::{StepTime, prepare, settle, time_block, time_steps};

pub use crate::kernels::instruction_set_name;
