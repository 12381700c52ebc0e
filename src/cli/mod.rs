//! The command line: one file a command; what they do lives in the library.

mod augmenting;
mod bench;
mod callbacks;
mod compare;
mod completions;
mod conditions;
mod cross_validation;
mod dividing;
mod evaluate;
mod find_rate;
mod fitting;
mod freeze;
mod gantt_file;
mod graph;
mod inspect;
mod interrupt;
mod legends;
mod man;
mod metg;
mod model_file;
mod new;
mod optimizing;
mod options;
mod output;
mod outputs;
mod overhead;
mod predict;
mod record_replay;
mod report;
mod results;
mod resume;
mod run_record;
mod schedule;
mod simulate;
mod speedup;
mod start;
mod summary;
mod sweep;
mod tables;
mod topology;
mod trace;
mod trace_file;
mod train;
mod what_if;

use std::process::ExitCode;

use caudal::Error;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Trains neural networks that are directed acyclic graphs on the cores of a CPU.
#[derive(Debug, Parser)]
#[command(name = "caudal", version, about, arg_required_else_help = true)]
#[command(after_help = "\
MODEL is the name of a preset (see `caudal models`), with arguments as in chain:depth=64,width=32,
a .toml file, a network saved as .safetensors, without its weights, or an .onnx file, with them; with none,
the default preset. An .onnx file has no loss: --loss and --metric add what training needs, or the file MODEL.onnx.toml
beside it.
`caudal model-file` says how .toml files are written, with an example and every kind and attribute.
Results go to standard output, progress and errors to standard error.
Exit codes: 0 done, 1 a run failed, 2 bad usage or input, 130 interrupted (143 by SIGTERM, 129 by SIGHUP).")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::Train>),
    New(new::New),
    Evaluate(evaluate::Evaluate),
    Compare(compare::Compare),
    FindRate(Box<find_rate::FindRate>),
    Sweep(sweep::Sweep),
    Predict(predict::Predict),
    Freeze(freeze::Freeze),
    Bench(bench::Bench),
    Overhead(overhead::Overhead),
    Metg(metg::Metgs),
    Simulate(simulate::Simulate),
    Schedule(Box<schedule::Schedules>),
    Speedup(speedup::Speedup),
    Trace(trace::Traces),
    WhatIf(what_if::WhatIf),
    Topology(topology::Show),
    Graph(graph::Draw),
    Summary(summary::Summary),
    Inspect(inspect::Inspect),
    ModelFile(model_file::ModelFile),
    Completions(completions::Completions),
    Man(man::Man),
    /// Lists the preset networks, and the arguments of those that are families.
    Models(tables::List),
    /// Lists the patterns of task graphs that Task Bench has, and their arguments.
    Patterns(tables::List),
    /// Lists the layers with their attributes.
    Layers(tables::List),
    /// Lists the blocks that the library has, with their attributes.
    Blocks(tables::List),
    /// Lists the losses with their attributes.
    Losses(tables::List),
    /// Lists the metrics with their attributes.
    Metrics(tables::List),
    /// Lists the optimizers with their attributes.
    Optimizers(tables::List),
    /// Lists the regularizers with their attributes.
    Regularizers(tables::List),
    /// Lists what `--data` can name, with the options of each.
    Readers(tables::List),
    /// Lists the random changes of items in training, with their attributes.
    Augmentations(tables::List),
    /// Lists the scheduling policies.
    Policies(tables::List),
    /// Lists the executors.
    Executors(tables::List),
}

/// Why the program ends before its work is done.
#[derive(Debug)]
enum Stop {
    /// Bad usage or input.
    Usage(String),
    /// A run failed.
    Failed(String),
    /// Asked to by Ctrl-C or another signal, with the exit code.
    Interrupted(u8),
    /// Nobody reads standard output any more.
    Unread,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Run(_)
            | Error::Stalled(_)
            | Error::Cancelled
            | Error::NotFinite { .. }
            | Error::Threads { .. } => Self::Failed(message),
            _ => Self::Usage(message),
        }
    }
}

/// Parses, calls, and turns what went wrong into a line and an exit code.
pub(crate) fn main() -> ExitCode {
    let matches = with_negative_numbers(Arguments::command()).try_get_matches();
    let ended = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => run(arguments.command),
        Err(error) => refuse(&error),
    };
    let (code, message) = match ended {
        Ok(()) | Err(Stop::Unread) => return ExitCode::SUCCESS,
        Err(Stop::Interrupted(code)) => (code, "interrupted".to_owned()),
        Err(Stop::Failed(message)) => (1, message),
        Err(Stop::Usage(message)) => (2, message),
    };
    output::note(format_args!("caudal: {}", output::printable(&message.replace('\n', "; "))));
    ExitCode::from(code)
}

/// Lets every option take a negative number, so that the option and not an unknown argument is what is refused.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let takes = |argument: clap::Arg| {
        let values = argument.get_action().takes_values();
        if values { argument.allow_negative_numbers(true) } else { argument }
    };
    command.mut_args(takes).mut_subcommands(with_negative_numbers)
}

fn run(command: Command) -> Result<(), Stop> {
    match command {
        Command::Train(train) => train.run(),
        Command::New(new) => new.run(),
        Command::Evaluate(evaluate) => evaluate.run(),
        Command::Compare(compare) => compare.run(),
        Command::FindRate(test) => test.run(),
        Command::Sweep(sweep) => sweep.run(),
        Command::Predict(predict) => predict.run(),
        Command::Freeze(freeze) => freeze.run(),
        Command::Bench(bench) => bench.run(),
        Command::Overhead(overhead) => overhead.run(),
        Command::Metg(metgs) => metgs.run(),
        Command::Simulate(simulate) => simulate.run(),
        Command::Schedule(schedules) => schedules.run(),
        Command::Speedup(speedup) => speedup.run(),
        Command::Trace(traces) => traces.run(),
        Command::WhatIf(what_if) => what_if.run(),
        Command::Topology(show) => show.run(),
        Command::Graph(graph) => graph.run(),
        Command::Summary(summary) => summary.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::ModelFile(page) => page.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
        Command::Models(list) => list.models(),
        Command::Patterns(list) => list.patterns(),
        Command::Layers(list) => list.layers(),
        Command::Blocks(list) => list.blocks(),
        Command::Losses(list) => list.losses(),
        Command::Metrics(list) => list.metrics(),
        Command::Optimizers(list) => list.optimizers(),
        Command::Regularizers(list) => list.regularizers(),
        Command::Readers(list) => list.readers(),
        Command::Augmentations(list) => list.augmentations(),
        Command::Policies(list) => list.policies(),
        Command::Executors(list) => list.executors(),
    }
}

/// Help and version are no errors; a bad command line becomes one line.
fn refuse(error: &clap::Error) -> Result<(), Stop> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Whoever closed standard output does not want to know.
            drop(error.print());
            Ok(())
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            drop(error.print());
            Err(Stop::Usage("no command was given".to_owned()))
        }
        _ => {
            let text = error.render().to_string();
            let told = text.lines().map(str::trim).take_while(|line| {
                !line.starts_with("Usage:") && !line.starts_with("For more information")
            });
            let line = told.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
            let line = line.strip_prefix("error: ").unwrap_or(&line);
            Err(Stop::Usage(format!("{line}; `caudal --help` tells more").replace(":;", ":")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_numbers_are_taken_or_refused_by_the_name_of_their_option() {
        let whole = with_negative_numbers(Arguments::command());
        whole.clone().debug_assert();
        let mut tried = 0;
        for command in whole.get_subcommands() {
            let options = command.get_arguments().filter(|it| it.get_action().takes_values());
            for name in options.filter_map(clap::Arg::get_long) {
                let option = format!("--{name}");
                let arguments = ["caudal", command.get_name(), &option, "-1"];
                let Err(error) = whole.clone().try_get_matches_from(arguments) else { continue };
                // What is wrong may be that others are missing.
                let missing = error.kind() == ErrorKind::MissingRequiredArgument;
                let text = error.to_string();
                assert!(
                    missing || text.contains(&format!("for '{option}")),
                    "{arguments:?}: {text}"
                );
                tried += usize::from(!missing);
            }
        }
        assert!(tried > 30, "{tried}");
    }
}
