//! One IDX file: a magic number that names element type and number of axes, the length of each axis as a
//! big-endian 32-bit number, then the values, big-endian and row-major.
//!
//! Everything a header says is checked against what the file holds before memory is spent on it.

use std::io::Read;
use std::path::Path;

use crate::data::{MAX_VALUES, refuse, stream};
use crate::error::count;
use crate::memory;
use crate::{Result, Shape, Tensor, describe_shape};

/// The contents of a file.
#[derive(Debug)]
pub(super) struct Array {
    /// The type of the values in the file.
    pub(super) element: &'static Element,
    /// The values, not scaled.
    pub(super) values: Tensor,
}

/// One type of values.
#[derive(Debug)]
pub(super) struct Element {
    code: u8,
    pub(super) name: &'static str,
    size: usize,
    decode: fn(&[u8]) -> Vec<f32>,
}

const UNSIGNED_BYTE: u8 = 0x08;

impl Element {
    /// Whether values are bytes from 0 to 255.
    pub(super) fn is_unsigned_byte(&self) -> bool {
        self.code == UNSIGNED_BYTE
    }
}

static ELEMENTS: [Element; 6] = [
    Element {
        code: UNSIGNED_BYTE,
        name: "unsigned bytes",
        size: 1,
        decode: |bytes| bytes.iter().copied().map(f32::from).collect(),
    },
    Element {
        code: 0x09,
        name: "signed bytes",
        size: 1,
        decode: |bytes| each(bytes, |value| i8::from_be_bytes(value).into()),
    },
    Element {
        code: 0x0b,
        name: "16-bit integers",
        size: 2,
        decode: |bytes| each(bytes, |value| i16::from_be_bytes(value).into()),
    },
    Element {
        code: 0x0c,
        name: "32-bit integers",
        size: 4,
        decode: |bytes| each(bytes, |value| i32::from_be_bytes(value) as f32),
    },
    Element {
        code: 0x0d,
        name: "32-bit floats",
        size: 4,
        decode: |bytes| each(bytes, f32::from_be_bytes),
    },
    Element {
        code: 0x0e,
        name: "64-bit floats",
        size: 8,
        decode: |bytes| each(bytes, |value| f64::from_be_bytes(value) as f32),
    },
];

fn each<const SIZE: usize>(bytes: &[u8], decode: impl Fn([u8; SIZE]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&value| decode(value)).collect()
}

/// Whether a file that begins so may be an IDX file.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let is_type = |code: u8| ELEMENTS.iter().any(|element| element.code == code);
    matches!(*bytes, [0, 0, code, axes, ..] if is_type(code) && axes > 0)
}

/// Reads a whole file of the type and shape that its header promises.
pub(super) fn read(path: &Path, stream: &mut dyn Read) -> Result<Array> {
    let origin = path.display();
    let damaged = |problem: String| refuse(path.display(), problem, "fetch the file again");
    let (element, shape) = read_header(path, stream)?;

    let described = format!("{} {}", describe_shape(&shape), element.name);
    if let Some(axis) = shape.iter().position(|&length| length == 0) {
        return Err(damaged(format!("expected values, axis {axis} of {described} is 0 long")));
    }
    let values = shape.iter().try_fold(1_usize, |size, &length| size.checked_mul(length));
    let Some(values) = values.filter(|&values| values <= MAX_VALUES) else {
        return Err(damaged(format!(
            "expected at most {MAX_VALUES} values, the header promises {described}"
        )));
    };
    let size = values * element.size;
    let bytes = stream::read_up_to(stream, size as u64 + 1)
        .map_err(|source| stream::read_error(path, source))?;
    if bytes.len() < size {
        return Err(damaged(format!(
            "expected {} for {described}, the file ends after {}",
            count(size, "byte"),
            bytes.len()
        )));
    }
    if bytes.len() > size {
        return Err(damaged(format!(
            "expected {} for {described}, more follow",
            count(size, "byte")
        )));
    }
    let floats = values * size_of::<f32>();
    memory::check(floats).map_err(|room| {
        let problem = format!(
            "memory does not hold its {described}: as floats they take {}, {room}",
            memory::amount(floats)
        );
        refuse(path.display(), problem, "use a part of the file")
    })?;
    // On one thread, for it waits for memory: the 47,040,000 bytes of MNIST's training images took
    // 95 ms to convert and to scale, and 86 ms on two threads of rayon.
    let values = (element.decode)(&bytes);
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        return Err(refuse(
            format!("{origin}, value {place}"),
            format!("expected a finite 32-bit float, found {}", values[place]),
            "mend or leave out the item it belongs to",
        ));
    }
    let values =
        Tensor::from_shape_vec(shape, values).map_err(|error| damaged(error.to_string()))?;
    Ok(Array { element, values })
}

/// The element type and the length of each axis.
fn read_header(path: &Path, stream: &mut dyn Read) -> Result<(&'static Element, Shape)> {
    let mut take = |expected: usize| {
        let bytes = stream::read_up_to(stream, expected as u64)
            .map_err(|source| stream::read_error(path, source))?;
        if bytes.len() == expected {
            return Ok(bytes);
        }
        Err(refuse(
            path.display(),
            format!("expected {expected} more bytes of IDX header, found {}", bytes.len()),
            "fetch the file again",
        ))
    };
    let magic = take(4)?;
    let &[0, 0, code, axes] = &*magic else {
        return Err(refuse(
            path.display(),
            format!("expected an IDX magic number, which starts with 00 00, found {}", hex(&magic)),
            "give an IDX file such as train-images-idx3-ubyte",
        ));
    };
    let Some(element) = ELEMENTS.iter().find(|element| element.code == code) else {
        let known = ELEMENTS.iter().map(|known| format!("{:02x}", known.code)).collect::<Vec<_>>();
        return Err(refuse(
            path.display(),
            format!("expected an element type of {}, found {code:02x}", known.join(", ")),
            "write the file with one of these types",
        ));
    };
    if axes == 0 {
        return Err(refuse(
            path.display(),
            "expected at least one axis, the header has none",
            "write the values with an axis that counts them",
        ));
    }
    let lengths = take(4 * usize::from(axes))?;
    let lengths = lengths.as_chunks().0;
    Ok((element, lengths.iter().map(|&length| u32::from_be_bytes(length) as usize).collect()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
