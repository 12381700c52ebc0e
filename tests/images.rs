//! Images from the command line: folders of them, and tables with their paths.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::tables::{object, program, within};

/// A network for images of 8 x 8 pixels in three colours, of three classes.
const MODEL: &str = include_str!("images/colours.toml");

/// A PNG file of 8 bits a sample, without compression.
fn png(width: u32, height: u32, channels: u8, pixel: impl Fn(u32, u32, u8) -> u8) -> Vec<u8> {
    fn sum(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| {
                if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
            })
        })
    }
    let chunk = |name: &[u8], data: &[u8]| {
        let body = [name, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &sum(&body).to_be_bytes()].concat()
    };
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push(0);
        for x in 0..width {
            rows.extend((0..channels).map(|channel| pixel(x, y, channel)));
        }
    }
    let (mut low, mut high) = (1_u32, 0_u32);
    for &byte in &rows {
        low = (low + u32::from(byte)) % 65521;
        high = (high + low) % 65521;
    }
    let length = rows.len() as u16;
    let stored = [
        &[0x78, 0x01, 1][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        &rows,
        &(high << 16 | low).to_be_bytes(),
    ];
    let color = if channels == 1 { 0 } else { 2 };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, color, 0, 0, 0]].concat();
    let start = b"\x89PNG\r\n\x1a\n";
    [&start[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", &stored.concat()), &chunk(b"IEND", b"")]
        .concat()
}

/// An image in which one colour leads, in a pattern of its own.
pub(crate) fn colour(class: usize, item: usize) -> Vec<u8> {
    png(8, 8, 3, |x, y, channel| {
        let noise = (x * 31 + y * 17 + item as u32 * 57 + u32::from(channel) * 7) % 90;
        noise as u8 + if usize::from(channel) == class { 120 } else { 20 }
    })
}

const CLASSES: [&str; 3] = ["red", "green", "blue"];

pub(crate) fn put(folder: &Path, file: &str, bytes: &[u8]) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A folder with a model and a folder `photos` of 60 images in three classes.
fn photos() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m.toml"), MODEL).unwrap();
    for (class, name) in CLASSES.iter().enumerate() {
        for item in 0..20 {
            put(folder.path(), &format!("photos/{name}/{item}.png"), &colour(class, item));
        }
    }
    put(folder.path(), "photos/red/.DS_Store", b"left behind");
    put(folder.path(), "photos/Thumbs.db", b"left behind");
    folder
}

#[test]
fn a_folder_of_colour_images_from_training_to_prediction() {
    let folder = photos();
    let train = ["train", "m.toml", "--data", "photos", "--epochs", "12", "--validation", "0.2"];
    let whole = object(&folder, &[&train[..], &["--quiet", "--workers", "1"]].concat());
    assert_eq!(whole["test_items"], 12);
    assert_eq!(whole["test_metrics"]["right"], 1.0, "{whole}");
    let two = object(&folder, &[&train[..], &["--quiet", "--workers", "2"]].concat());
    assert_eq!(two["weights_sha256"], whole["weights_sha256"], "by the number of workers");
    let streamed = "photos:memory=no";
    let decoded = train.map(|word| if word == "photos" { streamed } else { word });
    let decoded = object(&folder, &[&decoded[..], &["--quiet"]].concat());
    assert_eq!(decoded["weights_sha256"], whole["weights_sha256"], "decoded as they are used");
    let plain = object(&folder, &[&train[..], &["--quiet", "--augment", "picture=none"]].concat());
    assert_ne!(plain["weights_sha256"], whole["weights_sha256"], "without random changes");
    let (_, _, notes) = within(&folder, &[&train[..], &["--quiet", "--max-steps", "1"]].concat());
    let note = "note: column `class`, node `label`: classes 0 = blue, 1 = green, 2 = red";
    assert!(notes.contains(note) && !notes.contains("passed over"), "{notes}");

    // Killed within an epoch, and gone on with from what was saved last.
    let mut child = program(&folder)
        .args(["train", "m.toml", "--data", "photos", "--validation", "0.2", "--epochs", "1000000"])
        .args(["--save", "m.safetensors", "--save-every", "7"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let saved = folder.path().join("m.safetensors");
    let mut errors = child.stderr.take().unwrap();
    while !saved.exists() {
        errors.read_exact(&mut [0; 20]).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // As many epochs as the killed training needs, and no fewer than 12.
    let steps =
        object(&folder, &["evaluate", "m.safetensors", "--data", "photos"])["steps"].clone();
    let epochs = (steps.as_u64().unwrap() / 5 + 2).max(12).to_string();
    let resume = ["train", "--resume", "m.safetensors", "--epochs", &epochs, "--quiet"];
    let resumed = object(&folder, &[&resume[..], &["--save", "photos.safetensors"]].concat());
    let train = ["train", "m.toml", "--data", "photos", "--validation", "0.2", "--epochs", &epochs];
    let unbroken = object(&folder, &[&train[..], &["--quiet"]].concat());
    for field in ["weights_sha256", "loss", "steps", "test_metrics"] {
        assert_eq!(resumed[field], unbroken[field], "{field}");
    }
    let other = ["--max-steps", "1000000", "--augment", "picture=none"];
    let (_, _, told) = within(&folder, &[&resume[..], &other].concat());
    assert!(told.contains("--augment nothing in place of picture=shift:"), "{told}");

    // The same test part again; other images with classes, and images without.
    let tested = object(&folder, &["evaluate", "photos.safetensors", "--data", "photos"]);
    assert_eq!((&tested["loss"], &tested["test_items"]), (&resumed["loss"], &12.into()));
    put(folder.path(), "new/green/b.png", &colour(1, 70));
    put(folder.path(), "new/red/a.png", &colour(0, 71));
    let tested = object(&folder, &["evaluate", "photos.safetensors", "--data", "new"]);
    assert_eq!((&tested["test_items"], &tested["test_metrics"]["right"]), (&2.into(), &1.0.into()));
    let predict = |data: &str| within(&folder, &["predict", "photos.safetensors", "--data", data]);
    let (code, out, notes) = predict("new");
    assert_eq!(code, 0, "{notes}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "item,file,scores.class,scores.0,scores.1,scores.2");
    assert!(lines[1].starts_with("0,green/b.png,green,"), "{out}");
    assert!(lines[2].starts_with("1,red/a.png,red,"), "{out}");
    put(folder.path(), "flat/z.png", &colour(2, 72));
    put(folder.path(), "flat/y.png", &colour(1, 70));
    let (_, out, _) = predict("flat");
    let flat: Vec<&str> = out.lines().collect();
    assert!(flat[1].starts_with("0,y.png,green,") && flat[2].starts_with("1,z.png,blue,"), "{out}");
    // However it is named, an image has the same scores.
    let scores = |line: &str| line.rsplitn(5, ',').take(4).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(scores(flat[1]), scores(lines[1]));
    let (_, single, _) = predict("flat/z.png");
    assert_eq!(scores(single.lines().nth(1).unwrap()), scores(flat[2]));

    put(folder.path(), "odd/violet/1.png", &colour(1, 1));
    let (code, _, told) = within(&folder, &["evaluate", "photos.safetensors", "--data", "odd"]);
    assert!(code == 2 && told.contains("odd/violet/1.png"), "{told}");
    assert!(told.contains("`violet` is none of the words"), "{told}");
}

#[test]
fn images_that_can_not_be_taken_are_refused_by_path() {
    let folder = photos();
    let train = |data: &str| within(&folder, &["train", "m.toml", "--quiet", "--data", data]);
    put(folder.path(), "photos/red/wide.png", &png(9, 8, 3, |_, _, _| 7));
    let (code, _, told) = train("photos");
    assert_eq!((code, told.lines().count()), (2, 1), "{told}");
    assert!(told.contains("photos/red/wide.png: expected 8 pixels across"), "{told}");
    assert!(told.contains("found 9 across and 8 down") && told.contains("resize=crop"), "{told}");
    for how in ["stretch", "crop", "pad"] {
        assert_eq!(train(&format!("photos:resize={how}")).0, 0, "{how}");
    }
    let whole = colour(0, 0);
    put(folder.path(), "photos/red/wide.png", &whole[..whole.len() / 2]);
    let (code, _, told) = train("photos");
    assert!(code == 2 && told.contains("photos/red/wide.png: "), "{told}");
    put(folder.path(), "photos/red/wide.png", b"\x1b[31mno image");
    let (code, _, told) = train("photos");
    assert!(code == 2 && told.contains("found other bytes"), "{told}");
    let flat = within(&folder, &["train", "m.toml", "--quiet", "--data", "photos/blue"]);
    assert!(flat.0 == 2 && flat.2.contains("its images have no classes"), "{}", flat.2);
}

#[test]
fn folders_of_parts_are_the_parts() {
    let folder = photos();
    for (class, name) in CLASSES.iter().enumerate() {
        for item in 0..6 {
            for (part, offset) in [("train", 0), ("val", 100), ("test", 200)] {
                if part == "train" || item < 2 {
                    let file = format!("parts/{part}/{name}/{item}.png");
                    put(folder.path(), &file, &colour(class, offset + item));
                }
            }
        }
    }
    let train = ["train", "m.toml", "--quiet", "--data", "parts", "--save", "p.safetensors"];
    let log = ["--log", "log.csv", "--write-split", "split.csv"];
    let told = object(&folder, &[&train[..], &log].concat());
    assert_eq!(told["test_items"], 6);
    let log = fs::read_to_string(folder.path().join("log.csv")).unwrap();
    assert!(log.lines().next().unwrap().contains("validation_loss"), "{log}");
    let split = fs::read_to_string(folder.path().join("split.csv")).unwrap();
    let count = |part: &str| split.lines().filter(|line| line.ends_with(part)).count();
    assert_eq!([count(",train"), count(",validation"), count(",test")], [18, 6, 6]);
    let evaluate = ["evaluate", "p.safetensors", "--data", "parts"];
    let tested = object(&folder, &evaluate);
    assert_eq!((&tested["loss"], &tested["test_items"]), (&told["loss"], &6.into()));
    let chosen = object(&folder, &[&evaluate[..], &["--part", "train"]].concat());
    assert_eq!(chosen["test_items"], 18, "{chosen}");
    let (_, out, _) = within(&folder, &["predict", "p.safetensors", "--data", "parts"]);
    assert!(out.lines().count() == 7 && out.contains(",test/red/0.png,"), "{out}");
    for (option, problem) in [
        (["--test", "0.2"], "one of their own"),
        (["--validation", "0.2"], "one of their own"),
        (["--folds", "2"], "parts of their own"),
    ] {
        let (code, _, told) = within(
            &folder,
            &[&["train", "m.toml", "--quiet", "--data", "parts"][..], &option].concat(),
        );
        assert!(code == 2 && told.contains(problem), "{told}");
    }
}

#[test]
fn a_table_holds_paths_of_images_beside_other_columns() {
    let folder = photos();
    fs::write(folder.path().join("both.toml"), include_str!("images/table.toml")).unwrap();
    fs::create_dir(folder.path().join("lists")).unwrap();
    let mut table = "photo,brightness,colour\n".to_owned();
    for (class, name) in CLASSES.iter().enumerate() {
        for item in 0..20 {
            let _ = writeln!(table, "../photos/{name}/{item}.png,{},{name}", item * 3 + class);
        }
    }
    put(folder.path(), "lists/d.csv", table.as_bytes());
    let train = ["train", "both.toml", "--data", "lists/d.csv", "--save", "b.safetensors"];
    let told = object(&folder, &[&train[..], &["--quiet", "--epochs", "12"]].concat());
    assert_eq!((&told["test_items"], &told["test_metrics"]["right"]), (&12.into(), &1.0.into()));
    // Other columns, another folder.
    put(folder.path(), "new.csv", b"brightness;photo\n11;photos/green/3.png\n");
    let (code, out, notes) = within(&folder, &["predict", "b.safetensors", "--data", "new.csv"]);
    assert!(code == 0 && out.lines().nth(1).unwrap().starts_with("0,green,"), "{out}{notes}");
    put(
        folder.path(),
        "gone.csv",
        b"brightness,photo\n11,photos/green/3.png\n12,photos/gone.png\n",
    );
    let (code, _, told) = within(&folder, &["predict", "b.safetensors", "--data", "gone.csv"]);
    assert!(
        code == 2 && told.contains("gone.csv, line 3, column `photo`: photos/gone.png"),
        "{told}"
    );
    put(folder.path(), "none.csv", b"brightness,photo\n11,\n");
    let (code, _, told) = within(&folder, &["predict", "b.safetensors", "--data", "none.csv"]);
    assert!(code == 2 && told.contains("expected the path of an image, found nothing"), "{told}");
    let (code, _, told) = within(
        &folder,
        &["train", "both.toml", "--data", "lists/d.csv", "--columns", "picture=photo,brightness"],
    );
    assert!(code == 2 && told.contains("node `picture`"), "{told}");
}

#[test]
fn items_are_mixed_where_targets_are_shares() {
    let folder = photos();
    let shares = MODEL.replace("shape = []", "shape = [3]");
    fs::write(folder.path().join("shares.toml"), shares).unwrap();
    let train = |model: &str, more: &[&str]| {
        let arguments = [&["train", model, "--data", "photos", "--quiet"], more].concat();
        within(&folder, &arguments)
    };
    let (code, _, told) = train("m.toml", &["--mix-up", "0.2"]);
    assert!(code == 2 && told.contains("node `label`: it holds class indices"), "{told}");
    assert!(told.contains("shape = [3]"), "{told}");
    let mixed = ["train", "shares.toml", "--data", "photos", "--epochs", "12", "--mix-up", "0.2"];
    let told = object(&folder, &[&mixed[..], &["--quiet", "--save", "x.safetensors"]].concat());
    assert_eq!(told["test_metrics"]["right"], 1.0, "{told}");
    // It is kept, and goes on by itself.
    let half = ["--quiet", "--save", "h.safetensors", "--max-steps", "13"];
    object(&folder, &[&mixed[..], &half].concat());
    let resumed = object(&folder, &["train", "--resume", "h.safetensors", "--quiet"]);
    assert_eq!(resumed["weights_sha256"], told["weights_sha256"]);
    for (option, problem) in [
        (["--mix-up", "2"], "--mix-up can't be 2"),
        (["--augment", "picture"], "`picture` names no node"),
        (["--augment", "picture=flop"], "did you mean `flip`?"),
        (["--augment", "label=flip"], "augmentations are given for `label`, which is no input"),
    ] {
        let (code, _, told) = train("m.toml", &option);
        assert!(code == 2 && told.contains(problem), "{told}");
    }
}
