//! The transforms of weights, and of their gradient.
//!
//! Transformed weights are a matrix of channels x filters for each point, all of them cut into the same panels:
//! those of a panel lie one after the other, each with a cache line behind it, and so do the panels.

use std::marker::PhantomData;

use super::super::buffer::LINE;
use super::super::panels::{PANEL, Panels, panel_len, panel_width};
use super::super::vector::{Kernel, Vector, dispatch};
use super::transforms::{MOST_POINTS, Transform};

/// Floats from the panel of one point to that of the next. They are no power of two, for the numbers of all points
/// are written side by side, and would compete for places in the cache.
pub(super) fn point_len(channels: usize, width: usize) -> usize {
    channels * width + LINE
}

/// Where panel number `panel` of transformed weights at `points` points starts.
pub(super) fn panel_start(points: usize, channels: usize, panel: usize) -> usize {
    points * panel * point_len(channels, PANEL)
}

/// Floats of transformed weights at `points` points.
pub(super) fn transformed_len(points: usize, channels: usize, filters: usize) -> usize {
    points * (panel_len(channels, filters) + filters.div_ceil(PANEL) * LINE)
}

/// Writes the transformed weights; these have a row for each tap and channel.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn transform_weights<T: Transform<K, N>, const K: usize, const N: usize>(
    weights: Panels<'_>,
    channels: usize,
    to: &mut [f32],
) {
    assert_eq!(weights.rows(), K * K * channels, "rows of the weights");
    let len = transformed_len(N * N, channels, weights.cols());
    assert_eq!(to.len(), len, "transformed weights");
    for panel in 0..weights.count() {
        let width = panel_width(weights.cols(), panel);
        let (len, to_step) = (channels * width, point_len(channels, width));
        let to = to[panel_start(N * N, channels, panel)..][..N * N * to_step].as_mut_ptr();
        let from = weights.panel(panel)[..K * K * len].as_ptr();
        dispatch(Panel::<T, K, N> {
            from,
            from_step: len,
            to,
            to_step,
            len,
            transform: PhantomData,
        });
    }
}

/// Writes the gradient of weights, as panels of a matrix with a row for each tap and channel, given that of the
/// transformed ones.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn transform_weight_grad<T: Transform<N, K>, const N: usize, const K: usize>(
    transformed: &[f32],
    channels: usize,
    filters: usize,
    to: &mut [f32],
) {
    assert_eq!(to.len(), K * K * panel_len(channels, filters), "gradient of the weights");
    let len = transformed_len(N * N, channels, filters);
    assert_eq!(transformed.len(), len, "transformed gradient");
    for panel in 0..filters.div_ceil(PANEL) {
        let width = panel_width(filters, panel);
        let (len, from_step) = (channels * width, point_len(channels, width));
        let from = &transformed[panel_start(N * N, channels, panel)..][..N * N * from_step];
        let to = &mut to[K * K * panel * PANEL * channels..][..K * K * len];
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        let transform = PhantomData;
        dispatch(Panel::<T, N, K> { from, from_step, to, to_step: len, len, transform });
    }
}

/// A panel as `len` squares of `I` x `I` numbers, a multiple of 16, which become such of `O` x `O`. Each number of a
/// square lies a step behind the one before.
struct Panel<T, const I: usize, const O: usize> {
    from: *const f32,
    from_step: usize,
    to: *mut f32,
    to_step: usize,
    len: usize,
    transform: PhantomData<T>,
}

impl<T: Transform<I, O>, const I: usize, const O: usize> Kernel for Panel<T, I, O> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { from, from_step, to, to_step, len, .. } = self;
        // SAFETY: the panels hold `len` floats for each number of a square, as the constructors assert.
        unsafe {
            let mut square = [[V::splat(0.0); I]; MOST_POINTS];
            for at in (0..len).step_by(V::LANES) {
                for x in 0..I {
                    let mut numbers = [V::splat(0.0); I];
                    for (y, number) in numbers.iter_mut().enumerate() {
                        *number = V::load(from.wrapping_add((y * I + x) * from_step + at));
                    }
                    for (row, number) in square.iter_mut().zip(T::apply(numbers)) {
                        row[x] = number;
                    }
                }
                for (y, row) in square[..O].iter().enumerate() {
                    for (x, number) in T::apply(*row).into_iter().enumerate() {
                        number.store(to.wrapping_add((y * O + x) * to_step + at));
                    }
                }
            }
        }
    }
}
