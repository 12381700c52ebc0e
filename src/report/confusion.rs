//! The picture of a confusion matrix.

use super::canvas::{Anchor, Canvas, escape};

const CELL: f64 = 36.0;
const TOP: f64 = 66.0;
/// Matrices of more classes have smaller cells, and no counts in them.
const MOST_WITH_COUNTS: usize = 24;
/// Longer names are cut.
const MOST_LETTERS: usize = 18;

/// How often items of each class were taken for each class, as an SVG picture: a row for the right class, a
/// column for the predicted one, darker the larger a cell's share of its row is. `names` are those of the classes;
/// `counts` has a row for each of them.
///
/// ```
/// let names = ["cat".to_owned(), "dog".to_owned()];
/// let svg = caudal::report::confusion(&names, &[vec![8.0, 2.0], vec![1.0, 9.0]]);
/// assert!(svg.contains("cat taken for dog: 2 of 10"));
/// ```
pub fn confusion(names: &[String], counts: &[Vec<f64>]) -> String {
    let classes = counts.len();
    let with_counts = classes <= MOST_WITH_COUNTS;
    let cell = if with_counts { CELL } else { (CELL * 24.0 / classes as f64).max(4.0) };
    let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| class.to_string());
    let shown = |class: usize| {
        let name = name(class);
        if name.chars().count() <= MOST_LETTERS {
            return name;
        }
        name.chars().take(MOST_LETTERS - 1).chain(['…']).collect()
    };
    let longest = (0..classes).map(|class| shown(class).chars().count()).max().unwrap_or(1);
    let left = 40.0 + 7.0 * longest as f64;
    let side = cell * classes as f64;
    // Names of columns stand upright if they are wider than a cell.
    let upright = 7.0 * longest as f64 > cell;
    let below = if upright { 7.0 * longest as f64 + 30.0 } else { 40.0 };
    let title = "confusion matrix";
    let mut canvas = Canvas::new((left + side).max(260.0) + 20.0, TOP + side + below, title);
    canvas.text((12.0, 20.0), Anchor::Start, 14.0, title);
    canvas.text((12.0, TOP - 12.0), Anchor::Start, 12.0, "right class, by predicted class below");
    for (right, row) in counts.iter().enumerate() {
        let all: f64 = row.iter().sum();
        let y = TOP + cell * right as f64;
        for (predicted, &count) in row.iter().enumerate() {
            let share = if all > 0.0 { count / all } else { 0.0 };
            let x = left + cell * predicted as f64;
            let fill = shade(share, right == predicted);
            let hint = if right == predicted {
                format!("{} taken for itself: {count:.0} of {all:.0}", name(right))
            } else {
                format!("{} taken for {}: {count:.0} of {all:.0}", name(right), name(predicted))
            };
            let gap = if with_counts { 1.0 } else { 0.0 };
            canvas.rect((x, y), (cell - gap, cell - gap), &fill, &hint);
            if with_counts && count > 0.0 {
                let at = (x + cell / 2.0, y + cell / 2.0 + 4.0);
                canvas.text_on(&fill, at, 11.0, format!("{count:.0}"));
            }
        }
    }
    // Of many classes, not every name has room.
    let every = (11.0 / cell).ceil().max(1.0) as usize;
    for class in (0..classes).step_by(every) {
        let middle = cell * (class as f64 + 0.5);
        canvas.text((left - 6.0, TOP + middle + 4.0), Anchor::End, 11.0, shown(class));
        let (x, y) = (left + middle, TOP + side + 16.0);
        if upright {
            let name = escape(&shown(class));
            canvas.group(
                (x, y - 8.0),
                &format!(
                    "<text transform=\"rotate(-90)\" text-anchor=\"end\" font-size=\"11\" \
                     fill=\"#1d2433\" y=\"4\">{name}</text>\n"
                ),
            );
        } else {
            canvas.text((x, y), Anchor::Middle, 11.0, shown(class));
        }
    }
    canvas.finish()
}

/// The colour of a share of a row: blue where the class is right, orange where it is another.
fn shade(share: f64, right: bool) -> String {
    let (red, green, blue) = if right { (0.0, 90.0, 160.0) } else { (200.0, 80.0, 0.0) };
    let mix = |full: f64| (245.0 + (full - 245.0) * share.clamp(0.0, 1.0)).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(red), mix(green), mix(blue))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize, letters: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:0letters$}")).collect()
    }

    #[test]
    fn every_cell_tells_its_share_and_names_are_escaped() {
        let svg = confusion(&["a<b".to_owned()], &[vec![3.0, 1.0], vec![0.0, 0.0]]);
        assert!(svg.contains("a&lt;b taken for 1: 1 of 4"), "{svg}");
        assert!(svg.contains("1 taken for itself: 0 of 0"), "{svg}");
        assert!(!svg.contains("NaN"));
        assert_eq!(svg.matches("<rect ").count(), 5, "four cells and the background");
    }

    #[test]
    fn many_classes_and_long_names_stay_readable() {
        let counts = |classes: usize| vec![vec![1.0; classes]; classes];
        let upright = confusion(&names(3, 40), &counts(3));
        assert_eq!(upright.matches("rotate(-90)").count(), 3);
        assert!(upright.contains('…'));
        let many = confusion(&names(400, 3), &counts(400));
        assert!(many.matches("<text").count() < 400, "not every name has room");
        assert_eq!(confusion(&[], &[]).matches("<rect ").count(), 1);
    }
}
