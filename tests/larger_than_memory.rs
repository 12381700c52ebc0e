//! Data that take more memory than a training may have.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use caudal::train::{Network, NetworkOptions};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::command_line::{caudal, json, path, refused, told};
use crate::tables::{FLATS, flats};

/// Numbers of an item: 4 KiB.
const WIDTH: usize = 1024;

/// Different items; others repeat them.
const KINDS: usize = 61;

/// The start of a `.npy` file.
fn header(shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    text.push_str(&" ".repeat(117 - text.len()));
    text.push('\n');
    [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
}

/// Items of 4 KiB, with their classes, as numpy.savez writes them. An error where the disk has no room for them.
fn write_data(file: &str, items: usize) -> io::Result<()> {
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let mut archive = ZipWriter::new(BufWriter::new(File::create(file)?));
    archive.start_file("x.npy", options)?;
    archive.write_all(&header(&format!("({items}, {WIDTH})")))?;
    let kinds: Vec<Vec<u8>> = (0..KINDS)
        .map(|kind| {
            let number = |at: usize| ((at * (kind + 3)) % 97) as f32 / 97.0 - 0.5;
            (0..WIDTH).flat_map(|at| number(at).to_le_bytes()).collect()
        })
        .collect();
    for item in 0..items {
        archive.write_all(&kinds[item % KINDS])?;
    }
    archive.start_file("y.npy", options)?;
    archive.write_all(&header(&format!("({items},)")))?;
    for item in 0..items {
        archive.write_all(&((item % KINDS % 3) as f32).to_le_bytes())?;
    }
    archive.finish()?.into_inner()?.sync_all()
}

/// Trains once over data of so many MiB; gives the most memory that the program had, in MiB, or nothing where the disk has
/// no room for the data.
fn peak(mib: usize, memory: &str) -> Option<f64> {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = (path(&folder, "model.toml"), path(&folder, "data.npz"));
    fs::write(&model, include_str!("arrays/large.toml")).unwrap();
    match write_data(&data, mib * (1 << 20) / (4 * WIDTH)) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            eprintln!("skipped: {} has no room for {mib} MiB", folder.path().display());
            return None;
        }
        written => written.unwrap(),
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_caudal"))
        .args(["train", &model, "--data", &format!("{data}:memory={memory}"), "--quiet", "--json"])
        .args(["--speedup", "off"])
        .args([
            "--batch-size",
            "64",
            "--validation",
            "0.1",
            "--save",
            &path(&folder, "saved.safetensors"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak: f64 = 0.0;
    // The mark only rises, and is there until the program ends.
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or(0.0) / 1024.0);
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stdout).unwrap();
    let told: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert!(told["test_accuracy"].as_f64().unwrap() > 0.9, "{told}");
    Some(peak)
}

#[test]
#[cfg(target_os = "linux")]
fn memory_stays_far_below_the_data() {
    let (Some(apart), Some(held)) = (peak(48, "no"), peak(48, "yes")) else { return };
    println!("48 MiB of data: {apart:.0} MiB as they are used, {held:.0} MiB held in memory");
    assert!(apart < 40.0, "{apart} MiB");
    assert!(held > 48.0, "{held} MiB: the measurement says nothing");
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "writes and reads 4 GiB: cargo test --test tests -- --ignored four_gigabytes --nocapture"]
fn four_gigabytes_train_in_300_mib() {
    let Some(apart) = peak(4096, "no") else { return };
    println!("4096 MiB of data: {apart:.0} MiB");
    assert!(apart < 300.0, "{apart} MiB");
}

#[test]
fn a_table_whose_lines_are_read_as_they_are_used_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = (path(&folder, "flats.toml"), path(&folder, "flats.csv"));
    fs::write(&model, FLATS).unwrap();
    fs::write(&data, flats()).unwrap();
    let results = ["yes", "no"].map(|memory| {
        let source = format!("{data}:memory={memory}");
        let saved = path(&folder, &format!("{memory}.safetensors"));
        let train = [
            "train",
            &model,
            "--data",
            &source,
            "--epochs",
            "3",
            "--validation",
            "0.2",
            "--save",
            &saved,
        ];
        let output = caudal(&[&train[..], &["--quiet"]].concat());
        let notes = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{notes}");
        let note = "flats.csv: its lines are not held in memory, but read as they are used";
        assert_eq!(notes.contains(note), memory == "no", "{notes}");
        let weights = Network::load(&saved, NetworkOptions::default()).unwrap().weights_sha256();
        let tested = json(&["evaluate", &saved, "--data", &source]);
        (weights, tested, told(&["predict", &saved, "--data", &source]))
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0].2.lines().count(), 121);

    // What a line holds wrong is found where it is read, with its place.
    let broken = flats().replacen("\n100,", "\n100,many", 1);
    assert_ne!(broken, flats());
    fs::write(&data, &broken).unwrap();
    let arguments = ["train", &model, "--data", &format!("{data}:memory=no"), "--quiet"];
    let output = caudal(&arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && message.contains("flats.csv, line 102, column `area`"),
        "{message}"
    );

    let packed = path(&folder, "flats.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(flats().as_bytes()).unwrap();
    fs::write(&packed, encoder.finish().unwrap()).unwrap();
    let arguments = ["train", &model, "--data", &format!("{packed}:memory=no"), "--quiet"];
    let message = refused(&arguments).1;
    assert!(
        message.contains("rows of a compressed file can't be read one by one; decompress it"),
        "{message}"
    );
}
