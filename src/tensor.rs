//! The tensor type at the crate's surface.

use ndarray::{ArcArray, IxDyn};

/// A tensor as users hand it over and get it back: 32-bit floats, row-major, the batch axis first
/// and channels last. Cloning one shares its numbers.
pub type Tensor = ArcArray<f32, IxDyn>;

/// The shape of one item: a tensor's shape without the batch axis.
pub type Shape = Vec<usize>;

/// Writes a shape as `28 x 28 x 1`, and the shape of a single number as `scalar`.
pub fn describe_shape(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}
