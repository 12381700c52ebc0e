//! The terminal that a view takes over, its keys, and its way back.

use std::io::{IsTerminal, Stderr, Write, stderr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::draw::draw;
use super::state::State;
use crate::error::{Error, Result};
use crate::train::{BatchEnd, BatchStart, Callback, Control, EpochEnd, Network};

/// The screen is drawn anew, and keys are looked for, after this.
const FRESH: Duration = Duration::from_millis(100);

/// Who gives the terminal back waits no longer than this for who draws: that may be who panics.
const PATIENCE: Duration = Duration::from_millis(300);

/// Whether a view has the terminal. Who draws holds the lock.
static TAKEN: Mutex<bool> = Mutex::new(false);

/// Shows training in full screen on the terminal at standard error: losses and metrics with their best values, the loss by
/// step, the learning rate, how fast it goes, the time left, and, once a second, in which share of a step each worker was at
/// work. Lines of all epochs are left on standard error in the end.
///
/// A thread of its own draws and reads keys: `q` and Ctrl-C end training after the step at hand, `p` pauses it and lets it go on.
/// The terminal is given back when the view is dropped, and before a panic is reported; whoever ends the program in another
/// way calls [`TerminalView::give_back`] before.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicUsize;
///
/// use caudal::data::digits;
/// use caudal::model::Model;
/// use caudal::train::{FitOptions, Network, NetworkOptions, TerminalView};
///
/// let (train, _) = digits()?;
/// let Model { graph, training, .. } = Model::open(Some("digits"))?;
/// let mut network = Network::from_parts(graph, training.optimizer, NetworkOptions::default())?;
/// let fit = FitOptions::default().epochs(20);
/// let mut view = TerminalView::open(fit.steps(train.len()), 0, Arc::new(AtomicUsize::new(0)))?;
/// network.fit_with(&train, &fit, &mut [&mut view])?;
/// drop(view);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Debug)]
pub struct TerminalView {
    shared: Arc<Shared>,
    viewer: Option<JoinHandle<()>>,
}

/// What training and the viewer share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// How often somebody has asked for the end.
    asked: Arc<AtomicUsize>,
    closed: AtomicBool,
}

impl TerminalView {
    /// Refuses a standard error that is no terminal.
    ///
    /// # Errors
    /// Then.
    pub fn check() -> Result<()> {
        if stderr().is_terminal() {
            return Ok(());
        }
        Err(refusal("standard error is no terminal"))
    }

    /// Takes over the terminal for a training of `steps` steps, of which `done` are done. Training ends after the step at hand
    /// as soon as `asked` is not 0, be it in a pause: the first `q` and every Ctrl-C count it up, and so may whoever else wants the
    /// end. Ctrl-C sends no signal while the view has the terminal.
    ///
    /// # Errors
    /// If standard error is no terminal, if another view has it, or if the system refuses it.
    pub fn open(steps: u64, done: u64, asked: Arc<AtomicUsize>) -> Result<Self> {
        Self::check()?;
        restore_before_panics();
        let terminal = {
            let mut taken = TAKEN.lock();
            if *taken {
                return Err(refusal("another view has the terminal"));
            }
            let opened = take();
            if opened.is_err() {
                restore();
            }
            let terminal = opened.map_err(|error| refusal(&error.to_string()))?;
            *taken = true;
            terminal
        };
        let state = Mutex::new(State::new(steps, done));
        let shared = Arc::new(Shared { state, asked, ..Shared::default() });
        let of_viewer = Arc::clone(&shared);
        let viewer = std::thread::Builder::new()
            .name("caudal view".to_owned())
            .spawn(move || view(&of_viewer, terminal));
        let viewer = viewer.map_err(|error| {
            Self::give_back();
            refusal(&error.to_string())
        })?;
        Ok(Self { shared, viewer: Some(viewer) })
    }

    /// Gives the terminal back, if a view has it: it is then as it was before.
    pub fn give_back() {
        if let Some(mut taken) = TAKEN.try_lock_for(PATIENCE) {
            if std::mem::take(&mut *taken) {
                restore();
            }
        } else {
            restore();
        }
    }
}

fn refusal(problem: &str) -> Error {
    Error::Training {
        problem: format!("a full-screen view needs a terminal: {problem}"),
        remedy: "train in a terminal, or without the view, which --tui asks for".to_owned(),
    }
}

fn take() -> std::io::Result<Terminal<CrosstermBackend<Stderr>>> {
    enable_raw_mode()?;
    execute!(stderr(), EnterAlternateScreen, Hide)?;
    Terminal::new(CrosstermBackend::new(stderr()))
}

/// Does all that can be done: whoever asks can do nothing about what fails.
fn restore() {
    drop(disable_raw_mode());
    drop(execute!(stderr(), Show, LeaveAlternateScreen));
}

/// Lets whoever reports a panic find the terminal as it was.
fn restore_before_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            TerminalView::give_back();
            report(panic);
        }));
    });
}

/// Draws and reads keys until the view is closed, or somebody has given back the terminal.
fn view(shared: &Shared, mut terminal: Terminal<CrosstermBackend<Stderr>>) {
    while !shared.closed.load(Ordering::Relaxed) {
        let mut state = shared.state.lock().clone();
        state.ends = shared.ends();
        {
            let taken = TAKEN.lock();
            if !*taken {
                break;
            }
            // The next one may succeed.
            drop(terminal.draw(|frame| draw(frame, &state)));
        }
        match event::poll(FRESH) {
            Ok(true) => {
                if let Ok(Event::Key(key)) = event::read() {
                    shared.press(key);
                }
            }
            Ok(false) => {}
            // Without keys, time passes all the same.
            Err(_) => std::thread::sleep(FRESH),
        }
    }
}

impl Shared {
    /// Whether somebody has asked for the end.
    fn ends(&self) -> bool {
        self.asked.load(Ordering::Relaxed) > 0
    }

    fn press(&self, key: KeyEvent) {
        let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if !key.is_press() => {}
            KeyCode::Char('c') if with_control => {
                self.asked.fetch_add(1, Ordering::Relaxed);
            }
            KeyCode::Char('q') if !with_control => {
                self.asked.fetch_max(1, Ordering::Relaxed);
            }
            KeyCode::Char('p') if !with_control => {
                let mut state = self.state.lock();
                state.pauses = !state.pauses;
            }
            _ => {}
        }
    }
}

impl Callback for TerminalView {
    fn before_training(&mut self, network: &mut Network) -> Result<()> {
        self.shared.state.lock().before_training(network)
    }

    fn before_batch(&mut self, network: &mut Network, event: &BatchStart) -> Result<()> {
        self.shared.state.lock().before_batch(network, event)
    }

    fn batch_end(&mut self, network: &mut Network, event: &BatchEnd<'_>) -> Result<Control> {
        self.shared.state.lock().batch_end(network, event)?;
        let began = Instant::now();
        while self.shared.state.lock().pauses && !self.shared.ends() {
            std::thread::sleep(FRESH);
        }
        self.shared.state.lock().paused += began.elapsed();
        Ok(if self.shared.ends() { Control::Stop } else { Control::Continue })
    }

    fn epoch_end(&mut self, network: &mut Network, event: &EpochEnd<'_>) -> Result<Control> {
        self.shared.state.lock().epoch_end(network, event)
    }
}

impl Drop for TerminalView {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        if let Some(viewer) = self.viewer.take() {
            // A panic of its own was reported.
            drop(viewer.join());
        }
        Self::give_back();
        for line in &self.shared.state.lock().lines {
            // Whoever closed standard error does not want to know.
            drop(writeln!(stderr(), "{line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_without_a_terminal_is_refused() {
        if stderr().is_terminal() {
            return;
        }
        let told = TerminalView::open(10, 0, Arc::default()).unwrap_err().to_string();
        assert!(told.contains("standard error is no terminal; train in a terminal"), "{told}");
    }

    #[test]
    fn keys_pause_and_end() {
        let shared = Shared::default();
        for (code, modifiers, pauses, asked) in [
            ('p', KeyModifiers::NONE, true, 0),
            ('p', KeyModifiers::NONE, false, 0),
            ('c', KeyModifiers::NONE, false, 0),
            ('q', KeyModifiers::NONE, false, 1),
            ('q', KeyModifiers::NONE, false, 1),
            ('c', KeyModifiers::CONTROL, false, 2),
        ] {
            shared.press(KeyEvent::new(KeyCode::Char(code), modifiers));
            let found = (shared.state.lock().pauses, shared.asked.load(Ordering::Relaxed));
            assert_eq!(found, (pauses, asked), "{code}");
        }
    }
}
