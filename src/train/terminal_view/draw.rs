//! How a view lies on a terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::widgets::{
    Axis, Block, Chart, Dataset, Gauge, GraphType, LineGauge, Paragraph, Row, Table,
};

use super::state::{Row as Value, State};
use crate::train::told::{describe_duration, describe_rate};

/// Columns of the values beside the chart: name, training, validation, best, epoch.
const COLUMNS: [Constraint; 5] = [
    Constraint::Min(8),
    Constraint::Length(9),
    Constraint::Length(10),
    Constraint::Length(9),
    Constraint::Length(5),
];

/// Draws what is known of a training.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let rows = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(5)];
    let [head, middle, foot] = Layout::vertical(rows).areas(frame.area());
    let head_line = format!(
        "{}   epoch {}/{}   step {}/{}",
        state.name,
        state.epoch + 1,
        state.epochs.max(1),
        state.step,
        state.steps
    );
    frame.render_widget(Paragraph::new(head_line).style(Style::new().bold()), head);
    let halves = [Constraint::Fill(1), Constraint::Length(50)];
    let [left, right] = Layout::horizontal(halves).areas(middle);
    draw_losses(frame, state, left);
    let workers = if state.busy.is_empty() { 0 } else { state.busy.len() as u16 + 2 };
    let rows = [Constraint::Min(4), Constraint::Length(workers)];
    let [values, busy] = Layout::vertical(rows).areas(right);
    draw_values(frame, state, values);
    draw_workers(frame, state, busy);
    draw_foot(frame, state, foot);
}

/// The ends of an axis that holds all of some numbers.
fn ends(numbers: impl Iterator<Item = f64>) -> [f64; 2] {
    let ends = numbers.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], number| {
        [low.min(number), high.max(number)]
    });
    match ends {
        [low, high] if low < high => ends,
        [low, _] if low.is_finite() => [low - 0.5, low + 0.5],
        _ => [0.0, 1.0],
    }
}

fn draw_losses(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let points = &state.losses.points;
    let [first, last] = ends(points.iter().map(|point| point.0));
    let [low, high] = ends(points.iter().map(|point| point.1));
    let curve = Dataset::default()
        .data(points)
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(Style::new().fg(Color::Cyan));
    let steps = [first, last].map(|step| format!("{:.0}", step.max(0.0)));
    let values = [low, f64::midpoint(low, high), high].map(|value| format!("{value:.4}"));
    let chart = Chart::new(vec![curve])
        .block(Block::bordered().title("loss by step"))
        .x_axis(Axis::default().bounds([first, last]).labels(steps))
        .y_axis(Axis::default().bounds([low, high]).labels(values));
    frame.render_widget(chart, area);
}

fn draw_values(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let number = |value: f64| format!("{value:.4}");
    let row = |value: &Value| {
        Row::new([
            value.watch.name().to_owned(),
            number(value.training),
            value.validation.map_or_else(String::new, number),
            value.watch.best().map_or_else(String::new, number),
            value.best_epoch.map_or_else(String::new, |epoch| (epoch + 1).to_string()),
        ])
    };
    let head = Row::new(["", "training", "validation", "best", "epoch"]);
    let table = Table::new(state.rows.iter().map(row), COLUMNS)
        .header(head.style(Style::new().bold()))
        .block(Block::bordered().title("losses and metrics"));
    frame.render_widget(table, area);
}

fn draw_workers(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let block = Block::bordered().title("workers, at work in a step");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    for ((number, share), area) in state.busy.iter().enumerate().zip(inner.rows()) {
        let gauge = LineGauge::default()
            .label(format!("{number:>3} {:>3.0} %", 100.0 * share))
            .filled_style(Style::new().fg(Color::Green))
            .filled_symbol("█")
            .unfilled_symbol("·")
            .ratio(share.clamp(0.0, 1.0));
        frame.render_widget(gauge, area);
    }
}

fn draw_foot(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let seconds = state.worked.as_secs_f64().max(1e-9);
    let speed = format!(
        "learning rate {:.4e}   {:.0} items/s   {}",
        state.rate,
        state.items as f64 / seconds,
        describe_rate(state.taken, state.worked)
    );
    let time = format!(
        "{} gone, {} left in the epoch, {} in all",
        describe_duration(state.worked),
        describe_duration(state.left.epoch),
        describe_duration(state.left.training)
    );
    let keys = match (state.ends, state.pauses) {
        (true, _) => "ends after this step; Ctrl-C once more: ends at once",
        (false, true) => "paused; p: goes on   q: ends",
        (false, false) => "q: ends after this step   p: pauses",
    };
    let [first, second, bar, last] =
        Layout::vertical([1, 1, 1, 1].map(Constraint::Length)).areas(area);
    frame.render_widget(Paragraph::new(speed), first);
    frame.render_widget(Paragraph::new(time), second);
    let ratio = state.step as f64 / state.steps.max(1) as f64;
    let gauge =
        Gauge::default().gauge_style(Style::new().fg(Color::Blue)).ratio(ratio.clamp(0.0, 1.0));
    frame.render_widget(gauge, bar);
    frame.render_widget(Paragraph::new(keys).style(Style::new().bold()), last);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::data::digits;
    use crate::model::Model;
    use crate::train::{FitOptions, Network, NetworkOptions};

    /// What is on a screen of this size, line by line.
    fn screen(state: &State, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal.backend().to_string().lines().map(str::to_owned).collect()
    }

    fn line<'a>(screen: &'a [String], with: &str) -> &'a str {
        let found = screen.iter().find(|line| line.contains(with));
        found.unwrap_or_else(|| panic!("no `{with}` on\n{}", screen.join("\n")))
    }

    #[test]
    fn a_screen_shows_how_far_a_training_is_and_its_best_values() {
        let (data, test) = digits().unwrap();
        let Model { graph, training, .. } = Model::open(Some("article-dag")).unwrap();
        let options = NetworkOptions::default().workers(2);
        let mut network = Network::from_parts(graph, training.optimizer, options).unwrap();
        let fit = FitOptions::default().epochs(5).max_batches(4).max_steps(12).validation(&test);
        let mut state = State::new(20, 0);
        let history = network.fit_with(&data, &fit, &mut [&mut state]).unwrap();
        let shown = screen(&state, 110, 30);
        assert!(line(&shown, "epoch 3/5").contains("article-dag   epoch 3/5   step 12/20"));
        assert!(line(&shown, " items/s").contains("learning rate "));
        line(&shown, "60%");
        line(&shown, "q: ends after this step   p: pauses");
        // The last values, and the best of the validation data with its epoch.
        let number = |value: f64| format!("{value:.4}");
        let losses: Vec<f64> = history.validation.iter().map(|report| report.loss).collect();
        let best = (0..3).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap();
        let expected = [history.train[2].loss, losses[2], losses[best]].map(number);
        let table = line(&shown, "│loss ").split('│').rfind(|cell| cell.contains("loss")).unwrap();
        let cells: Vec<&str> = table.split_whitespace().collect();
        assert_eq!(cells[..4], ["loss", &expected[0], &expected[1], &expected[2]]);
        assert_eq!(cells[4], (best + 1).to_string());
        line(&shown, "accuracy");
        // The curve goes from the first step to the last, between its lowest and its highest loss.
        let highest = history.step_losses.iter().copied().fold(0.0, f64::max);
        let lowest = history.step_losses.iter().copied().fold(f64::INFINITY, f64::min);
        line(&shown, &number(highest));
        line(&shown, &number(lowest));
        assert!(
            shown.iter().any(|line| line.chars().any(|it| ('\u{2801}'..='\u{28ff}').contains(&it)))
        );
        assert_eq!(state.lines.len(), 3);
        assert!(state.lines[2].starts_with("epoch 3/5  loss "), "{}", state.lines[2]);
    }

    #[test]
    fn workers_pauses_and_the_end_are_shown() {
        let mut state = State::new(10, 0);
        assert!(!screen(&state, 90, 24).iter().any(|line| line.contains("workers")));
        (state.busy, state.pauses) = (vec![0.5, 1.0], true);
        let shown = screen(&state, 90, 24);
        let first = line(&shown, "  0  50 %");
        assert!(first.contains("█·"), "{first}");
        assert!(!line(&shown, "  1 100 %").contains('·'));
        line(&shown, "paused; p: goes on");
        state.ends = true;
        line(&screen(&state, 90, 24), "ends after this step; Ctrl-C once more");
    }

    #[test]
    fn any_size_of_a_terminal_will_do() {
        let mut state = State::new(10, 3);
        state.busy = vec![0.3; 40];
        for (width, height) in [(1, 1), (10, 3), (40, 8), (80, 24), (300, 2)] {
            assert_eq!(screen(&state, width, height).len(), usize::from(height));
        }
    }
}
