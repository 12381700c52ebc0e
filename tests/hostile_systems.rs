//! Streams that are closed, files that two processes write, folders that may not be written, and disks that are full.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use caudal::train::checkpoint;

use crate::command_line::{json, path, told};

const CAUDAL: &str = env!("CARGO_BIN_EXE_caudal");

/// A line of shell, in which `$0` is the program and `$1` is another word.
fn shell(line: &str, word: &str) -> Output {
    Command::new("sh").args(["-c", line, CAUDAL, word]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn whoever_stops_reading_ends_the_program_quietly() {
    for command in ["layers", "model-file", "summary inception", "graph inception --out -"] {
        // The shell's exit code is that of `head`; the program's goes to the stream for errors.
        let line = format!("{{ \"$0\" {command}; echo \"code $?\" >&2; }} | head -n 1");
        let output = shell(&line, "");
        let errors = text(&output.stderr);
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{command}: {errors}");
        let code: i32 = errors.trim().strip_prefix("code ").expect(&errors).parse().unwrap();
        assert!([0, 141].contains(&code), "{command}: {errors}");
    }
}

#[test]
fn a_reader_that_is_gone_ends_no_training() {
    let folder = tempfile::tempdir().unwrap();
    let save = path(&folder, "s.safetensors");
    let mut child = Command::new(CAUDAL)
        .args(["train", "article-dag", "--max-steps", "30", "--save", &save])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap();
    assert_eq!(checkpoint::open(&save).unwrap().1.step(), 30);
}

#[test]
fn closed_streams_are_no_files_that_something_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let [closed, open] = ["closed.safetensors", "open.safetensors"].map(|it| path(&folder, it));
    let train = ["train", "article-dag", "--max-steps", "12", "--save", &open];
    told(&train);
    let line = "exec \"$0\" train article-dag --max-steps 12 --save \"$1\" <&- >&- 2>&-";
    let output = shell(line, &closed);
    assert!(output.status.success(), "{}", output.status);
    assert_eq!(std::fs::read(&closed).unwrap(), std::fs::read(&open).unwrap());
    // What can't be told is a failure of its own.
    if Path::new("/dev/full").exists() {
        let output = shell("\"$0\" layers >/dev/full", "");
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn of_two_processes_that_write_one_file_each_writes_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [save, log] = ["s.safetensors", "log.csv"].map(|name| path(&folder, name));
    let train = |seed: &str, epochs: &str| {
        let mut command = Command::new(CAUDAL);
        command.args(["train", "article-dag", "--quiet", "--max-batches", "4", "--seed", seed]);
        command.args(["--epochs", epochs, "--workers", "1"]);
        command.args(["--save-every", "1", "--save", &save]).stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let mut processes = [train("1", "12"), train("2", "12")];
    let mut seen = 0;
    while processes.iter_mut().any(|process| process.try_wait().unwrap().is_none()) {
        if Path::new(&save).exists() {
            checkpoint::open(&save).unwrap();
            seen += 1;
        }
    }
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    assert!(seen > 0);
    // It is one of the two, as either would have written it alone.
    let found = json(&["evaluate", &save])["weights_sha256"].clone();
    let alone = |seed: &str| {
        let train = ["train", "article-dag", "--quiet", "--max-batches", "4", "--epochs", "12"];
        json(&[&train[..], &["--seed", seed, "--log", &log]].concat())["weights_sha256"].clone()
    };
    assert!([alone("1"), alone("2")].contains(&found), "{found}");
    assert_eq!(names(folder.path()), ["log.csv", "s.previous.safetensors", "s.safetensors"]);
}

/// A command as a user who may not write everywhere, if this one may and there is a way to become another.
fn as_nobody() -> Option<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let is_root = text(&Command::new("id").arg("-u").output().ok()?.stdout).trim() == "0";
    if !is_root {
        return Some(Vec::new());
    }
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let tried = Command::new(nobody[0]).args(&nobody[1..]).args([CAUDAL, "layers"]).output();
    tried.is_ok_and(|output| output.status.success()).then(|| words(&nobody))
}

#[test]
fn folders_that_may_not_be_written_are_refused_before_the_first_step() {
    use std::os::unix::fs::PermissionsExt;
    let Some(nobody) = as_nobody() else {
        println!("not tried: there is no way to another user that may run the program");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let file = inside.join("s.csv");
    std::fs::write(&file, "old").unwrap();
    mode(folder.path(), 0o755);
    mode(&file, 0o444);
    let run = |arguments: &[&str]| {
        let command: Vec<&str> = nobody.iter().map(String::as_str).chain([CAUDAL]).collect();
        Command::new(command[0]).args(&command[1..]).args(arguments).output().unwrap()
    };
    let train = ["train", "article-dag", "--quiet", "--max-steps", "1"];
    for (folder_mode, name, says) in [
        (0o555, "new.csv", "its folder can't be written"),
        (0o777, "s.csv", "it can't be written"),
        (0o000, "s.csv", "s.csv"),
    ] {
        mode(&inside, folder_mode);
        for option in ["--save", "--log", "--trace", "--report"] {
            let file = inside.join(name);
            let output = run(&[&train[..], &[option, file.to_str().unwrap()]].concat());
            let errors = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{option} {name}: {errors}");
            assert!(errors.contains(says), "{option} {name}: {errors}");
            assert_eq!(errors.lines().count(), 1, "{option} {name}: {errors}");
        }
    }
    mode(&inside, 0o755);
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    assert_eq!(names(&inside), ["s.csv"]);
}

#[test]
fn a_disk_that_fills_up_loses_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let tried = "unshare --mount sh -c 'mount -t tmpfs -o size=64k small \"$1\" && echo there' \"$0\" \"$1\"";
    let tried = shell(tried, small.to_str().unwrap());
    if text(&tried.stdout).trim() != "there" {
        println!("not tried: no file system can be mounted here: {}", text(&tried.stderr).trim());
        return;
    }
    // The file system is gone with the shell that mounted it, so the shell looks at what is in it.
    let inside = "mount -t tmpfs -o size=\"$2\" small \"$1\" || exit 9; cd \"$1\"; \
                  \"$0\" train article-dag --max-steps 20 --quiet --workers 1 --save s.safetensors --save-every 5 --log log.csv \
                  --report r.html; code=$?; ls -A; cp -r . ../seen; exit $code";
    for (size, holds_model) in [("8k", false), ("1m", true)] {
        let (seen, temporary) = (folder.path().join("seen"), folder.path().join(size));
        let _ = std::fs::remove_dir_all(&seen);
        std::fs::create_dir(&temporary).unwrap();
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", inside, CAUDAL])
            .arg(&small)
            .arg(size)
            .env("TMPDIR", &temporary)
            .output()
            .unwrap();
        let (listed, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(!listed.contains(".part"), "{listed}");
        let model = seen.join("s.safetensors");
        if holds_model {
            assert!(output.status.success(), "{errors}");
            assert_eq!(checkpoint::open(&model).unwrap().1.step(), 20);
            continue;
        }
        // The model is elsewhere, and whatever stands under its name is whole.
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(!model.exists() || checkpoint::open(&model).is_ok(), "{listed}: {errors}");
        let rescued = temporary.join("s.rescued-1.safetensors");
        assert!(errors.contains("s.rescued-1.safetensors"), "{errors}");
        assert_eq!(checkpoint::open(&rescued).unwrap().1.step(), 20, "{errors}");
    }
}
