//! `.npy` files, as numpy writes them: one array.
//!
//! A file begins with a magic text, the version of the format, the length of a header and the header, a literal of
//! Python: type of elements, order of axes, shape. The elements follow
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>). Everything a header says is checked
//! against what the file holds before memory is spent on it.

mod literal;

use std::io::{self, Read};
use std::sync::Arc;

use literal::Literal;

use super::array::{
    Array, Element, MEMORY_OPTION, PositionedFile, byte_count, dataset, element, element_names,
    stem,
};
use super::{ReaderSpec, Source, ends_with};
use crate::data::{escaped, refuse};
use crate::error::count;
use crate::{Error, Result, Shape};

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "npy",
    summary: "an array in a file that ends in .npy: for the only input, or for the node called like the file; its \
              first axis counts the items",
    form: "a .npy file",
    options: &[MEMORY_OPTION],
    recognizes: |source| ends_with(source, ".npy"),
    read: |request| {
        let path = request.path();
        let file = Arc::new(PositionedFile::open(path)?);
        let origin = path.display().to_string();
        let start = usize::try_from(file.length()).unwrap_or(usize::MAX).min(LARGEST_HEADER);
        let mut bytes = vec![0; start];
        file.read_exact_at(&mut bytes, 0).map_err(|source| Error::io(path, source))?;
        let header = Header::read(&origin, &mut bytes.as_slice())?;
        header.check_length(&origin, file.length())?;
        let position = Some((file, header.length as u64));
        let array = Array {
            origin,
            shape: header.shape,
            element: header.element,
            big_endian: header.big_endian,
            fortran: header.fortran,
            path: path.to_owned(),
            position,
            unpack: None,
        };
        Ok(Source::Items(dataset(request, vec![(stem(path), Ok(array))], true)?))
    },
};

/// Longer headers, which only structured types have, are refused.
pub(super) const LARGEST_HEADER: usize = 1 << 16;

const MAGIC: &[u8] = b"\x93NUMPY";

/// What stands before the elements.
#[derive(Debug)]
pub(super) struct Header {
    /// Bytes before the elements.
    pub(super) length: usize,
    pub(super) shape: Shape,
    pub(super) element: &'static Element,
    pub(super) big_endian: bool,
    pub(super) fortran: bool,
}

impl Header {
    /// Reads a header from the start of a stream.
    ///
    /// # Errors
    /// [`Error::Data`] with `origin`, if it is damaged, or if its elements are of a kind that is not read.
    pub(super) fn read(origin: &str, stream: &mut dyn Read) -> Result<Self> {
        let damaged = |problem: String| refuse(origin, problem, "write it again with np.save");
        let mut taken = 0;
        let mut take = |size: usize| -> Result<Vec<u8>> {
            let mut bytes = vec![0; size];
            stream.read_exact(&mut bytes).map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => {
                    damaged("expected the header of an array, the file ends within it".to_owned())
                }
                _ => Error::io(origin, source),
            })?;
            taken += size;
            Ok(bytes)
        };
        if take(MAGIC.len())? != MAGIC {
            return Err(damaged(
                "expected an array of NumPy, which begins with \\x93NUMPY".to_owned(),
            ));
        }
        let version = take(2)?;
        let long = match version[0] {
            1 => false,
            2 | 3 => true,
            other => {
                return Err(damaged(format!(
                    "expected version 1, 2 or 3 of the format, found {other}"
                )));
            }
        };
        let bytes = take(if long { 4 } else { 2 })?;
        let size = bytes.iter().rev().fold(0_usize, |all, &byte| all << 8 | usize::from(byte));
        if size > LARGEST_HEADER - 12 {
            return Err(damaged(format!(
                "expected a header of at most {} bytes, it would have {size}",
                LARGEST_HEADER - 12
            )));
        }
        let text = take(size)?;
        // The first two versions are in Latin-1, of which no name of a field matters here.
        let text = String::from_utf8_lossy(&text);
        let literal = Literal::parse(&text)
            .map_err(|problem| damaged(format!("its header can't be read: {problem}")))?;
        let (big_endian, element) = kind(origin, literal.entry("descr"))?;
        let Some(Literal::Bool(fortran)) = literal.entry("fortran_order") else {
            return Err(damaged(
                "its header does not say whether it is in Fortran order".to_owned(),
            ));
        };
        let shape = match literal.entry("shape") {
            Some(Literal::List(lengths)) => lengths
                .iter()
                .map(|length| match length {
                    Literal::Number(length) => usize::try_from(*length).ok(),
                    _ => None,
                })
                .collect::<Option<Shape>>(),
            _ => None,
        };
        let Some(shape) = shape else {
            return Err(damaged("its header has no shape".to_owned()));
        };
        byte_count(origin, &shape, element)?;
        Ok(Self { length: taken, shape, element, big_endian, fortran: *fortran })
    }

    /// Refuses elements that are more or fewer than a file or member of `length` bytes has.
    pub(super) fn check_length(&self, origin: &str, length: u64) -> Result<()> {
        let bytes = byte_count(origin, &self.shape, self.element)?;
        let found = length.saturating_sub(self.length as u64);
        if found == bytes as u64 {
            return Ok(());
        }
        Err(refuse(
            origin,
            format!(
                "expected {} after the header, for {} of {}, found {found}",
                count(bytes, "byte"),
                crate::describe_shape(&self.shape),
                self.element.name
            ),
            "fetch or write the file again",
        ))
    }
}

/// The type of elements and whether they are big-endian, by a text such as `<f8`.
fn kind(origin: &str, literal: Option<&Literal>) -> Result<(bool, &'static Element)> {
    let refused = |found: String, remedy: String| {
        Err(refuse(origin, format!("expected elements that are numbers, found {found}"), remedy))
    };
    let text = match literal {
        Some(Literal::Text(text)) => text.as_str(),
        Some(Literal::List(_)) => {
            return refused(
                "a structured type".to_owned(),
                "store every field as an array of its own, as in np.savez(FILE, **{name: x[name] for name in \
                 x.dtype.names})"
                    .to_owned(),
            );
        }
        _ => return refused("no type".to_owned(), "write it again with np.save".to_owned()),
    };
    let mut characters = text.chars();
    let order = characters.next().unwrap_or(' ');
    let kind = characters.next().unwrap_or(' ');
    let bits: Option<u32> =
        characters.as_str().parse::<u32>().ok().and_then(|it| it.checked_mul(8));
    let name = match kind {
        'b' if bits == Some(8) => Some("bool".to_owned()),
        'i' => bits.map(|bits| format!("int{bits}")),
        'u' => bits.map(|bits| format!("uint{bits}")),
        'f' => bits.map(|bits| format!("float{bits}")),
        _ => None,
    };
    let known = name.as_deref().and_then(element);
    if let (Some(element), '<' | '>' | '|' | '=') = (known, order) {
        return Ok((order == '>', element));
    }
    let shown = escaped(&text.chars().take(40).collect::<String>());
    let words = "make numbers of them: np.unique(x, return_inverse=True) numbers words as classes"
        .to_owned();
    let (what, remedy) = match kind {
        'O' => (
            "objects of Python",
            "store an array of numbers, as np.asarray(x, dtype=np.float32)".to_owned(),
        ),
        'U' | 'S' | 'a' => ("texts", words),
        'c' => ("complex numbers", "store x.real and x.imag as arrays".to_owned()),
        'M' | 'm' => {
            ("times", "store them as numbers, as x.astype(np.int64) gives them".to_owned())
        }
        'V' => ("raw bytes", "store an array of numbers".to_owned()),
        _ => ("a type that is not read", format!("store one of {}", element_names())),
    };
    refused(format!("{what} (`{shown}`)"), remedy)
}
