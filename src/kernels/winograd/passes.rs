//! Transforms along both axes of tiles: down the columns, then across the rows, with what lies between on the stack.

use super::transforms::{Eight, Four, Input, MOST_POINTS, Output, OutputGrad, Six, Transform};

/// Numbers of a tile, row by row.
pub(super) type Square<V> = [[V; MOST_POINTS]; MOST_POINTS];

/// What is done along an axis, with a transform of `I` numbers to `O`.
pub(super) trait Lines {
    /// Does it.
    ///
    /// # Safety
    /// The machine must have the instructions of the vectors, and all memory must be there that is read and written.
    unsafe fn run<T: Transform<I, O>, const I: usize, const O: usize>(self);
}

/// The transforms of tiles with `K` weights along an axis.
pub(super) trait Transforms {
    /// How many numbers the transform with so many pairs of points takes in.
    fn inputs(pairs: usize) -> usize;

    /// Does something with the transform that has so many pairs of points.
    ///
    /// # Safety
    /// As for [`Lines::run`].
    unsafe fn with<L: Lines>(pairs: usize, lines: L);
}

/// Of inputs, whatever the weights.
pub(super) struct Inputs<P>(std::marker::PhantomData<P>);
/// To outputs.
pub(super) struct Outputs<P, const K: usize>(std::marker::PhantomData<P>);
/// Of gradients of outputs.
pub(super) struct OutputGrads<P, const K: usize>(std::marker::PhantomData<P>);

/// Writes [`Transforms`]: for each number of pairs, how many numbers become how many.
macro_rules! transforms {
    ($($name:ty, $points:ty, $transform:ident: $($pairs:literal: $from:literal $to:literal),+;)+) => {
        $(impl Transforms for $name {
            #[inline(always)]
            fn inputs(pairs: usize) -> usize {
                match pairs {
                    $($pairs => $from,)+
                    _ => 0,
                }
            }

            #[inline(always)]
            unsafe fn with<L: Lines>(pairs: usize, lines: L) {
                match pairs {
                    $($pairs => {
                        // SAFETY: as the caller states.
                        unsafe { lines.run::<$transform<$points>, $from, $to>() }
                    })+
                    _ => debug_assert!(false, "no tile has {pairs} pairs of points"),
                }
            }
        })+
    };
}

transforms! {
    Inputs<Four>, Four, Input: 1: 4 4;
    Inputs<Six>, Six, Input: 1: 4 4, 2: 6 6;
    Inputs<Eight>, Eight, Input: 1: 4 4, 2: 6 6, 3: 8 8;
    Outputs<Four, 3>, Four, Output: 1: 4 2;
    Outputs<Six, 3>, Six, Output: 1: 4 2, 2: 6 4;
    Outputs<Eight, 3>, Eight, Output: 1: 4 2, 2: 6 4, 3: 8 6;
    Outputs<Six, 5>, Six, Output: 2: 6 2;
    Outputs<Eight, 5>, Eight, Output: 2: 6 2, 3: 8 4;
    OutputGrads<Four, 3>, Four, OutputGrad: 1: 2 4;
    OutputGrads<Six, 3>, Six, OutputGrad: 1: 2 4, 2: 4 6;
    OutputGrads<Eight, 3>, Eight, OutputGrad: 1: 2 4, 2: 4 6, 3: 6 8;
    OutputGrads<Six, 5>, Six, OutputGrad: 2: 2 6;
    OutputGrads<Eight, 5>, Eight, OutputGrad: 2: 2 6, 3: 4 8;
}
