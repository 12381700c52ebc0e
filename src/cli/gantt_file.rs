//! `--gantt FILE`: one chart as .svg, or a page of charts as .html.

use std::path::Path;

use super::Stop;

/// Whether the file holds one chart.
pub(super) fn is_svg(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "svg")
}

/// Refuses, before the work, a name that asks for no format of charts.
pub(super) fn check(path: &Path) -> Result<(), Stop> {
    if is_svg(path) || path.extension().is_some_and(|ending| ending == "html") {
        return Ok(());
    }
    let problem = "charts are written as .svg or .html; name such a file";
    Err(Stop::Usage(format!("--gantt: {problem}")))
}
