//! What a training has to show in the end: its page, its speedup, lines and an object.

use std::sync::Arc;
use std::time::Duration;

use caudal::context::Mode;
use caudal::data::Dataset;
use caudal::flow::{Executor, executor, pinned_executor};
use caudal::measure::speedup::{Speedup, speedup};
use caudal::report::{Page, speedup_page, training_page};
use caudal::train::Network;

use super::{Switch, Train};
use crate::cli::callbacks::Callbacks;
use crate::cli::output::line;
use crate::cli::run_record::Trained;
use crate::cli::{Stop, conditions, results};

/// How long each training looks for its speedup afterwards.
const SPEEDUP_LIMIT: Duration = Duration::from_millis(1500);

impl Train {
    /// The page of the report as far as training goes.
    fn page(network: &Network, trained: &Trained<'_>, rates: &[(u64, f32)]) -> Page {
        let mut page = Page::new(format!("Training of {}", network.graph().name()));
        training_page(&mut page, trained.history, rates);
        page.table("Losses and metrics by epoch", &results::epochs(trained.history));
        if let Some(tested) = trained.tested {
            let mut lines = vec![results::tested("test", tested)];
            lines.extend(results::details(network, tested));
            page.table("Test", &lines);
            results::confusion_page(&mut page, network, tested);
        }
        page
    }

    /// Measures the speedup, if anybody wants to know, and writes the page with it.
    pub(super) fn measure(
        &self,
        network: &mut Network,
        (train, batch_size): (&Dataset, usize),
        trained: &Trained<'_>,
        callbacks: &mut Callbacks,
    ) -> Result<Option<Speedup>, Stop> {
        let shown = self.json || !self.quiet || self.report.is_wanted();
        let measured = match self.speedup {
            Some(Switch::Off) => None,
            None if !shown => None,
            Some(Switch::On) | None => Some(self.measured_speedup(network, train, batch_size)?),
        };
        if self.report.is_wanted() {
            let mut page = Self::page(network, trained, callbacks.rates());
            if let Some(measured) = &measured {
                page.table("One training step", &results::speedup(measured));
                let run = network.run(Mode::Training, measured.batch)?;
                speedup_page(&mut page, run.plan(), measured, None);
                let lines = conditions::lines(&measured.conditions, trained.provenance);
                page.text("The cores, and where the figures are from", &lines);
            } else {
                page.text("Where the figures are from", &conditions::origin(trained.provenance));
            }
            callbacks.problem(self.report.write(&page));
        }
        Ok(measured)
    }

    /// Measures steps on a copy of the network, so that the trained one stays as it is.
    fn measured_speedup(
        &self,
        network: &Network,
        data: &Dataset,
        batch_size: usize,
    ) -> Result<Speedup, Stop> {
        let options = network.options().clone();
        let (graph, optimizer) = (network.graph(), network.optimizer());
        let mut copy = Network::from_parts(Arc::clone(graph), Arc::clone(optimizer), options)?;
        for parameter in graph.parameters() {
            copy.set_weights(&parameter.name, &network.weights(&parameter.name)?)?;
        }
        let items: Vec<usize> = (0..batch_size.min(data.len())).collect();
        let run = copy.bound_run(Mode::Training, data, &items)?;
        let (cores, policy, pinning) = (self.run.workers(), self.run.policy(), self.run.pinning());
        let mut executors: Vec<Box<dyn Executor>> =
            vec![executor("sequential", 1, policy)?, pinned_executor("pool", 1, policy, pinning)?];
        if cores > 1 {
            executors.push(pinned_executor("pool", cores, policy, pinning)?);
        }
        Ok(speedup(run, &mut executors, SPEEDUP_LIMIT)?)
    }

    pub(super) fn tell(
        &self,
        network: &mut Network,
        trained: &Trained<'_>,
        measured: Option<&Speedup>,
    ) -> Result<(), Stop> {
        if let Some(test) = trained.tested {
            line(results::tested("test", test))?;
            for text in results::details(network, test) {
                line(text)?;
            }
        }
        if let Some(measured) = measured.filter(|_| !self.quiet || self.speedup.is_some()) {
            for text in results::speedup(measured) {
                line(text)?;
            }
            line(conditions::state(&measured.conditions))?;
        }
        if self.json {
            line(results::training(network, trained, measured).to_string())?;
        }
        Ok(())
    }
}
