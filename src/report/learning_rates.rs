//! The picture of a learning rate range test.

use super::chart::{Series, logarithmic_chart};
use super::page::Page;
use crate::train::RangeTest;

/// Losses above so many times the first one are cut off: what matters lies below.
const SHOWN: f64 = 1.5;

/// Adds the loss of every step of a learning rate range test, over the rate of the step.
pub fn rate_page(page: &mut Page, test: &RangeTest) {
    let first = test.points.first().map_or(0.0, |point| point.smoothed);
    let most = SHOWN * first.abs();
    let of = |value: &dyn Fn(&crate::train::RatePoint) -> f64| {
        let points = test.points.iter().map(|point| (f64::from(point.rate), value(point)));
        points.filter(|point| point.1 <= most).collect::<Vec<_>>()
    };
    let series = [
        Series::new("mean of the losses around the step", of(&|point| point.smoothed)),
        Series::new("loss of the step", of(&|point| point.loss)).dashed(true),
    ];
    let ended =
        test.ended.as_ref().map_or_else(String::new, |why| format!(" It ended early: {why}."));
    page.picture(
        "learning-rates",
        "Loss by learning rate",
        &logarithmic_chart("loss", "learning rate", "loss", &series),
        &format!("{test}. {} steps.{ended}", test.points.len()),
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::digits;
    use crate::model::Model;
    use crate::optimizers::Sgd;
    use crate::train::{Network, NetworkOptions, RangeTestOptions};

    #[test]
    fn the_picture_has_both_curves_over_powers_of_ten() {
        let graph = Model::open(Some("digits")).unwrap().graph;
        let options = NetworkOptions::default().workers(1);
        let network = Network::from_parts(graph, Arc::new(Sgd::new(0.1)), options).unwrap();
        let options = RangeTestOptions::default().from(1e-3).to(1e3).steps(40);
        let test = network.find_learning_rate(&digits().unwrap().0, options).unwrap();
        let mut page = Page::new("t".to_owned());
        rate_page(&mut page, &test);
        let text = page.to_html();
        assert!(
            text.contains(">1e-3<") && text.contains(">1e0<") && !text.contains(">1e-4<"),
            "{text}"
        );
        assert!(text.contains("loss of the step") && text.contains("It ended early"), "{text}");
        assert!(!text.contains("NaN"));
    }
}
