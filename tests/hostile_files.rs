//! Files that never end, that hold more than memory does once they are unpacked, or what a terminal obeys.

use std::io::Write;
use std::path::Path;

use crate::command_line::{path, refused};

/// A network of two features.
pub(crate) const MODEL: &str = r#"
[[node]]
name = "x"
kind = "input"
shape = [2]
[[node]]
name = "y"
kind = "target"
shape = [2]
[[node]]
name = "d"
kind = "dense"
inputs = ["x"]
units = 2
[[node]]
name = "loss"
kind = "mean_squared_error"
inputs = ["d", "y"]
"#;

fn write(file: &str, text: &[u8]) {
    std::fs::write(file, text).unwrap();
}

#[test]
fn schedules_are_files_of_text() {
    let folder = tempfile::tempdir().unwrap();
    let replay = |file: &str| {
        let (code, line) =
            refused(&["train", "article-dag", "--quiet", "--max-steps", "1", "--replay", file]);
        assert_eq!(code, 2, "{line}");
        line
    };
    if cfg!(target_os = "linux") {
        assert!(replay("/dev/zero").contains("/dev/zero: it is no file"));
    }
    let file = path(&folder, "s.jsonl");
    write(&file, b"{\"run\":{\"graph\":\"0\",\"workers\":1}}\nx\xff\n");
    let line = replay(&file);
    assert!(line.contains("s.jsonl, line 2: it is no text in UTF-8"), "{line}");
    write(&file, b"{\"run\":{\"graph\":\"0\",\"workers\":1}}\n{\"start\":[0,");
    let line = replay(&file);
    assert!(line.contains("s.jsonl, line 2: this is no event"), "{line}");
}

#[test]
fn a_line_without_end_is_refused_before_memory_is_spent() {
    let folder = tempfile::tempdir().unwrap();
    let [model, plain, packed] =
        ["m.toml", "endless.csv", "bomb.csv.gz"].map(|name| path(&folder, name));
    write(&model, MODEL.as_bytes());
    // A file with a hole of 1 TiB.
    let file = std::fs::File::create(&plain).unwrap();
    (&file).write_all(b"a,b,c,d\n1,2,3,4\n").unwrap();
    file.set_len(1 << 40).unwrap();
    // A quoted field of 200 MB, in few bytes.
    let file = std::fs::File::create(&packed).unwrap();
    let mut unpacked = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    unpacked.write_all(b"a,b,c,d\n1,2,3,\"").unwrap();
    let line = [b"x".repeat(999), b"\n".to_vec()].concat().repeat(1000);
    (0..200).for_each(|_| unpacked.write_all(&line).unwrap());
    unpacked.finish().unwrap();
    for (data, at) in [
        (plain.clone(), "endless.csv, line 3"),
        (format!("{plain}:memory=no"), "endless.csv, line 3"),
        (packed, "bomb.csv.gz, line 2"),
    ] {
        let (code, line) = refused(&["train", &model, "--quiet", "--data", &data]);
        let says = format!("{at}: expected an item, found no end of it within 64 MiB");
        assert!(code == 2 && line.contains(&says), "{data}: {line}");
    }
}

#[test]
fn names_that_are_not_seen_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = path(&folder, "m.toml");
    for bad in ["\\u202E", "\\u2028", "\\u200F", "\\uFEFF", "\\u001B"] {
        write(&model, MODEL.replace("\"d\"", &format!("\"d{bad}\"")).as_bytes());
        let (code, line) = refused(&["graph", &model, "--out", "-"]);
        assert!(code == 2 && line.contains("is empty or not printable"), "{line}");
        assert!(line.contains("d\\u{"), "{line}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_nobody_reads_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = path(&folder, "pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (code, line) =
        refused(&["train", "article-dag", "--quiet", "--max-steps", "1", "--log", &pipe]);
    assert!(code == 2 && line.contains("it is a pipe that nobody reads"), "{line}");
    let name = folder.path().join("l".repeat(256));
    let (code, line) = refused(&["train", "--max-steps", "1", "--save", name.to_str().unwrap()]);
    assert!(code == 2 && line.contains("it can't be written"), "{line}");
    assert!(!Path::new(&name).exists());
}
