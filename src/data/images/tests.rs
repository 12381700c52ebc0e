//! Images against what PIL makes of them, and files that are none.

use std::path::Path;

use serde::Deserialize;

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/images");

/// What `tests/oracles/images.py` writes.
#[derive(Deserialize)]
struct Case {
    file: String,
    fit: ImageFit,
    shape: Vec<usize>,
    tolerance: f32,
    values: Vec<f32>,
}

/// The one image of a file for a node of some shape.
fn decoded(path: &Path, shape: &[usize], fit: ImageFit) -> Result<Vec<f32>> {
    let frame = Frame::new("x", shape, fit).unwrap();
    let files = ImageFiles::new(frame, vec![(path.to_owned(), String::new())]);
    let mut values = vec![f32::NAN; shape.iter().product()];
    files.read(&[0], &mut values)?;
    Ok(values)
}

fn refusal(path: &Path) -> String {
    decoded(path, &[9, 12, 3], ImageFit::Exact).unwrap_err().to_string()
}

#[test]
fn images_are_as_pil_decodes_and_scales_them() {
    let text = std::fs::read_to_string(Path::new(FOLDER).join("images.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 18);
    for Case { file, fit, shape, tolerance, values } in cases {
        let found = decoded(&Path::new(FOLDER).join(&file), &shape, fit).unwrap();
        let off = found.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= tolerance, "{file}, {fit:?}, {shape:?}: {off} off, not {tolerance}");
    }
}

#[test]
fn another_size_is_refused_unless_the_node_says_how() {
    let path = Path::new(FOLDER).join("rgb.png");
    let message = decoded(&path, &[8, 8, 3], ImageFit::Exact).unwrap_err().to_string();
    for part in [
        "images/rgb.png: expected 8 pixels across and 8 down, found 12 across and 9 down",
        "at node `x`: `image = \"crop\"`",
        "resize=crop",
    ] {
        assert!(message.contains(part), "{message}\nlacks\n{part}");
    }
    for fit in [ImageFit::Stretch, ImageFit::Crop, ImageFit::Pad] {
        let values = decoded(&path, &[8, 8, 3], fit).unwrap();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "{fit:?}");
        // A single pixel is enough room for any of them.
        decoded(&path, &[1, 1, 1], fit).unwrap();
        decoded(&path, &[40, 1, 4], fit).unwrap();
    }
}

/// A PNG image of one pixel of the first colour of this palette.
fn with_palette(palette: &[u8]) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let data = b"\x78\x01\x01\x02\0\xfd\xff\0\0\0\x02\0\x01";
    for (name, bytes) in [
        (b"IHDR", &b"\0\0\0\x01\0\0\0\x01\x08\x03\0\0\0"[..]),
        (b"PLTE", palette),
        (b"IDAT", data),
        (b"IEND", b""),
    ] {
        png.extend((bytes.len() as u32).to_be_bytes());
        let named = [&name[..], bytes].concat();
        let mut checksum = u32::MAX;
        for &byte in &named {
            checksum ^= u32::from(byte);
            for _ in 0..8 {
                let low = checksum & 1;
                checksum = (checksum >> 1) ^ (0xedb8_8320 * low);
            }
        }
        png.extend(&named);
        png.extend((!checksum).to_be_bytes());
    }
    png
}

#[test]
fn broken_files_are_refused_with_their_path() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8], problem: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let message = refusal(&path);
        assert!(message.contains(name) && message.contains(problem), "{message}\nlacks {problem}");
    };
    refused("empty.png", b"", "the file is empty");
    for length in [0, 1, 4, 5] {
        let png = with_palette(&[7; 5][..length]);
        refused("palette.png", &png, "the PNG image has a palette of broken colours");
    }
    // Whole colours are another matter.
    std::fs::write(folder.path().join("whole.png"), with_palette(&[7; 3])).unwrap();
    assert!(image::open(folder.path().join("whole.png")).is_ok());
    refused("text.jpg", b"no image at all", "expected a PNG or JPEG image, found other bytes");
    refused("animated.png", b"GIF89a\x01\0\x01\0", "found Gif");
    let read = |name: &str| std::fs::read(Path::new(FOLDER).join(name)).unwrap();
    for name in ["rgb.png", "rgb16.png", "rgb.jpg", "turned.jpg", "halved.jpeg"] {
        let whole = read(name);
        // The last 12 bytes of a PNG file say that it ends.
        for length in (8..whole.len() - 12).step_by(3) {
            let path = folder.path().join(name);
            std::fs::write(&path, &whole[..length]).unwrap();
            let message = refusal(&path);
            assert!(message.contains(name), "{message}");
        }
        // Bytes that are altered give other numbers or an error, but never a panic.
        for at in (0..whole.len()).step_by(3) {
            let mut altered = whole.clone();
            altered[at] ^= 0x55;
            let path = folder.path().join(name);
            std::fs::write(&path, &altered).unwrap();
            drop(decoded(&path, &[9, 12, 3], ImageFit::Crop));
        }
    }
    let message = refusal(&Path::new(FOLDER).join("cmyk.jpg"));
    assert!(message.contains("the colours of a printer, CMYK"), "{message}");
    let missing = refusal(&folder.path().join("missing.png"));
    assert!(missing.contains("missing.png: it can't be read: "), "{missing}");
    let folder = refusal(folder.path());
    assert!(folder.contains("it is no file"), "{folder}");
}

#[test]
fn bombs_are_refused_before_they_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.png");
    let mut bomb = std::fs::read(Path::new(FOLDER).join("grey.png")).unwrap();
    // Width and height stand behind the signature and the head of the first chunk, its sum behind them.
    bomb[16..20].copy_from_slice(&50_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&50_000_u32.to_be_bytes());
    let mut sum = u32::MAX;
    for byte in &bomb[12..29] {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    bomb[29..33].copy_from_slice(&(!sum).to_be_bytes());
    std::fs::write(&path, bomb).unwrap();
    for fit in [ImageFit::Exact, ImageFit::Crop] {
        let message = decoded(&path, &[9, 12, 1], fit).unwrap_err().to_string();
        assert!(message.contains("50000 x 50000 pixels are more than"), "{message}");
    }
}

#[test]
fn a_thin_image_does_not_become_a_huge_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thin.png");
    image::GrayImage::new(1, 60_000).save(&path).unwrap();
    let message = decoded(&path, &[64, 64, 1], ImageFit::Crop).unwrap_err().to_string();
    assert!(message.contains("its 1 x 60000 pixels would be scaled to 64 x 3840000"), "{message}");
    assert_eq!(decoded(&path, &[64, 64, 1], ImageFit::Pad).unwrap(), vec![0.0; 64 * 64]);
}

#[test]
fn the_first_broken_image_is_named_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let good = Path::new(FOLDER).join("rgb.png");
    let files = |broken: &[usize]| -> Vec<(PathBuf, String)> {
        let file = |item| {
            let name = format!("{item}.png");
            if broken.contains(&item) { folder.path().join(name) } else { good.clone() }
        };
        (0..700).map(|item| (file(item), format!("item {item}"))).collect()
    };
    let frame = || Frame::new("x", &[9, 12, 3], ImageFit::Exact).unwrap();
    let message = ImageFiles::new(frame(), files(&[699, 300, 301])).column("x", false).unwrap_err();
    assert!(message.to_string().contains("item 300: "), "{message}");
    let memory = ImageFiles::new(frame(), files(&[])).column("x", false).unwrap();
    assert_eq!(memory.tensor().unwrap().shape(), [700, 9, 12, 3]);
    // What is decoded as it is used has its errors there.
    let source = ImageFiles::new(frame(), files(&[699, 300, 301])).column("x", true).unwrap();
    assert!(source.tensor().is_none());
    let mut numbers = Vec::new();
    source.gather(&[4, 2], &mut numbers).unwrap();
    let message = source.gather(&[3, 301, 300], &mut numbers).unwrap_err().to_string();
    assert!(message.contains("item 301: "), "{message}");
}

#[test]
fn shapes_that_no_image_has_are_refused() {
    for shape in [&[][..], &[8], &[8, 8], &[8, 8, 2], &[8, 8, 5], &[0, 8, 3], &[8, 8, 3, 1]] {
        let (problem, remedy) = Frame::new("x", shape, ImageFit::Crop).unwrap_err();
        assert!(problem.contains("node `x` has the shape"), "{problem}");
        assert!(remedy.contains("[32, 32, 3]"), "{remedy}");
    }
}

/// The bytes of a network that was trained on images in three sizes of files, in memory or decoded as they are used.
fn trained(streams: bool) -> String {
    use crate::data::Dataset;
    use crate::graph::GraphBuilder;
    use crate::layers::{Dense, Flatten};
    use crate::losses::SoftmaxCrossEntropy;
    use crate::optimizers::Sgd;
    use crate::train::{FitOptions, Network, NetworkOptions};

    let names = ["rgb.png", "rgb.jpg", "grey.png", "palette.png", "turned.jpg", "rgba.png"];
    let file = |name: &&str| (Path::new(FOLDER).join(name), String::new());
    let files: Vec<(PathBuf, String)> = names.iter().cycle().take(50).map(file).collect();
    let frame = Frame::new("image", &[6, 6, 3], ImageFit::Crop).unwrap();
    let images = ImageFiles::new(frame, files).column("image", streams).unwrap();
    assert_eq!(images.tensor().is_none(), streams);
    let labels: Vec<f32> = (0..50).map(|item| (item % 6) as f32).collect();
    let labels = Column::new("label", Tensor::from_shape_vec(vec![50], labels).unwrap());
    let data = Dataset::new("images", vec![images], vec![labels]).unwrap();
    let mut net = GraphBuilder::new("small");
    let (image, label) = (net.input("image", [6, 6, 3]), net.target("label", []));
    let flat = net.layer("flat", Flatten, [&image]);
    let scores = net.layer("scores", Dense::new(6), [&flat]);
    net.loss("loss", SoftmaxCrossEntropy, [&scores, &label]);
    let graph = Arc::new(net.build().unwrap());
    let options = NetworkOptions::default().seed(4);
    let mut network = Network::from_parts(graph, Arc::new(Sgd::new(0.1)), options).unwrap();
    network.fit(&data, &FitOptions::default().epochs(3).batch_size(7)).unwrap();
    network.weights_sha256()
}

#[test]
fn bytes_are_the_same_from_memory_and_decoded_as_used() {
    assert_eq!(trained(false), trained(true));
}
