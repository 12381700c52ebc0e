//! Medians and quantiles: what many measurements of one thing come to.

/// The middle one of some numbers, or the mean of the two in the middle; not a number for none.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers {
        [] => f64::NAN,
        _ if numbers.len() % 2 == 1 => numbers[half],
        _ => f64::midpoint(numbers[half - 1], numbers[half]),
    }
}

/// The number that this share of some numbers stays below, between neighbours in proportion; not a
/// number for none.
pub fn quantile(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let Some(last) = numbers.len().checked_sub(1) else { return f64::NAN };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert!(quantile(&mut [], 0.5).is_nan());
        let mut numbers = [4.0, 1.0, 3.0, 2.0, 5.0];
        let quartiles = [0.0, 0.25, 0.625, 1.0].map(|share| quantile(&mut numbers, share));
        assert_eq!(quartiles, [1.0, 2.0, 3.5, 5.0]);
    }

    #[test]
    fn medians_of_few_and_even_counts() {
        assert!(median(&mut []).is_nan());
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
    }
}
