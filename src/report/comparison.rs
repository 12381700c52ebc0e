//! The curves of several trainings.

use super::chart::{Series, chart};
use super::page::Page;

/// The curves of one training among others: of each loss and metric, its name and its value by epoch, counted from 1.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RunCurves {
    /// What the training is called.
    pub name: String,
    /// On the data trained on.
    pub train: Vec<(String, Vec<(f64, f64)>)>,
    /// On the validation data.
    pub validation: Vec<(String, Vec<(f64, f64)>)>,
}

/// Adds a chart for every loss and metric of some trainings, with the curves of all that have it: each training in a colour of its
/// own, training dashed, validation not.
pub fn comparison_page(page: &mut Page, runs: &[RunCurves]) {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| run.train.iter().chain(&run.validation)) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    for (number, name) in names.into_iter().enumerate() {
        let mut series = Vec::new();
        for (colour, run) in runs.iter().enumerate() {
            let parts = [("validation", &run.validation, false), ("training", &run.train, true)];
            for (part, curves, dashed) in parts {
                let found = curves.iter().find(|(other, _)| other == name);
                series.extend(found.map(|(_, points)| {
                    let name = format!("{}, {part}", run.name);
                    Series::new(name, points.clone()).dashed(dashed).colour(colour)
                }));
            }
        }
        page.picture(
            &format!("curve-{}", number + 1),
            &format!("{name} by epoch"),
            &chart(&format!("{name} by epoch"), "epoch", name, &series),
            "Dashed: on the data trained on, each batch before its update. Values that are infinite or no numbers are left out.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trainings_share_charts_and_have_colours_of_their_own() {
        let curve = |name: &str| (name.to_owned(), vec![(1.0, 2.0), (2.0, 1.0)]);
        let run = |name: &str, of: &[&str]| RunCurves {
            name: name.to_owned(),
            train: of.iter().map(|name| curve(name)).collect(),
            validation: vec![curve("loss")],
        };
        let mut page = Page::new("t".to_owned());
        comparison_page(&mut page, &[run("<a>", &["loss", "accuracy"]), run("b", &["loss"])]);
        assert_eq!(page.pictures().len(), 2);
        let loss = &page.pictures()[0].1;
        assert_eq!(loss.matches("class=\"series\"").count(), 4);
        assert!(
            loss.contains("data-name=\"&lt;a&gt;, training\"") && !loss.contains("<a>"),
            "{loss}"
        );
        assert_eq!(page.pictures()[1].1.matches("class=\"series\"").count(), 1);
    }
}
