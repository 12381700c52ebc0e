//! Steps of optimizers, and sums of gradients.

use super::vector::{Kernel, Vector, dispatch};

/// One step of gradient descent with momentum, by the convention of `PyTorch`: the velocity becomes
/// `momentum * velocity + gradient`, and the weights move by `-learning_rate * velocity`.
///
/// # Panics
/// If the lengths differ.
pub fn sgd_momentum(
    weights: &mut [f32],
    velocity: &mut [f32],
    gradient: &[f32],
    learning_rate: f32,
    momentum: f32,
) {
    struct Step<'a> {
        weights: &'a mut [f32],
        velocity: &'a mut [f32],
        gradient: &'a [f32],
        rates: [f32; 2],
    }
    impl Kernel for Step<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let (w, v, g) =
                (self.weights.as_mut_ptr(), self.velocity.as_mut_ptr(), self.gradient.as_ptr());
            let len = self.gradient.len();
            // SAFETY: all three have `len` floats, and only those are touched.
            unsafe {
                let [rate, momentum] = self.rates.map(|rate| V::splat(rate));
                let mut at = 0;
                while at + V::LANES <= len {
                    let velocity = V::load(v.add(at)).mul_add(momentum, V::load(g.add(at)));
                    velocity.store(v.add(at));
                    velocity.mul_add(rate, V::load(w.add(at))).store(w.add(at));
                    at += V::LANES;
                }
                let rest = len - at;
                let velocity =
                    V::load_part(v.add(at), rest).mul_add(momentum, V::load_part(g.add(at), rest));
                velocity.store_part(v.add(at), rest);
                velocity.mul_add(rate, V::load_part(w.add(at), rest)).store_part(w.add(at), rest);
            }
        }
    }
    assert_eq!(weights.len(), gradient.len(), "weights, gradient");
    assert_eq!(velocity.len(), gradient.len(), "velocity, gradient");
    dispatch(Step { weights, velocity, gradient, rates: [-learning_rate, momentum] });
}

/// One step of plain gradient descent: the weights move by `-learning_rate * gradient`.
///
/// # Panics
/// If the lengths differ.
pub fn sgd(weights: &mut [f32], gradient: &[f32], learning_rate: f32) {
    struct Step<'a> {
        weights: &'a mut [f32],
        gradient: &'a [f32],
        rate: f32,
    }
    impl Kernel for Step<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let (w, g, len) =
                (self.weights.as_mut_ptr(), self.gradient.as_ptr(), self.gradient.len());
            // SAFETY: both have `len` floats, and only those are touched.
            unsafe {
                let rate = V::splat(self.rate);
                let mut at = 0;
                while at + V::LANES <= len {
                    V::load(g.add(at)).mul_add(rate, V::load(w.add(at))).store(w.add(at));
                    at += V::LANES;
                }
                let rest = len - at;
                V::load_part(g.add(at), rest)
                    .mul_add(rate, V::load_part(w.add(at), rest))
                    .store_part(w.add(at), rest);
            }
        }
    }
    assert_eq!(weights.len(), gradient.len(), "weights, gradient");
    dispatch(Step { weights, gradient, rate: -learning_rate });
}

/// Adds `part` to `sum`.
///
/// # Panics
/// If the lengths differ.
pub fn add_slices(sum: &mut [f32], part: &[f32]) {
    struct Add<'a>(&'a mut [f32], &'a [f32]);
    impl Kernel for Add<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let (sum, part, len) = (self.0.as_mut_ptr(), self.1.as_ptr(), self.1.len());
            // SAFETY: both have `len` floats, and only those are touched.
            unsafe {
                let mut at = 0;
                while at + V::LANES <= len {
                    V::load(sum.add(at)).add(V::load(part.add(at))).store(sum.add(at));
                    at += V::LANES;
                }
                let rest = len - at;
                let last = V::load_part(sum.add(at), rest).add(V::load_part(part.add(at), rest));
                last.store_part(sum.add(at), rest);
            }
        }
    }
    assert_eq!(sum.len(), part.len(), "sum, part");
    dispatch(Add(sum, part));
}
