//! The averages of weights that evaluation and prediction use.

use std::sync::Arc;

use crate::run::Parameters;

/// A copy of the averages that training keeps, which runs for evaluation and prediction share.
#[derive(Debug, Default)]
pub(super) struct Averages {
    /// With the step and the number of changes from outside after which it was made.
    copy: Option<(Arc<Parameters>, [u64; 2])>,
}

impl Averages {
    /// The averages among `parameters` as they are after a step and a number of changes.
    pub(super) fn of(&mut self, parameters: &Parameters, now: [u64; 2]) -> Arc<Parameters> {
        let new = || (Arc::new(parameters.copy_for_prediction()), now);
        let (copy, made) = self.copy.get_or_insert_with(new);
        if *made != now {
            copy.predict_like(parameters);
            *made = now;
        }
        Arc::clone(copy)
    }

    /// The next copy is made whatever the step.
    pub(super) fn forget(&mut self) {
        if let Some((_, made)) = &mut self.copy {
            *made = [u64::MAX; 2];
        }
    }
}
