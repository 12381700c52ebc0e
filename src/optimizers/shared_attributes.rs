//! What all optimizers have in common: learning rate, schedule and clipping.

use std::fmt::Display;

pub(super) const SCHEDULE: (&str, &str) = (
    "schedule",
    "how the learning rate changes: a table with a `kind` (constant, inverse_time, step, exponential, \
     polynomial, cosine, cosine_restarts, one_cycle, plateau), its attributes and `warm_up` steps; default \"constant\"",
);

pub(super) const CLIP_VALUE: (&str, &str) =
    ("clip_value", "bounds every number of the gradient to ±this, above 0; default none");

pub(super) const CLIP_NORM: (&str, &str) = (
    "clip_norm",
    "bounds the Euclidean norm of each parameter's gradient, above 0; before `clip_value`; default none",
);

pub(super) const CLIP_GLOBAL_NORM: (&str, &str) = (
    "clip_global_norm",
    "bounds the Euclidean norm of all gradients together, above 0; instead of `clip_norm`; default none",
);

pub(super) const DECAYS: (&str, &str) = (
    "decays",
    "which parameters decay, unless a group says it: \"all\", or \"weights\", those with at least two axes, which \
     leaves out biases and the parameters of normalisations; default \"all\"",
);

pub(super) const EMA_DECAY: (&str, &str) = (
    "ema_decay",
    "keeps an exponential moving average of every weight, of which this share stays in each step, 0 <= ema_decay < 1; \
     evaluation and prediction use the averages; default none",
);

pub(super) const GROUP: (&str, &str) = (
    "group",
    "settings of their own for parameters by name: tables with a `pattern`, such as \"*.bias\", and \
     `learning_rate_factor` or `weight_decay`, of which the first that fits holds; default none",
);

/// The builder methods, learning rate and checks of an optimizer with the fields `learning_rate`,
/// `schedule`, `clip_value`, `clip_norm`, `clip_global_norm`, `group` and `ema_decay`.
macro_rules! shared_attributes {
    ($optimizer:ident) => {
        impl $optimizer {
            /// Changes the learning rate from step to step; a [`Pace`] has a warm-up beside its
            /// schedule.
            #[must_use]
            pub fn schedule(mut self, schedule: impl Into<Pace>) -> Self {
                self.schedule = schedule.into();
                self
            }

            /// Bounds every number of the gradient to `-bound..=bound`.
            #[must_use]
            pub fn clip_value(mut self, bound: f32) -> Self {
                self.clip_value = Some(bound);
                self
            }

            /// Scales the gradient of a parameter so that its norm is at most `norm`; see [`NormClip`].
            #[must_use]
            pub fn clip_norm(mut self, norm: f32) -> Self {
                self.clip_norm = Some(norm);
                self
            }

            /// Scales all gradients so that the norm of all together is at most `norm`; see
            /// [`NormClip`].
            #[must_use]
            pub fn clip_global_norm(mut self, norm: f32) -> Self {
                self.clip_global_norm = Some(norm);
                self
            }

            /// Gives the parameters whose names fit a pattern settings of their own, unless they belong to a
            /// group before.
            #[must_use]
            pub fn group(mut self, group: ParameterGroup) -> Self {
                self.group.0.push(group);
                self
            }

            /// Keeps an exponential moving average of every weight, for evaluation and prediction: see
            /// [`Optimizer::ema_decay`].
            #[must_use]
            pub fn ema_decay(mut self, decay: f64) -> Self {
                self.ema_decay = Some(decay);
                self
            }

            fn shared_norm_clip(&self) -> Option<NormClip> {
                let each = self.clip_norm.map(NormClip::Parameter);
                each.or(self.clip_global_norm.map(NormClip::Global))
            }

            /// The learning rate for what is to be moved.
            fn moving_rate(&self, moving: &Moving<'_>) -> f32 {
                self.rate(moving.step) * moving.rate_factor
            }

            fn rate(&self, step: u64) -> f32 {
                if self.schedule.is_constant() {
                    return self.learning_rate;
                }
                (f64::from(self.learning_rate) * self.schedule.factor(step)) as f32
            }

            fn check_shared(&self) -> Result<(), String> {
                if !self.learning_rate.is_finite() || self.learning_rate < 0.0 {
                    return Err(format!(
                        "`learning_rate` is {}, not a number >= 0",
                        self.learning_rate
                    ));
                }
                for (name, bound) in [
                    ("clip_value", self.clip_value),
                    ("clip_norm", self.clip_norm),
                    ("clip_global_norm", self.clip_global_norm),
                ] {
                    if let Some(bound) = bound
                        && !(bound.is_finite() && bound > 0.0)
                    {
                        return Err(format!("`{name}` is {bound}, not a number above 0"));
                    }
                }
                if self.clip_norm.is_some() && self.clip_global_norm.is_some() {
                    return Err("`clip_norm` and `clip_global_norm` exclude each other".to_owned());
                }
                if let Some(decay) = self.ema_decay {
                    $crate::optimizers::shared_attributes::check_share("ema_decay", decay)?;
                }
                let decays = Optimizer::weight_decay_of(self, 2).is_some();
                self.group.check(SPEC.kind, decays)?;
                self.schedule.check()
            }
        }
    };
}

pub(super) use shared_attributes;

/// Refuses what is not in 0..1.
pub(super) fn check_share<T>(name: &str, share: T) -> Result<(), String>
where
    T: Copy + Display + PartialOrd + From<f32>,
{
    if (T::from(0.0)..T::from(1.0)).contains(&share) {
        return Ok(());
    }
    Err(format!("`{name}` is {share}, not in 0 <= {name} < 1"))
}

/// Refuses what is not a finite number of at least 0.
pub(super) fn check_not_negative(name: &str, number: f64) -> Result<(), String> {
    if number.is_finite() && number >= 0.0 {
        return Ok(());
    }
    Err(format!("`{name}` is {number}, not a number >= 0"))
}

/// The number within `-bound..=bound`; NaN stays NaN.
#[inline]
pub(super) fn clip(number: f32, bound: f32) -> f32 {
    let below = if number > bound { bound } else { number };
    if below < -bound { -bound } else { below }
}

/// `step / size`, or 0 where both are 0: with an epsilon of 0, a weight whose gradient has always been
/// 0 stays where it is.
#[inline]
pub(super) fn quotient(step: f32, size: f32) -> f32 {
    if step == 0.0 { 0.0 } else { step / size }
}

/// Below which a running mean of squares becomes 0: the smallest normal number where its root, over `root`, is lost
/// beside epsilon, so that no step changes by it; else nothing.
pub(super) fn least_square(epsilon: f32, root: f32) -> f32 {
    let lost = f32::MIN_POSITIVE.sqrt() / root <= epsilon * (f32::EPSILON / 4.0);
    if lost { f32::MIN_POSITIVE } else { 0.0 }
}

/// The bound, or one that bounds nothing.
pub(super) fn bound(clip_value: Option<f32>) -> f32 {
    clip_value.unwrap_or(f32::INFINITY)
}
