//! The state of the cores beside figures, and where figures are from; figures of two states are refused.

use std::time::Duration;

use caudal::measure::{Conditions, Handover, Provenance};
use caudal::simulator::calibration;
use clap::Args;
use serde_json::{Value, json};

use super::Stop;
use super::output::{note, printable};

/// How often a measurement is taken again before it is given up.
const AGAIN: usize = 2;

/// What a command does with figures of two states of the cores.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct MixedStates {
    /// Gives figures although the cores were near each other at one time and far at another, and says so. A host may
    /// move virtual cores, and steps of several workers take longer while these share no cache. What is mixed is
    /// measured again up to twice; without this option, the third time is an error
    #[arg(long)]
    allow_mixed: bool,
}

impl MixedStates {
    /// Whether figures of two states are wanted.
    pub(super) fn is_allowed(self) -> bool {
        self.allow_mixed
    }

    /// Measures, and again if the state of the cores changed meanwhile.
    pub(super) fn steady<T>(
        self,
        mut measure: impl FnMut() -> Result<T, Stop>,
        conditions: impl Fn(&T) -> &Conditions,
    ) -> Result<T, Stop> {
        let mut again = 0;
        loop {
            let measured = measure()?;
            let seen = conditions(&measured);
            if !seen.mixed || (self.allow_mixed && again == AGAIN) {
                return Ok(measured);
            }
            let changed = format!("the cores' state changed ({})", handovers(seen));
            if again == AGAIN {
                return Err(Stop::Failed(format!(
                    "{changed} each of the {} times that it was measured, and figures of both states \
                     would be mixed; measure again later, for a shorter time, or with --allow-mixed",
                    AGAIN + 1
                )));
            }
            again += 1;
            note(format_args!("# {changed}; measuring again ({again} of {AGAIN})"));
        }
    }

    /// The same option as arguments of another process.
    pub(super) fn to_arguments(self) -> Vec<String> {
        if self.allow_mixed { vec!["--allow-mixed".to_owned()] } else { Vec::new() }
    }
}

/// Of this machine and command.
pub(super) fn provenance() -> Provenance {
    let command = std::env::args_os().map(|it| it.to_string_lossy().into_owned());
    Provenance::here().command(command.collect())
}

/// Says what is about to be measured, and how long that takes: the networks of the calibration for `limit` each, and
/// the model for `of_model`.
pub(super) fn announce_calibration(limit: Duration, of_model: Duration) {
    let [about, most] = calibration::durations(limit, of_model).map(|it| it.as_secs_f64());
    let networks = calibration::CALIBRATING.len();
    let model = if of_model.is_zero() { "" } else { ", and the model" };
    note(format_args!(
        "# measuring {networks} networks that calibrate{model}: about {about:.0} s, or up to {most:.0} s where other \
         processes or the host disturb them"
    ));
}

/// `36 ns before, 37 after; 35 to 38 in 10 looks`.
fn handovers(seen: &Conditions) -> String {
    let figure = |handover: &Option<Handover>| match handover {
        None => "unknown".to_owned(),
        Some(it) if it.pairs.len() > 1 => {
            format!("{:.0} ns ({:.0} to {:.0})", it.median_ns, it.smallest_ns, it.largest_ns)
        }
        Some(it) => format!("{:.0} ns", it.median_ns),
    };
    let Some([smallest, largest]) = seen.handovers_ns else {
        return "no handover: one worker, or no two cores free".to_owned();
    };
    let pinned = [&seen.handover_before, &seen.handover_after];
    let pinned = pinned.into_iter().flatten().all(|it| it.pinned);
    format!(
        "handover {} before, {} after, {smallest:.0} to {largest:.0} ns in {} looks{}",
        figure(&seen.handover_before),
        figure(&seen.handover_after),
        seen.looks,
        if pinned { "" } else { ", by threads that were not pinned" }
    )
}

/// Whether the cores were free, in words.
fn free(seen: &Conditions) -> String {
    let lacked = seen.without_core.map(|share| {
        format!("; threads wanted a core and had none for {:.1} % of the time", 100.0 * share)
    });
    let were = if seen.cores_free { "free" } else { "NOT FREE, so figures are too long" };
    format!("the cores were {were}{}", lacked.unwrap_or_default())
}

/// Cache groups with their caches: `0-3 (32 MiB) 4-7 (32 MiB)`.
fn groups(provenance: &Provenance) -> String {
    let size = |bytes: Option<u64>| bytes.map_or("?".to_owned(), super::topology::size);
    let groups = provenance.cache_groups.iter().zip(&provenance.cache_bytes);
    let groups = groups.map(|(cores, bytes)| format!("{cores} ({})", size(*bytes)));
    groups.collect::<Vec<_>>().join(" ")
}

fn load(provenance: &Provenance) -> String {
    let load = provenance.load.map(|load| load.map(|it| format!("{it:.2}")).join(" "));
    load.unwrap_or("unknown".to_owned())
}

/// The state of the cores, as a line.
pub(super) fn state(seen: &Conditions) -> String {
    let mixed = if seen.mixed {
        "MIXED STATES: the cores were near each other at one time and far at another, and figures are of both; "
    } else {
        ""
    };
    format!("{mixed}{}; {}", handovers(seen), free(seen))
}

/// The state of the cores and where figures are from, as lines.
pub(super) fn lines(seen: &Conditions, provenance: &Provenance) -> Vec<String> {
    [vec![state(seen)], origin(provenance)].concat()
}

/// Where figures are from, as lines.
pub(super) fn origin(provenance: &Provenance) -> Vec<String> {
    let processor = provenance.processor.as_deref().unwrap_or("an unknown processor");
    let quota = provenance.quota.map_or(String::new(), |it| format!(", {it:.2} cores by quota"));
    let machine = format!(
        "{processor} ({}), cores {} of which {} at once{quota}, cache groups {}, {}, load {}, pinned: {}",
        provenance.system,
        provenance.allowed_cores,
        provenance.cores,
        groups(provenance),
        provenance.instructions,
        load(provenance),
        provenance.pinning.name(),
    );
    let seed = provenance.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
    let program = format!(
        "caudal {} at {}{seed}: {}",
        provenance.version,
        provenance.date,
        provenance.command.join(" ")
    );
    [machine, program].iter().map(|line| printable(line)).collect()
}

/// Names of the [`fields`].
pub(super) const FIELDS: &str = "handover before (ns), handover after (ns), states (same or mixed), cores (free or \
    taken), pinned, processor, cores allowed, cores at once, cache groups, load, instructions, version, date, seed, command";

/// The state of the cores and where figures are from, as the last fields of a row of CSV.
pub(super) fn fields(seen: &Conditions, provenance: &Provenance) -> Result<String, Stop> {
    let ns = |handover: &Option<Handover>| {
        handover.as_ref().map_or("-".to_owned(), |it| format!("{:.0}", it.median_ns))
    };
    let fields = [
        ns(&seen.handover_before),
        ns(&seen.handover_after),
        if seen.mixed { "mixed" } else { "same" }.to_owned(),
        if seen.cores_free { "free" } else { "taken" }.to_owned(),
        provenance.pinning.name().to_owned(),
        provenance.processor.clone().unwrap_or("-".to_owned()),
        provenance.allowed_cores.clone(),
        provenance.cores.to_string(),
        groups(provenance),
        load(provenance),
        provenance.instructions.to_owned(),
        provenance.version.to_owned(),
        provenance.date.clone(),
        provenance.seed.map_or("-".to_owned(), |seed| seed.to_string()),
        provenance.command.join(" "),
    ];
    let failed = |error: String| Stop::Failed(format!("the row of figures: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fields = fields.map(|field| printable(&field));
    writer.write_record(fields).map_err(|error| failed(error.to_string()))?;
    let row = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    Ok(String::from_utf8_lossy(&row).trim_end().to_owned())
}

/// An object with the state of the cores and where its figures are from.
pub(super) fn object(
    figures: &impl serde::Serialize,
    seen: &Conditions,
    provenance: &Provenance,
) -> Result<Value, Stop> {
    let mut object = serde_json::to_value(figures)
        .map_err(|error| Stop::Failed(format!("the JSON object: {error}")))?;
    object["conditions"] = json!(seen);
    object["provenance"] = json!(provenance);
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one pair of cores, before and after.
    fn seen(before: f64, after: f64) -> Conditions {
        Conditions::of_pair([before, after])
    }

    fn measure(allow_mixed: bool, after: &[f64]) -> (Result<Conditions, Stop>, usize) {
        let mut taken = 0;
        let measure = || {
            taken += 1;
            Ok(seen(36.0, after[taken - 1]))
        };
        let given = MixedStates { allow_mixed }.steady(measure, |it| it);
        (given, taken)
    }

    #[test]
    fn what_is_mixed_is_measured_again_and_then_refused() {
        let (given, taken) = measure(false, &[37.0]);
        assert!(!given.unwrap().mixed && taken == 1);
        let (given, taken) = measure(false, &[171.0, 36.0]);
        assert!(!given.unwrap().mixed && taken == 2);
        let (given, taken) = measure(false, &[171.0, 172.0, 173.0]);
        let Err(Stop::Failed(message)) = given else { panic!("{given:?}") };
        assert_eq!(taken, 3);
        for words in ["36 ns before, 173 ns after", "each of the 3 times", "--allow-mixed", "mixed"]
        {
            assert!(message.contains(words), "{words}: {message}");
        }
        // The option takes the last, which says so.
        let (given, taken) = measure(true, &[171.0, 172.0, 173.0]);
        let given = given.unwrap();
        assert!(given.mixed && taken == 3);
        assert!(lines(&given, &provenance())[0].contains("MIXED STATES"));
        assert!(fields(&given, &provenance()).unwrap().starts_with("36,173,mixed,"));
        // Errors are not tried again.
        let mut taken = 0;
        let failing = || {
            taken += 1;
            Err(Stop::Interrupted(130))
        };
        let given = MixedStates { allow_mixed: false }.steady(failing, |it: &Conditions| it);
        assert!(matches!(given, Err(Stop::Interrupted(_))) && taken == 1);
    }

    #[test]
    fn rows_and_objects_tell_the_same() {
        let seen = seen(36.0, 38.0);
        let mut provenance = provenance().seed(7);
        provenance.processor = Some("A, \"B\"".to_owned());
        provenance.command = vec!["caudal".to_owned(), "bench\n".to_owned()];
        let row = fields(&seen, &provenance).unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row.as_bytes());
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(record.len(), FIELDS.split(", ").count());
        assert_eq!((&record[0], &record[1], &record[5]), ("36", "38", "A, \"B\""));
        assert_eq!(&record[record.len() - 1], "caudal bench\\n");
        let object = object(&json!({ "figure": 1 }), &seen, &provenance).unwrap();
        assert_eq!(object["figure"], 1);
        assert_eq!(object["conditions"]["handover_after"]["median_ns"], 38.0);
        assert_eq!(object["conditions"]["mixed"], false);
        assert_eq!(
            (&object["provenance"]["seed"], &object["provenance"]["pinning"]),
            (&json!(7), &json!("none"))
        );
        let told = lines(&seen, &provenance).join("\n");
        assert!(told.contains("36 ns before, 38 ns after") && told.contains("bench\\n"), "{told}");
    }
}
