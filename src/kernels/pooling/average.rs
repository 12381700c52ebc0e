//! Means of windows, and of whole images.

use super::super::cascade::{Sums, cascade, sum_rows};
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
        unsafe fn visit<V: Vector, const N: usize>(
            &self,
            output: usize,
            window: Window,
            channel: usize,
            lanes: usize,
        ) {
            // SAFETY: as the caller states.
            unsafe {
                let zero = [[V::splat(0.0); N]];
                macro_rules! add_pixel {
                    ($sums:ident, $place:expr) => {
                        let from = self.1.at($place, channel);
                        for (vector, sum) in $sums[0].iter_mut().enumerate() {
                            *sum = sum.add(load(from.add(vector * V::LANES), lanes));
                        }
                    };
                }
                let [sums] = if LARGE {
                    cascade!(window.rows, zero, |row, sums| {
                        let first = window.first + row * window.step;
                        let of_row = cascade!(window.cols, zero, |col, sums| {
                            add_pixel!(sums, first + col);
                        });
                        sums = sums.join(of_row);
                    })
                } else {
                    let mut sums = zero;
                    for places in window.places() {
                        for place in places {
                            add_pixel!(sums, place);
                        }
                    }
                    sums
                };
                let share = V::splat(self.0.of(window));
                for (vector, sum) in sums.into_iter().enumerate() {
                    let to = self.2.at(output, channel + vector * V::LANES);
                    store(sum.mul(share), to, lanes);
                }
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
    /// With `ALONE`, no other window has pixels of a window.
    struct AverageGrad<const ALONE: bool>(Share, Pixels<*const f32>, Pixels<*mut f32>);
    impl<const ALONE: bool> Visit for AverageGrad<ALONE> {
        #[inline(always)]
        unsafe fn visit<V: Vector, const N: usize>(
            &self,
            output: usize,
            window: Window,
            channel: usize,
            lanes: usize,
        ) {
            // SAFETY: as the caller states.
            unsafe {
                let share = V::splat(self.0.of(window));
                let mut given = [share; N];
                for (vector, given) in given.iter_mut().enumerate() {
                    let grad = self.1.at(output, channel + vector * V::LANES);
                    *given = given.mul(load(grad, lanes));
                }
                for places in window.places() {
                    for place in places {
                        for (vector, &given) in given.iter().enumerate() {
                            let to = self.2.at(place, channel + vector * V::LANES);
                            let sum = if ALONE { given } else { load::<V>(to, lanes).add(given) };
                            store(sum, to, lanes);
                        }
                    }
                }
            }
        }
    }
    let outputs = [output_grad.rows(), output_grad.cols()];
    shape.check(items, [gradient.rows(), gradient.cols()], outputs);
    let alone = shape.is_apart();
    if !(alone && shape.covers_all()) {
        fill(gradient.reborrow(), 0.0);
    }
    let share = Share::new(shape, count_padding);
    let (output_grad, gradient) = (Pixels::of(output_grad), Pixels::of_mut(gradient));
    if alone {
        dispatch(Visits(shape, items, AverageGrad::<true>(share, output_grad, gradient)));
    } else {
        dispatch(Visits(shape, items, AverageGrad::<false>(share, output_grad, gradient)));
    }
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
                        |row, col, lanes, sum| {
                            [sum[0].add(load(from.add(row * input.stride() + col), lanes))]
                        },
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
    PoolShape { input, size, stride: [pixels.max(1), 1], padding: [0, 0], output: [1, 1] }
}
