//! The handwritten digits that are embedded in the crate.

use std::sync::OnceLock;

use super::{ReaderSpec, Source};
use crate::data::{Column, Dataset, refuse};
use crate::{Result, Tensor};

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "digits",
    summary: "8 x 8 images of handwritten digits, which the program carries: 1437 and 360 for testing",
    form: "`digits`",
    options: &[],
    recognizes: |source| source == "digits",
    read: |_| digits().map(Source::from),
};

/// The images, each 64 grey values from 0 to 16 and the digit. See `digits/README.md` for the source and
/// the licence.
const BYTES: &[u8] = include_bytes!("digits/digits.bin");
const PIXELS: usize = 64;

/// How many of the 1,797 images make the test part, and the seed that chooses them. Published
/// accuracies rely on both.
const TEST_ITEMS: usize = 360;
const SEED: u64 = 1998;

/// 8 x 8 images of handwritten digits as (1,437 training items, 360 test items).
///
/// The input `image` is `[items, 8, 8, 1]` with grey values from 0 to 1, the target `label` is
/// `[items]` with the digit. The parts are split in proportion per digit and always the same; they
/// are read once and shared from then on.
///
/// The images are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
/// C. Kaynak, 1998, UCI Machine Learning Repository, CC BY 4.0), as scikit-learn distributes it.
///
/// ```
/// let (train, test) = caudal::data::digits()?;
/// assert_eq!((train.len(), test.len()), (1437, 360));
/// assert_eq!(train.inputs()[0].item_shape(), [8, 8, 1]);
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Data`](crate::Error::Data) if the embedded file is damaged.
pub fn digits() -> Result<(Dataset, Dataset)> {
    static PARTS: OnceLock<(Dataset, Dataset)> = OnceLock::new();
    if let Some(parts) = PARTS.get() {
        return Ok(parts.clone());
    }
    let parts = read()?;
    Ok(PARTS.get_or_init(|| parts).clone())
}

fn read() -> Result<(Dataset, Dataset)> {
    let images = BYTES.chunks_exact(PIXELS + 1);
    let (mut greys, mut labels) = (Vec::new(), Vec::new());
    for image in images {
        greys.extend(image[..PIXELS].iter().map(|&grey| f32::from(grey) / 16.0));
        labels.push(f32::from(image[PIXELS]));
    }
    let tensor = |shape: Vec<usize>, values| {
        Tensor::from_shape_vec(shape, values)
            .map_err(|error| refuse("digits", error.to_string(), "build the crate again"))
    };
    let items = labels.len();
    Dataset::new(
        "digits",
        vec![Column::new("image", tensor(vec![items, 8, 8, 1], greys)?)],
        vec![Column::new("label", tensor(vec![items], labels)?)],
    )?
    .split_stratified(0, TEST_ITEMS, SEED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_digit(part: &Dataset) -> Vec<usize> {
        let labels = part.targets()[0].tensor().unwrap();
        (0..10)
            .map(|digit| labels.iter().filter(|&&label| label as usize == digit).count())
            .collect()
    }

    #[test]
    fn both_parts_have_every_digit_in_proportion() {
        let (train, test) = digits().unwrap();
        assert_eq!(per_digit(&train), [142, 145, 142, 146, 145, 146, 145, 143, 139, 144]);
        assert_eq!(per_digit(&test), [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]);
        for (part, name, items) in [(&train, "digits train", 1437), (&test, "digits test", 360)] {
            assert_eq!((part.name(), part.len()), (name, items));
            assert_eq!(part.inputs()[0].name, "image");
            assert_eq!(part.inputs()[0].shape(), [items, 8, 8, 1]);
            assert_eq!(part.targets()[0].name, "label");
            assert_eq!(part.targets()[0].class_count().unwrap(), Some(10));
        }
    }

    #[test]
    fn grey_values_are_sixteenths() {
        let (train, test) = digits().unwrap();
        for part in [train, test] {
            let values = part.inputs()[0].tensor().unwrap();
            assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
            assert!(values.iter().all(|value| (value * 16.0).fract() == 0.0));
            assert!(values.iter().any(|&value| value >= 1.0));
        }
    }

    #[test]
    fn the_parts_are_read_once_and_shared() {
        let (first, again) = (digits().unwrap().0, digits().unwrap().0);
        let start = |part: &Dataset| part.inputs()[0].tensor().unwrap().as_ptr();
        assert_eq!(start(&first), start(&again));
        assert_eq!(first, read().unwrap().0);
    }
}
