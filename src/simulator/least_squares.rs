//! Least squares over few coefficients, none of them negative.

/// One observation: what each coefficient is multiplied by, what came out, and how much it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation<const N: usize> {
    pub(super) features: [f64; N],
    pub(super) outcome: f64,
    pub(super) weight: f64,
}

/// The coefficients, none below 0, with the least weighted sum of squared errors.
///
/// The best among all sets of coefficients that are not 0 is found by trying each set, so `N` must be
/// small.
pub(super) fn fit<const N: usize>(observations: &[Observation<N>]) -> [f64; N] {
    let mut best = ([0.0; N], error(observations, &[0.0; N]));
    for set in 1_u32..1 << N {
        let columns: Vec<usize> = (0..N).filter(|column| set >> column & 1 == 1).collect();
        let Some(solved) = solve(observations, &columns) else { continue };
        let mut coefficients = [0.0; N];
        for (&column, value) in columns.iter().zip(solved) {
            coefficients[column] = value;
        }
        let error = error(observations, &coefficients);
        if coefficients.iter().all(|value| *value >= 0.0) && error < best.1 {
            best = (coefficients, error);
        }
    }
    best.0
}

fn miss<const N: usize>(observation: &Observation<N>, coefficients: &[f64; N]) -> f64 {
    let products = observation.features.iter().zip(coefficients).map(|(x, c)| x * c);
    observation.outcome - products.sum::<f64>()
}

fn error<const N: usize>(observations: &[Observation<N>], coefficients: &[f64; N]) -> f64 {
    observations.iter().map(|it| it.weight * miss(it, coefficients).powi(2)).sum()
}

/// The normal equations over some columns, by elimination; nothing if they have no one solution.
fn solve<const N: usize>(observations: &[Observation<N>], columns: &[usize]) -> Option<Vec<f64>> {
    let size = columns.len();
    let mut rows = vec![vec![0.0; size + 1]; size];
    for it in observations {
        for (row, &a) in rows.iter_mut().zip(columns) {
            let scaled = it.weight * it.features[a];
            for (cell, &b) in row.iter_mut().zip(columns) {
                *cell += scaled * it.features[b];
            }
            row[size] += scaled * it.outcome;
        }
    }
    let scale: Vec<f64> = (0..size).map(|column| rows[column][column]).collect();
    for column in 0..size {
        // The matrix is positive definite, or there is no one solution.
        if rows[column][column] <= 1e-9 * scale[column] {
            return None;
        }
        let pivot = rows[column].clone();
        for (number, row) in rows.iter_mut().enumerate().filter(|(number, _)| *number != column) {
            debug_assert_ne!(number, column);
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(&pivot).for_each(|(cell, by)| *cell -= factor * by);
        }
    }
    Some((0..size).map(|column| rows[column][size] / rows[column][column]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observe(features: [f64; 2], outcome: f64) -> Observation<2> {
        Observation { features, outcome, weight: 1.0 }
    }

    #[test]
    fn exact_coefficients_are_found() {
        let all: Vec<_> = (0..40)
            .map(|it| [f64::from(it % 7), f64::from(it % 5)])
            .map(|[a, b]| observe([a, b], 3.0 * a + 0.5 * b))
            .collect();
        let near = |[a, b]: [f64; 2]| (a - 3.0).abs() < 1e-9 && (b - 0.5).abs() < 1e-9;
        assert!(near(fit(&all)));
    }

    #[test]
    fn no_coefficient_is_negative_and_equal_columns_do_no_harm() {
        let all: Vec<_> = (1..9).map(f64::from).map(|x| observe([x, x], 2.0 * x)).collect();
        let [a, b] = fit(&all);
        assert!((a + b - 2.0).abs() < 1e-9, "{a} {b}");
        let falling: Vec<_> = (1..9).map(f64::from).map(|x| observe([x, 1.0], -x)).collect();
        assert_eq!(fit(&falling), [0.0, 0.0]);
        assert_eq!(fit::<2>(&[]), [0.0, 0.0]);
    }
}
