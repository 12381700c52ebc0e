//! Means of windows, and of whole images.

use super::super::cascade::{sum_rows, sum_vectors};
use super::super::vector::{Kernel, Vector, dispatch, load, store};
use super::super::{MatrixMut, MatrixRef, fill};
use super::{Pixels, PoolShape, Visit, Visits, Window};

/// Pixels of a window that are added one after another; those of larger ones are added row by row.
const SMALL: usize = 64;

/// The mean pixel of each window. With `count_padding`, pixels beyond the image count as zeros;
/// without, only the image's pixels count. A window without pixels gives 0.
///
/// The matrices are as for [`max_pool`](super::max_pool).
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn average_pool(
    shape: &PoolShape,
    items: usize,
    input: MatrixRef<'_>,
    output: MatrixMut<'_>,
    count_padding: bool,
) {
    /// With `LARGE`, rows of windows are summed by themselves.
    struct Average<const LARGE: bool>(Share, Pixels<*const f32>, Pixels<*mut f32>);
    impl<const LARGE: bool> Visit for Average<LARGE> {
        #[inline(always)]
        unsafe fn visit<V: Vector>(
            &self,
            output: usize,
            window: Window,
            channel: usize,
            lanes: usize,
        ) {
            // SAFETY: as the caller states.
            unsafe {
                let sum = if LARGE {
                    sum_vectors!(window.rows, |row, sum| {
                        let first = window.first + row * window.step;
                        let of_row = sum_vectors!(window.cols, |col, sum| {
                            sum.add(load(self.1.at(first + col, channel), lanes))
                        });
                        sum.add(of_row)
                    })
                } else {
                    let mut sum = V::splat(0.0);
                    for place in window.places() {
                        sum = sum.add(load(self.1.at(place, channel), lanes));
                    }
                    sum
                };
                let mean = sum.mul(V::splat(self.0.of(window)));
                store(mean, self.2.at(output, channel), lanes);
            }
        }
    }
    shape.check(items, [input.rows(), input.cols()], [output.rows(), output.cols()]);
    let share = Share::new(shape, count_padding);
    let (input, output) = (Pixels::of(input), Pixels::of_mut(output));
    if shape.size[0] * shape.size[1] <= SMALL {
        dispatch(Visits(shape, items, Average::<false>(share, input, output)));
    } else {
        dispatch(Visits(shape, items, Average::<true>(share, input, output)));
    }
}

/// The gradient of [`average_pool`]'s input, overwriting `gradient`.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn average_pool_grad(
    shape: &PoolShape,
    items: usize,
    output_grad: MatrixRef<'_>,
    mut gradient: MatrixMut<'_>,
    count_padding: bool,
) {
    struct AverageGrad(Share, Pixels<*const f32>, Pixels<*mut f32>);
    impl Visit for AverageGrad {
        #[inline(always)]
        unsafe fn visit<V: Vector>(
            &self,
            output: usize,
            window: Window,
            channel: usize,
            lanes: usize,
        ) {
            // SAFETY: as the caller states.
            unsafe {
                let grad: V = load(self.1.at(output, channel), lanes);
                let given = grad.mul(V::splat(self.0.of(window)));
                for place in window.places() {
                    let to = self.2.at(place, channel);
                    store(load::<V>(to, lanes).add(given), to, lanes);
                }
            }
        }
    }
    let outputs = [output_grad.rows(), output_grad.cols()];
    shape.check(items, [gradient.rows(), gradient.cols()], outputs);
    fill(gradient.reborrow(), 0.0);
    let share = Share::new(shape, count_padding);
    let visit = AverageGrad(share, Pixels::of(output_grad), Pixels::of_mut(gradient));
    dispatch(Visits(shape, items, visit));
}

/// What a pixel weighs in the mean of its window.
#[derive(Clone, Copy)]
struct Share {
    /// The number of pixels that count, if it is always the same.
    always: Option<usize>,
}

impl Share {
    fn new(shape: &PoolShape, count_padding: bool) -> Self {
        Self { always: count_padding.then_some(shape.size[0] * shape.size[1]) }
    }

    #[inline(always)]
    fn of(self, window: Window) -> f32 {
        1.0 / self.always.unwrap_or(window.rows * window.cols).max(1) as f32
    }
}

/// The mean of all `pixels` pixels of each image: the input is (items * pixels) x channels, the
/// output items x channels.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn global_average(
    items: usize,
    pixels: usize,
    input: MatrixRef<'_>,
    output: MatrixMut<'_>,
) {
    struct Means<'a>(usize, MatrixRef<'a>, MatrixMut<'a>);
    impl Kernel for Means<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(pixels, input, mut output) = self;
            let size = [pixels, input.cols()];
            for item in 0..output.rows() {
                let from = input.as_ptr().wrapping_add(item * pixels * input.stride());
                let to = output.row_mut(item).as_mut_ptr();
                // SAFETY: the item has so many pixels of `cols` floats, and so many means.
                unsafe {
                    let share = V::splat(1.0 / pixels.max(1) as f32);
                    sum_rows!(
                        1,
                        size,
                        |row, col, lanes| [load(from.add(row * input.stride() + col), lanes)],
                        |[sum]| store(sum.mul(share), to.add(col), lanes),
                    );
                }
            }
        }
    }
    whole(pixels, input.cols()).check(
        items,
        [input.rows(), input.cols()],
        [output.rows(), output.cols()],
    );
    dispatch(Means(pixels, input, output));
}

/// The gradient of [`global_average`]'s input, overwriting `gradient`.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn global_average_grad(
    items: usize,
    pixels: usize,
    output_grad: MatrixRef<'_>,
    gradient: MatrixMut<'_>,
) {
    average_pool_grad(&whole(pixels, output_grad.cols()), items, output_grad, gradient, true);
}

/// One window over all pixels.
fn whole(pixels: usize, channels: usize) -> PoolShape {
    let size = [pixels, 1];
    let input = [pixels, 1, channels];
    PoolShape { input, size, stride: [1, 1], padding: [0, 0], output: [1, 1] }
}
