//! Steps of optimizers, and sums of gradients.

use super::cascade::sum_rows;
use super::vector::{Kernel, Vector, dispatch, flush_subnormal, load, store};
use super::{MatrixRef, Store, with_scratch};

/// Weights that are moved before they are written past the caches: they, their gradients and what an optimizer keeps beside
/// them fit the first-level cache.
const BLOCK: usize = 512;

/// One step of gradient descent with momentum, by the convention of `PyTorch`: the velocity becomes
/// `momentum * velocity + gradient`, or 0 where that is subnormal, and the weights move by `-learning_rate * velocity`.
/// `rates` are the learning rate and the momentum; `store` is for the weights.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn sgd_momentum(
    weights: &mut [f32],
    velocity: &mut [f32],
    gradient: &[f32],
    rates: [f32; 2],
    store: Store,
) {
    struct Step<'a> {
        weights: &'a mut [f32],
        velocity: &'a mut [f32],
        gradient: &'a [f32],
        rates: [f32; 2],
        store: Store,
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
                let few = |at: usize, lanes: usize| {
                    let velocity = V::load_part(v.add(at), lanes)
                        .mul_add(momentum, V::load_part(g.add(at), lanes))
                        .flush_subnormal();
                    velocity.store_part(v.add(at), lanes);
                    velocity
                        .mul_add(rate, V::load_part(w.add(at), lanes))
                        .store_part(w.add(at), lanes);
                };
                let mut at = self.store.head::<V>(w, len);
                few(0, at);
                while at + V::LANES <= len {
                    let velocity = V::load(v.add(at)).mul_add(momentum, V::load(g.add(at)));
                    let velocity = velocity.flush_subnormal();
                    velocity.store(v.add(at));
                    self.store.put(velocity.mul_add(rate, V::load(w.add(at))), w.add(at));
                    at += V::LANES;
                }
                few(at, len - at);
            }
            self.store.end();
        }
    }
    assert_eq!(weights.len(), gradient.len(), "weights, gradient");
    assert_eq!(velocity.len(), gradient.len(), "velocity, gradient");
    let [rate, momentum] = rates;
    dispatch(Step { weights, velocity, gradient, rates: [-rate, momentum], store });
}

/// One step of plain gradient descent: the weights move by `-learning_rate * gradient`.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn sgd(weights: &mut [f32], gradient: &[f32], learning_rate: f32, store: Store) {
    struct Step<'a> {
        weights: &'a mut [f32],
        gradient: &'a [f32],
        rate: f32,
        store: Store,
    }
    impl Kernel for Step<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let (w, g, len) =
                (self.weights.as_mut_ptr(), self.gradient.as_ptr(), self.gradient.len());
            // SAFETY: both have `len` floats, and only those are touched.
            unsafe {
                let rate = V::splat(self.rate);
                let few = |at: usize, lanes: usize| {
                    V::load_part(g.add(at), lanes)
                        .mul_add(rate, V::load_part(w.add(at), lanes))
                        .store_part(w.add(at), lanes);
                };
                let mut at = self.store.head::<V>(w, len);
                few(0, at);
                while at + V::LANES <= len {
                    let moved = V::load(g.add(at)).mul_add(rate, V::load(w.add(at)));
                    self.store.put(moved, w.add(at));
                    at += V::LANES;
                }
                few(at, len - at);
            }
            self.store.end();
        }
    }
    assert_eq!(weights.len(), gradient.len(), "weights, gradient");
    dispatch(Step { weights, gradient, rate: -learning_rate, store });
}

/// Moves each number this share of the way to another one; it becomes 0 where it would be subnormal.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn move_toward(numbers: &mut [f32], others: &[f32], share: f32) {
    move_each(numbers, others, [], Store::Cached, |number, other, []| {
        (flush_subnormal(number + share * (other - number)), [])
    });
}

/// One step of any optimizer: `rule` makes the new weight and state of each number from the weight,
/// the gradient and the state. The same bits with every instruction set, for the rule's arithmetic
/// is done as it is written. `store` is for the weights.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn move_each<const STATE: usize>(
    weights: &mut [f32],
    gradient: &[f32],
    state: [&mut [f32]; STATE],
    store: Store,
    rule: impl Fn(f32, f32, [f32; STATE]) -> (f32, [f32; STATE]),
) {
    struct Step<'a, const STATE: usize, R> {
        weights: &'a mut [f32],
        gradient: &'a [f32],
        state: [&'a mut [f32]; STATE],
        rule: R,
        store: Store,
    }
    impl<const STATE: usize, R: Fn(f32, f32, [f32; STATE]) -> (f32, [f32; STATE])> Kernel
        for Step<'_, STATE, R>
    {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self { weights, gradient, state, rule, store } = self;
            let len = weights.len();
            // Slices of one length, so that the loop needs no checks and becomes one on vectors.
            let gradient = &gradient[..len];
            let state = state.map(|state| &mut state[..len]);
            let mut moved = |at: usize, weight: f32| {
                let old: [f32; STATE] = std::array::from_fn(|array| state[array][at]);
                let (weight, new) = rule(weight, gradient[at], old);
                for array in 0..STATE {
                    state[array][at] = new[array];
                }
                weight
            };
            if store == Store::Cached {
                for (at, weight) in weights.iter_mut().enumerate() {
                    *weight = moved(at, *weight);
                }
                return;
            }
            // A block is moved in the first-level cache, and written past it.
            let mut block = [0.0; BLOCK];
            let mut start = 0;
            while start < len {
                let block = &mut block[..BLOCK.min(len - start)];
                for (at, moved_weight) in block.iter_mut().enumerate() {
                    *moved_weight = moved(start + at, weights[start + at]);
                }
                // SAFETY: the machine has the instructions, as the caller states.
                unsafe { store.copy::<V>(block, &mut weights[start..][..block.len()]) };
                start += block.len();
            }
            store.end();
        }
    }
    assert_eq!(weights.len(), gradient.len(), "weights, gradient");
    for state in &state {
        assert_eq!(state.len(), gradient.len(), "state, gradient");
    }
    dispatch(Step { weights, gradient, state, rule, store });
}

/// The sum of `term` over all numbers, in an order that depends on their count alone: the same bits
/// with every instruction set, for the arithmetic is done as it is written.
pub(crate) fn sum_each(numbers: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    /// Sums side by side, so that an addition need not wait for the one before.
    const SUMS: usize = 16;
    struct Sum<'a, T>(&'a [f32], T, &'a mut [f64; SUMS]);
    impl<T: Fn(f32) -> f64> Kernel for Sum<'_, T> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(numbers, term, sums) = self;
            let (whole, rest) = numbers.as_chunks::<SUMS>();
            for chunk in whole {
                for (sum, &number) in sums.iter_mut().zip(chunk) {
                    *sum += term(number);
                }
            }
            for (sum, &number) in sums.iter_mut().zip(rest) {
                *sum += term(number);
            }
        }
    }
    let mut sums = [0.0; SUMS];
    dispatch(Sum(numbers, term, &mut sums));
    sums.iter().sum()
}

/// Adds `part` to `sum`.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn add_slices(sum: &mut [f32], part: &[f32]) {
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

/// The sum of each column over the rows of several matrices, overwriting `sums`.
///
/// # Panics
/// If there are not as many sums as columns.
pub(crate) fn column_sums_of_all<'a>(
    matrices: usize,
    matrix: impl Fn(usize) -> MatrixRef<'a>,
    sums: &mut [f32],
) {
    for number in 0..matrices {
        let matrix = matrix(number);
        if number == 0 {
            column_sums(matrix, sums);
        } else {
            with_scratch(sums.len(), |own| {
                column_sums(matrix, own);
                add_slices(sums, own);
            });
        }
    }
}

/// The sum of each column of `d`, overwriting `sums`.
///
/// # Panics
/// If there are not as many sums as columns.
pub(crate) fn column_sums(d: MatrixRef<'_>, sums: &mut [f32]) {
    struct ColumnSums<'a>(MatrixRef<'a>, &'a mut [f32]);
    impl Kernel for ColumnSums<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(d, sums) = self;
            // SAFETY: all columns are within the rows of d, and there are as many sums.
            unsafe {
                sum_rows!(
                    1,
                    [d.rows(), d.cols()],
                    |row, col, lanes, sum| {
                        [sum[0].add(load(d.as_ptr().add(row * d.stride() + col), lanes))]
                    },
                    |[sum]| store(sum, sums.as_mut_ptr().add(col), lanes),
                );
            }
        }
    }
    assert_eq!(d.cols(), sums.len(), "columns of d, sums");
    dispatch(ColumnSums(d, sums));
}
