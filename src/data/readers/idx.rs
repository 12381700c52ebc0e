//! The IDX format of the MNIST files: a magic number that names element type and number of axes,
//! the length of each axis as a big-endian 32-bit number, then the values, big-endian and
//! row-major.
//!
//! Everything a header says is checked against what the file holds before memory is spent on it.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{ReaderSpec, Source};
use crate::data::{Column, Dataset, MAX_VALUES, file_name, refuse, stream};
use crate::error::count;
use crate::memory;
use crate::{Error, Result, Shape, Tensor, describe_shape};

#[cfg(test)]
mod tests;

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "idx",
    summary: "a folder of IDX files named as MNIST's are, such as train-images-idx3-ubyte, with or without .gz",
    form: "a folder of IDX files",
    options: &[],
    recognizes: |source| {
        let files = || FILES.iter().filter_map(|file| file.find(Path::new(source)));
        files().next().is_some()
    },
    read: |request| read_idx_folder(request.path()).map(Source::from),
};

/// One of the four files of a folder.
struct FileName {
    prefix: &'static str,
    what: &'static str,
    axes: usize,
}

const FILES: [FileName; 4] = [
    FileName { prefix: "train", what: "images", axes: 3 },
    FileName { prefix: "train", what: "labels", axes: 1 },
    FileName { prefix: "t10k", what: "images", axes: 3 },
    FileName { prefix: "t10k", what: "labels", axes: 1 },
];

/// One type of values.
struct Element {
    code: u8,
    name: &'static str,
    size: usize,
    decode: fn(&[u8]) -> Vec<f32>,
}

const UNSIGNED_BYTE: u8 = 0x08;

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

/// What the values are for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Anything,
    Images,
    Labels,
}

impl Role {
    fn axes(self) -> Option<usize> {
        match self {
            Self::Anything => None,
            Self::Images => Some(3),
            Self::Labels => Some(1),
        }
    }
}

/// Reads one IDX file, gzipped or not, as a tensor of the shape in its header. Values of every type
/// become 32-bit floats; they are not scaled.
///
/// # Errors
///
/// [`Error::Io`] if the file can't be read. [`Error::Data`] if its magic number, element type,
/// shape or length is wrong, or a value is not finite.
pub fn read_idx(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    read(path, &mut *stream::open(path)?, Role::Anything)
}

/// Reads a folder of IDX files named as MNIST's are, as (training part, test part).
///
/// The four files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
/// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each alone or with `.gz` at the end, also
/// with `.idx` for `-idx`. The input `image` is `[items, height, width, 1]` with grey values from 0
/// to 1, the target `label` is `[items]` with class indices.
///
/// # Errors
///
/// What [`read_idx`] refuses; further [`Error::Data`] if a file is missing or not of unsigned bytes
/// with the axes its name promises, if there are more or fewer labels than images, or if the images
/// of the two parts differ in size.
pub fn read_idx_folder(path: impl AsRef<Path>) -> Result<(Dataset, Dataset)> {
    let folder = path.as_ref();
    let [train_images, train_labels, test_images, test_labels] = &FILES;
    let part = |images: &FileName, labels: &FileName, part_name: &str| {
        let (images_path, labels_path) = (images.require(folder)?, labels.require(folder)?);
        let mut images = read(&images_path, &mut *stream::open(&images_path)?, Role::Images)?;
        let labels = read(&labels_path, &mut *stream::open(&labels_path)?, Role::Labels)?;
        if images.shape()[0] != labels.shape()[0] {
            return Err(refuse(
                labels_path.display(),
                format!(
                    "expected a label for each of the {} in {}, found {}",
                    count(images.shape()[0], "image"),
                    file_name(&images_path),
                    count(labels.shape()[0], "label"),
                ),
                "take both files from the same data set",
            ));
        }
        images.mapv_inplace(|value| value / 255.0);
        Dataset::new(
            format!("{} {part_name}", file_name(folder)),
            vec![Column::new("image", images.insert_axis(ndarray::Axis(3)))],
            vec![Column::new("label", labels)],
        )
    };
    let train = part(train_images, train_labels, "train")?;
    let test = part(test_images, test_labels, "test")?;
    let (wanted, found) = (train.inputs()[0].item_shape(), test.inputs()[0].item_shape());
    if wanted != found {
        return Err(refuse(
            folder.display(),
            format!(
                "expected test images of {} as for training, found {}",
                describe_shape(wanted),
                describe_shape(found)
            ),
            "take all four files from the same data set",
        ));
    }
    Ok((train, test))
}

impl FileName {
    /// The first of its names under which it stands in the folder.
    fn find(&self, folder: &Path) -> Option<PathBuf> {
        let Self { prefix, what, axes } = self;
        ["-", "."].iter().find_map(|separator| {
            ["", ".gz"].iter().find_map(|ending| {
                let name = format!("{prefix}-{what}{separator}idx{axes}-ubyte{ending}");
                Some(folder.join(name)).filter(|path| path.is_file())
            })
        })
    }

    /// Its path, where it must be there.
    fn require(&self, folder: &Path) -> Result<PathBuf> {
        let Self { prefix, what, axes } = self;
        self.find(folder).ok_or_else(|| {
            refuse(
                folder.display(),
                format!(
                    "expected a file {prefix}-{what}-idx{axes}-ubyte, with or without .gz, found none"
                ),
                "put MNIST's four files there under their usual names",
            )
        })
    }
}

fn read(path: &Path, stream: &mut dyn Read, role: Role) -> Result<Tensor> {
    let origin = path.display();
    let damaged = |problem: String| refuse(path.display(), problem, "fetch the file again");
    let (element, shape) = read_header(path, stream)?;
    check_role(path, role, element, &shape)?;

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
    Tensor::from_shape_vec(shape, values).map_err(|error| damaged(error.to_string()))
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

/// Refuses a file that can't hold what its name promises.
fn check_role(path: &Path, role: Role, element: &Element, shape: &[usize]) -> Result<(), Error> {
    let Some(axes) = role.axes() else { return Ok(()) };
    if element.code == UNSIGNED_BYTE && shape.len() == axes {
        return Ok(());
    }
    let name = |axes, code| match (axes, code) {
        (3, UNSIGNED_BYTE) => "images",
        (1, UNSIGNED_BYTE) => "labels",
        _ => "other values",
    };
    Err(refuse(
        path.display(),
        format!(
            "expected {} (magic number {}), found {} (magic number {}): {} of {}",
            name(axes, UNSIGNED_BYTE),
            hex(&[0, 0, UNSIGNED_BYTE, axes as u8]),
            name(shape.len(), element.code),
            hex(&[0, 0, element.code, shape.len() as u8]),
            describe_shape(shape),
            element.name,
        ),
        "the file may stand under another's name; rename it or fetch it again",
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
