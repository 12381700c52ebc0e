//! Arrays of numbers in files: where their elements lie, and how items of them become numbers of a network.

mod bind;
mod element;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::ShapeBuilder;

pub(super) use crate::data::positioned::PositionedFile;
pub(super) use bind::{MEMORY_OPTION, dataset};
pub(super) use element::{Element, element, element_names};

use super::super::{ItemSource, MAX_VALUES, refuse};
use crate::error::count;
use crate::memory;
use crate::{Error, Result, Shape, Tensor, describe_shape};

/// So many bytes are read at a time where all of an array is.
const PIECE_BYTES: usize = 1 << 20;

/// The name of an array, and what its header says or is refused for.
pub(super) type Named = (String, Result<Array>);

/// Gives all bytes of an array.
type Unpack = Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync>;

/// An array in a file, whose header has been read and checked.
pub(super) struct Array {
    /// What stands in messages, such as ``points.npz, array `x` ``.
    pub(super) origin: String,
    /// The number of items, then the shape of one.
    pub(super) shape: Shape,
    pub(super) element: &'static Element,
    pub(super) big_endian: bool,
    /// Whether the first axis varies fastest, not the last.
    pub(super) fortran: bool,
    pub(super) path: PathBuf,
    /// The file and where in it the elements begin, if they lie there as they are.
    pub(super) position: Option<(Arc<PositionedFile>, u64)>,
    /// Gives all elements at once, where they are packed, or where a checksum says whether they are whole.
    pub(super) unpack: Option<Unpack>,
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.origin, describe_shape(&self.shape), self.element.name)
    }
}

/// How many bytes an array of this shape has.
///
/// # Errors
/// If there are more than any file holds.
pub(super) fn byte_count(origin: &str, shape: &[usize], element: &Element) -> Result<usize> {
    let values = shape.iter().try_fold(1_usize, |size, &length| size.checked_mul(length));
    // An axis that is 0 long does not make the others harmless.
    let largest = shape.iter().max().copied().unwrap_or(1);
    let fits = values.filter(|&values| values <= MAX_VALUES && largest <= MAX_VALUES);
    fits.and_then(|values| values.checked_mul(element.size)).ok_or_else(|| {
        refuse(
            origin,
            format!(
                "expected at most {MAX_VALUES} elements, the header promises {} of {}",
                describe_shape(shape),
                element.name
            ),
            "write the array again; its header is damaged",
        )
    })
}

impl Array {
    /// How many items it has; an array without axes has none.
    pub(super) fn items(&self) -> usize {
        self.shape.first().copied().unwrap_or_default()
    }

    /// How many elements an item has.
    fn item_size(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Whether items are read in Fortran's order: with a single axis, or at most one that is longer than 1, both
    /// orders are the same.
    fn is_turned(&self) -> bool {
        self.fortran && self.shape.iter().filter(|&&length| length > 1).count() > 1
    }

    /// Why its items can't be read one by one, if they can't.
    pub(super) fn whole_because(&self) -> Option<&'static str> {
        if self.position.is_none() {
            Some("it is compressed: write it without compression, as np.savez does")
        } else if self.is_turned() {
            Some("it is in Fortran order: write np.ascontiguousarray(x)")
        } else {
            None
        }
    }

    /// What is wrong with an element.
    fn refuse_element(&self, element: usize, problem: String, remedy: &str) -> Error {
        let item = element / self.item_size().max(1);
        refuse(format!("{}, item {item}", self.origin), problem, remedy)
    }

    /// What it means that elements can't be read, of which `item` is the first.
    fn refuse_reading(&self, item: usize, source: std::io::Error) -> Error {
        if source.kind() == std::io::ErrorKind::UnexpectedEof {
            return refuse(
                format!("{}, item {item}", self.origin),
                "the file ends before it",
                "leave the file alone while it is in use",
            );
        }
        Error::io(&self.path, source)
    }

    /// All elements, with items of `shape`; classes have to be exact.
    ///
    /// # Errors
    /// If memory does not hold them, if they can't be read, or if one of them is refused.
    pub(super) fn load(&self, shape: &[usize], classes: bool) -> Result<Tensor> {
        let values = self.items() * self.item_size();
        let copies = if self.is_turned() { 2 } else { 1 };
        let packed = if self.unpack.is_some() { self.element.size } else { 0 };
        let bytes = values.saturating_mul(copies * size_of::<f32>() + packed);
        memory::check(bytes).map_err(|room| {
            refuse(
                &self.origin,
                format!(
                    "memory does not hold its {}: to take them in needs {}, {room}",
                    count(self.items(), "item"),
                    memory::amount(bytes)
                ),
                "leave out the option memory=yes, or use a part of the items",
            )
        })?;
        let mut numbers = vec![0.0; values];
        let per_piece = PIECE_BYTES / self.element.size;
        let decode = |bytes: &mut [u8], first: usize, into: &mut [f32]| {
            self.element.decode(bytes, self.big_endian, classes, into).map_err(|wrong| {
                self.refuse_element(
                    self.row_major(first + wrong.place),
                    wrong.problem,
                    wrong.remedy,
                )
            })
        };
        match (&self.unpack, &self.position) {
            (Some(unpack), _) => decode(&mut unpack()?, 0, &mut numbers)?,
            (None, Some((file, start))) => {
                let mut bytes = vec![0; PIECE_BYTES.min(values * self.element.size)];
                for (number, piece) in numbers.chunks_mut(per_piece).enumerate() {
                    let first = number * per_piece;
                    let bytes = &mut bytes[..piece.len() * self.element.size];
                    let read =
                        file.read_exact_at(bytes, start + (first * self.element.size) as u64);
                    read.map_err(|source| {
                        self.refuse_reading(self.row_major(first) / self.item_size().max(1), source)
                    })?;
                    decode(bytes, first, piece)?;
                }
            }
            (None, None) => {}
        }
        let unequal = |error: ndarray::ShapeError| {
            refuse(&self.origin, error.to_string(), "write the array again")
        };
        if self.is_turned() {
            let turned =
                Tensor::from_shape_vec(self.shape.as_slice().f(), numbers).map_err(unequal)?;
            numbers = turned.iter().copied().collect();
        }
        Tensor::from_shape_vec([&[self.items()], shape].concat(), numbers).map_err(unequal)
    }

    /// The place of an element in row-major order, given its place in the file.
    fn row_major(&self, place: usize) -> usize {
        if !self.is_turned() {
            return place;
        }
        let (mut rest, mut found) = (place, 0);
        let mut stride = self.items() * self.item_size();
        let mut indices = Vec::with_capacity(self.shape.len());
        for &length in &self.shape {
            indices.push(rest % length.max(1));
            rest /= length.max(1);
        }
        for (index, &length) in indices.iter().zip(&self.shape) {
            stride /= length.max(1);
            found += index * stride;
        }
        found
    }
}

/// An array whose items are read as they are used.
#[derive(Debug)]
struct ArraySource {
    array: Array,
    /// The shape of one item at its node.
    shape: Shape,
    classes: bool,
    file: Arc<PositionedFile>,
    start: u64,
}

impl ItemSource for ArraySource {
    fn items(&self) -> usize {
        self.array.items()
    }

    fn item_shape(&self) -> &[usize] {
        &self.shape
    }

    fn read(&self, items: &[usize], into: &mut [f32]) -> Result<()> {
        let array = &self.array;
        let (size, element) = (array.item_size(), array.element);
        let mut bytes = Vec::new();
        let mut at = 0;
        while at < items.len() {
            // Items that follow each other are read at once.
            let first = items[at];
            let run = items[at..].iter().zip(first..).take_while(|(item, next)| *item == next);
            let run = run.count();
            bytes.resize(run * size * element.size, 0);
            let position = self.start + (first * size * element.size) as u64;
            self.file
                .read_exact_at(&mut bytes, position)
                .map_err(|source| array.refuse_reading(first, source))?;
            let numbers = &mut into[at * size..(at + run) * size];
            element.decode(&mut bytes, array.big_endian, self.classes, numbers).map_err(
                |wrong| {
                    array.refuse_element(first * size + wrong.place, wrong.problem, wrong.remedy)
                },
            )?;
            at += run;
        }
        Ok(())
    }
}

/// The name of a file without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
