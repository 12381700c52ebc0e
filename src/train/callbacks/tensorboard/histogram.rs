//! How numbers are spread, as TensorBoard draws it.

use crate::protobuf::Writer;

/// Counts of numbers in ranges of one width, from the smallest to the largest.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    least: f64,
    most: f64,
    count: f64,
    sum: f64,
    sum_of_squares: f64,
    /// The upper end of every range.
    ends: Vec<f64>,
    counts: Vec<f64>,
}

impl Histogram {
    /// Of the finite ones among some numbers, in so many ranges; nothing if there are none.
    pub(super) fn of(numbers: impl Iterator<Item = f32> + Clone, ranges: usize) -> Option<Self> {
        let numbers = numbers.filter(|number| number.is_finite()).map(f64::from);
        let least = numbers.clone().fold(f64::INFINITY, f64::min);
        let most = numbers.clone().fold(f64::NEG_INFINITY, f64::max);
        if least > most {
            return None;
        }
        let ranges = if least == most { 1 } else { ranges.max(1) };
        let width = (most - least) / ranges as f64;
        let end = |range: usize| least + width * (range + 1) as f64;
        // The last one ends where the numbers do, whatever was rounded.
        let ends = (0..ranges).map(|range| if range + 1 == ranges { most } else { end(range) });
        let mut counts = vec![0.0; ranges];
        let (mut count, mut sum, mut sum_of_squares) = (0.0, 0.0, 0.0);
        for number in numbers {
            let range = if width > 0.0 { ((number - least) / width) as usize } else { 0 };
            counts[range.min(ranges - 1)] += 1.0;
            count += 1.0;
            sum += number;
            sum_of_squares += number * number;
        }
        Some(Self { least, most, count, sum, sum_of_squares, ends: ends.collect(), counts })
    }

    /// Adds the fields of a message `HistogramProto`.
    pub(super) fn write(&self, message: &mut Writer) {
        let Self { least, most, count, sum, sum_of_squares, ends, counts } = self;
        for (field, number) in (1..).zip([*least, *most, *count, *sum, *sum_of_squares]) {
            // Zeros are left out, as every writer of these messages does.
            if number != 0.0 {
                message.double(field, number);
            }
        }
        message.doubles(6, ends);
        message.doubles(7, counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_counts_once_in_its_range() {
        let numbers = [0.0, 1.0, 1.0, 4.0, f32::NAN, f32::INFINITY];
        let histogram = Histogram::of(numbers.into_iter(), 4).unwrap();
        assert_eq!(histogram.ends, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(histogram.counts, [1.0, 2.0, 0.0, 1.0]);
        assert_eq!((histogram.count, histogram.sum, histogram.sum_of_squares), (4.0, 6.0, 18.0));
        let same = Histogram::of([2.0, 2.0].into_iter(), 30).unwrap();
        assert_eq!((same.ends, same.counts), (vec![2.0], vec![2.0]));
        assert!(Histogram::of([f32::NAN].into_iter(), 30).is_none());
        // The widest range that there is.
        let wide = Histogram::of([f32::MIN, f32::MAX].into_iter(), 3).unwrap();
        assert_eq!(wide.counts, [1.0, 0.0, 1.0]);
    }
}
