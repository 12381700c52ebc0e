//! Measurements: the time of a training step, the overhead of a node, and what the machine can do.

mod overhead;
mod peak;
mod process;
mod step;

pub(crate) use overhead::tiny_run;
pub use overhead::{Overhead, SHAPES, ShapeSpec, overhead, tiny_nodes};
pub use peak::product_peak;
pub use process::{minor_faults, peak_resident_mib, seconds_without_core};
pub use step::{StepTime, prepare, time_steps};

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

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians_of_few_and_even_counts() {
        assert!(median(&mut []).is_nan());
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
    }
}
