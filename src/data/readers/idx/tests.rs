use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::Error;

/// An IDX file: magic number, axes, values.
fn idx(code: u8, shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_bytes(bytes: &[u8]) -> Result<Tensor> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    read_idx(&path)
}

fn refusal(bytes: &[u8]) -> String {
    let error = read_bytes(bytes).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("/file"), "{message}");
    message
}

#[track_caller]
fn assert_refused(bytes: &[u8], expected: &str) {
    let message = refusal(bytes);
    assert!(message.contains(expected), "{message}\nlacks\n{expected}");
    let message = refusal(&gzip(bytes));
    assert!(message.contains(expected), "gzipped: {message}\nlacks\n{expected}");
}

#[test]
fn every_element_type_is_read() {
    for (code, values, expected) in [
        (0x08, [0, 255].to_vec(), [0., 255.]),
        (0x09, [127, 0x80].to_vec(), [127., -128.]),
        (0x0b, [[1, 2], [0xff, 0xfe]].concat(), [258., -2.]),
        (0x0c, [65_536_i32.to_be_bytes(), (-3_i32).to_be_bytes()].concat(), [65_536., -3.]),
        (0x0d, [0.5_f32.to_be_bytes(), (-1e9_f32).to_be_bytes()].concat(), [0.5, -1e9]),
        (0x0e, [0.25_f64.to_be_bytes(), 3.0_f64.to_be_bytes()].concat(), [0.25, 3.]),
    ] {
        let bytes = idx(code, &[1, 2, 1], &values);
        for bytes in [&bytes, &gzip(&bytes)] {
            let tensor = read_bytes(bytes).unwrap();
            assert_eq!(tensor.shape(), [1, 2, 1]);
            assert_eq!(tensor.as_slice().unwrap(), expected);
        }
    }
}

#[test]
fn wrong_headers_are_refused() {
    assert_refused(b"", "expected 4 more bytes of IDX header, found 0");
    assert_refused(&[0, 0, 8], "expected 4 more bytes of IDX header, found 3");
    assert_refused(&[0, 0, 8, 2, 0, 0, 0, 1], "expected 8 more bytes of IDX header, found 4");
    assert_refused(
        b"PK\x03\x04",
        "expected an IDX magic number, which starts with 00 00, found 50 4b",
    );
    assert_refused(&idx(0x0a, &[1], &[0]), "type of 08, 09, 0b, 0c, 0d, 0e, found 0a; write");
    assert_refused(&idx(8, &[], &[0]), "expected at least one axis, the header has none");
    assert_refused(&idx(8, &[0], &[]), "axis 0 of 0 unsigned bytes is 0 long");
    assert_refused(&idx(8, &[2, 0, 3], &[]), "axis 1 of 2 x 0 x 3 unsigned bytes is 0 long");
}

#[test]
fn values_must_be_as_many_as_promised() {
    assert_refused(
        &idx(8, &[2, 2], &[1, 2, 3]),
        "expected 4 bytes for 2 x 2 unsigned bytes, the file ends after 3; fetch",
    );
    assert_refused(
        &idx(0x0b, &[2], &[1, 2, 3]),
        "expected 4 bytes for 2 16-bit integers, the file",
    );
    assert_refused(
        &idx(8, &[2, 2], &[0; 5]),
        "expected 4 bytes for 2 x 2 unsigned bytes, more follow",
    );
}

#[test]
fn absurd_sizes_are_refused_without_reading() {
    let limit = "expected at most 17179869184 values, the header promises 4294967295 x";
    assert_refused(&idx(8, &[u32::MAX; 2], &[]), limit);
    assert_refused(&idx(8, &[u32::MAX; 3], &[]), limit);
    assert_refused(&idx(0x0e, &[u32::MAX; 255], &[]), limit);
    // Below the limit memory still grows only with what arrives: 16 GiB are promised, 9 bytes come.
    assert_refused(&idx(8, &[4, u32::MAX], &[1; 9]), "the file ends after 9");
}

#[test]
fn no_more_is_read_than_the_header_promises() {
    let header = idx(8, &[10, 100], &[]);
    let mut endless = header.chain(std::io::repeat(0).take(1 << 40));
    let error = file::read(Path::new("bomb"), &mut endless).unwrap_err();
    assert!(error.to_string().contains("expected 1000 bytes"), "{error}");
    let left = endless.into_inner().1.limit();
    assert_eq!((1 << 40) - left, 1001);
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let floats = [1.0, f32::NAN].map(f32::to_be_bytes).concat();
    assert_refused(
        &idx(0x0d, &[2], &floats),
        "/file, value 1: expected a finite 32-bit float, found NaN",
    );
    assert_refused(&idx(0x0e, &[1], &1e300_f64.to_be_bytes()), "found inf");
}

#[test]
fn damaged_gzip_files_are_refused() {
    let whole = gzip(&idx(8, &[300], &[7; 300]));
    let mut wrong_sum = whole.clone();
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    let garbage = [&whole[..], b"garbage"].concat();
    let cut = whole[..whole.len() - 10].to_vec();
    for bytes in [wrong_sum, garbage, cut, vec![0x1f, 0x8b]] {
        let message = refusal(&bytes);
        assert!(message.contains("expected a whole gzip file"), "{message}");
    }
}

/// A folder as MNIST's; `change` may alter a file, given its name.
fn folder(endings: [&str; 2], change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (prefix, items) in [("train", 3), ("t10k", 2)] {
        let images: Vec<u8> = (0..items * 6).map(|value| value * 3).collect();
        let labels: Vec<u8> = (0..items).collect();
        for (name, bytes, ending) in [
            (format!("{prefix}-images"), idx(8, &[items.into(), 2, 3], &images), endings[0]),
            (format!("{prefix}-labels"), idx(8, &[items.into()], &labels), endings[1]),
        ] {
            let bytes = change(&name, bytes);
            let bytes = if ending.contains("gz") { gzip(&bytes) } else { bytes };
            std::fs::write(folder.path().join(format!("{name}{ending}")), bytes).unwrap();
        }
    }
    folder
}

const PLAIN: [&str; 2] = ["-idx3-ubyte", "-idx1-ubyte"];

#[test]
fn folders_are_read_under_all_usual_names() {
    for endings in [
        PLAIN,
        ["-idx3-ubyte.gz", "-idx1-ubyte.gz"],
        [".idx3-ubyte", ".idx1-ubyte"],
        [".idx3-ubyte.gz", "-idx1-ubyte"],
    ] {
        let folder = folder(endings, |_, bytes| bytes);
        let (train, test) = super::read_idx_folder(folder.path()).unwrap();
        assert_eq!(train.column("image").unwrap().shape(), [3, 2, 3, 1]);
        assert_eq!(train.targets()[0].tensor().unwrap().as_slice().unwrap(), [0., 1., 2.]);
        let image = test.inputs()[0].tensor().unwrap().as_slice().unwrap();
        assert_eq!((test.len(), image.len(), image[1]), (2, 12, 3.0 / 255.0));
        assert!(test.name().ends_with(" test"), "{}", test.name());
    }
}

#[test]
fn folders_whose_files_do_not_fit_are_refused() {
    let message = |change: &dyn Fn(&str, Vec<u8>) -> Vec<u8>| {
        let folder = folder(PLAIN, change);
        read_idx_folder(folder.path()).unwrap_err().to_string()
    };
    let replace = |file: &'static str, with: Vec<u8>| {
        message(&move |name, bytes| if name == file { with.clone() } else { bytes })
    };
    for (file, with, expected) in [
        (
            "train-images",
            idx(8, &[3], &[0; 3]),
            "train-images-idx3-ubyte: expected images, with 2 to 4 axes, found 3 of unsigned bytes; the file \
             may stand under",
        ),
        (
            "t10k-labels",
            idx(8, &[2, 1, 1], &[0; 2]),
            "expected labels, with 1 to 2 axes, found 2 x 1 x 1 of unsigned bytes",
        ),
        (
            "train-labels",
            idx(8, &[4], &[0; 4]),
            "train-labels-idx1-ubyte: expected a label for each of the 3 images in \
             train-images-idx3-ubyte, found 4 labels; take both files from the same data set",
        ),
        (
            "t10k-labels",
            idx(8, &[1], &[0; 1]),
            "for each of the 2 images in t10k-images-idx3-ubyte, found 1 label;",
        ),
        (
            "t10k-images",
            idx(8, &[2, 3, 2], &[0; 12]),
            "expected test images of 2 x 3 x 1 as for training, found 3 x 2 x 1",
        ),
    ] {
        let message = replace(file, with);
        assert!(message.contains(expected), "{message}\nlacks\n{expected}");
    }
}

#[test]
fn missing_files_are_named() {
    let folder = folder(PLAIN, |_, bytes| bytes);
    std::fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    let message = read_idx_folder(folder.path()).unwrap_err().to_string();
    let expected = "the labels of the test part, such as t10k-labels-idx1-ubyte";
    assert!(message.contains(expected), "{message}");
    assert!(matches!(read_idx(folder.path().join("no")), Err(Error::Io { .. })));
}

/// What `--data` reads from a folder.
fn read_data(folder: &Path, options: &str) -> Result<Source> {
    let text = format!("{}{options}", folder.display());
    let graph = crate::model::Model::open(None).unwrap().graph;
    let config = crate::data::DataConfig::default();
    let (spec, request) = Request::parse(&text, (&graph, 1), &config, true)?;
    assert_eq!(spec.name, "idx");
    (spec.read)(&request)
}

#[test]
fn floats_and_colours_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    };
    let floats: Vec<f32> = (0..24).map(|value| value as f32 / 4.0 - 2.0).collect();
    let bytes: Vec<u8> = floats.iter().flat_map(|value| value.to_be_bytes()).collect();
    write("my_training_X.bin", idx(0x0d, &[2, 2, 2, 3], &bytes));
    write("my_training_y.bin", gzip(&idx(0x0d, &[2, 2], &bytes[..16])));
    // Neither says what it is for, nor is it such a file.
    write("my_notes.txt", b"train images".to_vec());
    write("train-images.png", b"\x89PNG".to_vec());
    let unnamed = read_data(folder.path(), "").unwrap_err().to_string();
    assert!(unnamed.contains("the labels of the train part"), "gzipped, not called idx: {unnamed}");
    let labels = folder.path().join("my_training_y.bin");
    std::fs::rename(&labels, folder.path().join("my_training_y.idx.gz")).unwrap();
    let Source::Items(data) = read_data(folder.path(), "").unwrap() else {
        panic!("there is no test part");
    };
    assert_eq!(data.inputs()[0].item_shape(), [2, 2, 3]);
    assert_eq!(data.inputs()[0].tensor().unwrap().as_slice().unwrap(), floats);
    assert_eq!(data.targets()[0].tensor().unwrap().as_slice().unwrap(), &floats[..4]);
    assert_eq!(data.targets()[0].item_shape(), [2]);
}

#[test]
fn one_of_several_sets_is_chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (set, label) in [("letters", 3), ("digits", 7)] {
        for part in ["train", "test"] {
            let name = |what| folder.path().join(format!("emnist-{set}-{part}-{what}-ubyte"));
            std::fs::write(name("images-idx3"), idx(8, &[1, 1, 1], &[255])).unwrap();
            std::fs::write(name("labels-idx1"), idx(8, &[1], &[label])).unwrap();
        }
    }
    let message = read_data(folder.path(), "").unwrap_err().to_string();
    assert!(message.contains("`emnist-digits-test-images-idx3-ubyte` and `emnist-l"), "{message}");
    assert!(message.contains("only=letters"), "{message}");
    let Source::Parts { train, .. } = read_data(folder.path(), ":only=letters").unwrap() else {
        panic!("there is a test part");
    };
    assert_eq!(train.targets()[0].tensor().unwrap().as_slice().unwrap(), [3.0]);
    assert!(read_data(folder.path(), ":only=byclass").is_err());
}

#[test]
fn folders_of_torchvision_are_found() {
    let files = folder(PLAIN, |_, bytes| bytes);
    let root = tempfile::tempdir().unwrap();
    let put = |set: &str| {
        let raw = root.path().join(set).join("raw");
        std::fs::create_dir_all(&raw).unwrap();
        for entry in files.path().read_dir().unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), raw.join(entry.file_name())).unwrap();
            // Its download stays beside it.
            let name = format!("{}.gz", entry.file_name().to_str().unwrap());
            std::fs::write(raw.join(name), gzip(b"not looked at")).unwrap();
        }
    };
    put("MNIST");
    for folder in ["", "MNIST", "MNIST/raw"] {
        let source = read_data(&root.path().join(folder), "").unwrap();
        assert!(matches!(source, Source::Parts { train, .. } if train.len() == 3), "{folder}");
    }
    put("FashionMNIST");
    let message = read_data(root.path(), "").unwrap_err().to_string();
    assert!(message.contains("FashionMNIST/raw` and one in"), "{message}");
    assert_eq!(read_idx_folder(root.path().join("MNIST")).unwrap().1.len(), 2);
}

/// The folder with MNIST's files, or a line that says that there is none.
fn mnist() -> Option<PathBuf> {
    let folder = std::env::var_os("CAUDAL_MNIST");
    if folder.is_none() {
        eprintln!("skipped: CAUDAL_MNIST is not set");
    }
    folder.map(PathBuf::from)
}

#[cfg(unix)]
#[test]
fn mnist_is_found_where_torchvision_puts_it() {
    let Some(mnist) = mnist() else { return };
    let root = tempfile::tempdir().unwrap();
    let raw = root.path().join("MNIST").join("raw");
    std::fs::create_dir_all(&raw).unwrap();
    for entry in mnist.canonicalize().unwrap().read_dir().unwrap() {
        let entry = entry.unwrap();
        std::os::unix::fs::symlink(entry.path(), raw.join(entry.file_name())).unwrap();
    }
    let (train, test) = read_idx_folder(root.path()).unwrap();
    assert_eq!((train.len(), test.len()), (60_000, 10_000));
    assert_eq!(
        train.targets()[0].tensor(),
        read_idx_folder(mnist).unwrap().0.targets()[0].tensor()
    );
}

#[test]
fn mnist_is_read_whole() {
    let Some(folder) = mnist() else { return };
    let (train, test) = read_idx_folder(folder).unwrap();
    assert_eq!((train.len(), test.len()), (60_000, 10_000));
    for part in [&train, &test] {
        assert_eq!(part.inputs()[0].item_shape(), [28, 28, 1]);
        assert_eq!(part.targets()[0].class_count().unwrap(), Some(10));
        let values = part.inputs()[0].tensor().unwrap();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(values.iter().any(|&value| value >= 1.0));
    }
    let first = |part: &Dataset| {
        part.targets()[0].tensor().unwrap().iter().take(5).copied().collect::<Vec<_>>()
    };
    assert_eq!(first(&train), [5., 0., 4., 1., 9.]);
    assert_eq!(first(&test), [7., 2., 1., 0., 4.]);
}
