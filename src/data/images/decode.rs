//! From an image file to the numbers of a node.

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{
    DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Luma,
    Pixel, Rgb, Rgba, imageops,
};

use super::Frame;
use crate::data::table::ImageFit;

/// Files with more bytes than this are no images to train on.
const MAX_BYTES: u64 = 1 << 29;

/// Images of more pixels than this are refused before they are decoded: a few bytes may promise so many.
const MAX_PIXELS: u64 = 1 << 26;

/// What may be allocated while one image is decoded.
const MAX_ALLOCATED: u64 = 1 << 30;

/// What was expected and found, and what to do.
type Refusal = (String, String);

/// Decodes an image into `[height, width, channels]` numbers from 0 to 1.
///
/// The orientation that a camera wrote into the file is applied. One channel is the luma of Rec. 601 (ITU-R BT.601),
/// 0.299 red + 0.587 green + 0.114 blue; three are red, green and blue, three times the grey value for grey
/// images; four have the opacity after these. Otherwise opacity is dropped.
///
/// # Errors
/// What is wrong with the file, and what to do.
pub(super) fn decode(path: &Path, frame: &Frame, into: &mut [f32]) -> Result<(), Refusal> {
    let image = open(path, frame)?;
    let has_color = image.color().has_color();
    match frame.channels {
        1 if has_color => {
            let luma = |&Rgb([red, green, blue]): &Rgb<f32>| {
                Luma([0.299 * red + 0.587 * green + 0.114 * blue])
            };
            let colors = image.into_rgb32f();
            let mut grey = ImageBuffer::<Luma<f32>, Vec<f32>>::new(colors.width(), colors.height());
            for (into, from) in grey.pixels_mut().zip(colors.pixels()) {
                *into = luma(from);
            }
            place(&grey, frame, into);
        }
        1 => place::<Luma<f32>>(&image.to_luma32f(), frame, into),
        3 => place::<Rgb<f32>>(&image.into_rgb32f(), frame, into),
        _ => place::<Rgba<f32>>(&image.into_rgba32f(), frame, into),
    }
    Ok(())
}

/// Reads and decodes a file whose image has a size that the frame takes.
fn open(path: &Path, frame: &Frame) -> Result<DynamicImage, Refusal> {
    let unreadable = |error: std::io::Error| {
        (format!("it can't be read: {error}"), "mend its path, or leave the item out".to_owned())
    };
    let mut bytes = Vec::new();
    // What is no file may wait for bytes without an end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(("it is no file".to_owned(), "give the path of an image".to_owned()));
    }
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let broken = |problem: String| (problem, "write the file again, or leave it out".to_owned());
    if bytes.len() as u64 > MAX_BYTES {
        return Err(broken(format!("expected a file of at most {MAX_BYTES} bytes, it has more")));
    }
    let mut reader =
        ImageReader::new(Cursor::new(&bytes)).with_guessed_format().map_err(unreadable)?;
    match reader.format() {
        Some(ImageFormat::Png | ImageFormat::Jpeg) => {}
        Some(other) => {
            return Err(broken(format!("expected a PNG or JPEG image, found {other:?}")));
        }
        None if bytes.is_empty() => return Err(broken("the file is empty".to_owned())),
        None => return Err(broken("expected a PNG or JPEG image, found other bytes".to_owned())),
    }
    if reader.format() == Some(ImageFormat::Jpeg) && !ends(&bytes) {
        return Err(broken("the JPEG image ends before its last line".to_owned()));
    }
    if reader.format() == Some(ImageFormat::Jpeg) && components(&bytes) == Some(4) {
        let problem = "the JPEG image has the colours of a printer, CMYK".to_owned();
        return Err((problem, "save it with the colours of a screen, RGB".to_owned()));
    }
    if reader.format() == Some(ImageFormat::Png) && has_broken_colours(&bytes) {
        return Err(broken("the PNG image has a palette of broken colours".to_owned()));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOCATED);
    reader.limits(limits);
    // The crate checks most of what a file says, but a damaged one can lead it astray.
    let decoded = catch_unwind(AssertUnwindSafe(|| decoded(reader, frame)));
    decoded.unwrap_or_else(|_| Err(broken("the image contradicts itself".to_owned())))
}

/// Decodes an image whose size the frame takes.
fn decoded(reader: ImageReader<Cursor<&Vec<u8>>>, frame: &Frame) -> Result<DynamicImage, Refusal> {
    let failed = |error: ImageError| {
        let problem = format!("the image can't be decoded: {error}");
        (problem, "write the file again, or leave it out".to_owned())
    };
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (mut width, mut height) = decoder.dimensions();
    if turns(orientation) {
        std::mem::swap(&mut width, &mut height);
    }
    check_size(width, height, frame)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Whether a PNG image has a palette that is not made of whole colours of three bytes each, one at the least.
fn has_broken_colours(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    // A chunk has its length, its name, as many bytes, and their checksum.
    while let Some((&[a, b, c, d], named)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if named.starts_with(b"PLTE") {
            return length == 0 || !length.is_multiple_of(3);
        }
        rest = named.get(length.saturating_add(8)..).unwrap_or_default();
    }
    false
}

/// Whether the data of a JPEG image come to an end: no byte of an image looks like this mark.
fn ends(bytes: &[u8]) -> bool {
    const SCAN: [u8; 2] = [0xff, 0xda];
    const END: [u8; 2] = [0xff, 0xd9];
    let last = bytes.windows(2).rposition(|mark| mark == SCAN);
    last.is_some_and(|last| bytes[last..].windows(2).any(|mark| mark == END))
}

/// How many colours a JPEG image is made of, as the head of its frame says (ITU-T T.81, B.2.2).
fn components(bytes: &[u8]) -> Option<u8> {
    let mut rest = bytes.get(2..)?;
    loop {
        let (&[mark, kind, high, low], _) = rest.split_first_chunk::<4>()?;
        match (mark, kind) {
            (0xff, 0xff) => rest = &rest[1..],
            // All frames but those marks that mean other things.
            (0xff, 0xc0..=0xcf) if ![0xc4, 0xc8, 0xcc].contains(&kind) => {
                return rest.get(9).copied();
            }
            (0xff, _) => rest = rest.get(2 + usize::from(u16::from_be_bytes([high, low]))..)?,
            _ => return None,
        }
    }
}

fn turns(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn check_size(width: u32, height: u32, frame: &Frame) -> Result<(), Refusal> {
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        let problem =
            format!("its {width} x {height} pixels are more than {MAX_PIXELS}, which is refused");
        return Err((problem, "make the image smaller".to_owned()));
    }
    let (across, down) = scaled((width, height), frame);
    if u64::from(across) * u64::from(down) > MAX_PIXELS {
        let problem = format!(
            "its {width} x {height} pixels would be scaled to {across} x {down}, which is refused"
        );
        let remedy = "cut it to a shape that is nearer to that of the node, or leave it out";
        return Err((problem, remedy.to_owned()));
    }
    let same = (width as usize, height as usize) == (frame.width, frame.height);
    if frame.fit == ImageFit::Exact && !same {
        return Err((
            format!(
                "expected {} pixels across and {} down, found {width} across and {height} down",
                frame.width, frame.height
            ),
            format!(
                "say how images become as large, at node `{}`: `image = \"crop\"` scales them and cuts off what \
                 is left over, `\"pad\"` scales them and fills up with black, `\"stretch\"` scales height and \
                 width apart; for a folder of images, `--data FOLDER:resize=crop` does the same",
                frame.node
            ),
        ));
    }
    Ok(())
}

/// The size to which an image is scaled, as across and down.
fn scaled((width, height): (u32, u32), frame: &Frame) -> (u32, u32) {
    let across = frame.width as f64 / f64::from(width);
    let down = frame.height as f64 / f64::from(height);
    let factor = match frame.fit {
        ImageFit::Exact | ImageFit::Stretch => return (frame.width as u32, frame.height as u32),
        ImageFit::Crop => across.max(down),
        ImageFit::Pad => across.min(down),
    };
    let side = |length: u32, wanted: usize, decides: bool| {
        if decides { wanted as u32 } else { (f64::from(length) * factor).round().max(1.0) as u32 }
    };
    let is = |own: f64| own.to_bits() == factor.to_bits();
    (side(width, frame.width, is(across)), side(height, frame.height, is(down)))
}

/// Scales an image as its frame says, and copies it.
fn place<P>(image: &ImageBuffer<P, Vec<f32>>, frame: &Frame, into: &mut [f32])
where
    P: Pixel<Subpixel = f32> + 'static,
{
    let (width, height) = scaled(image.dimensions(), frame);
    let scaled;
    let image = if (width, height) == image.dimensions() {
        image
    } else {
        scaled = imageops::resize(image, width, height, FilterType::Triangle);
        &scaled
    };
    // On either side the middle is kept, or filled up around.
    let offset = |own: usize, wanted: usize| {
        (own.saturating_sub(wanted) / 2, wanted.saturating_sub(own) / 2, own.min(wanted))
    };
    let (from_x, to_x, columns) = offset(width as usize, frame.width);
    let (from_y, to_y, rows) = offset(height as usize, frame.height);
    into.fill(0.0);
    let samples = image.as_raw();
    for row in 0..rows {
        let from = ((from_y + row) * width as usize + from_x) * frame.channels;
        let to = ((to_y + row) * frame.width + to_x) * frame.channels;
        let length = columns * frame.channels;
        into[to..][..length].copy_from_slice(&samples[from..][..length]);
    }
}
