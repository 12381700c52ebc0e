//! Folders of IDX files, such as those of MNIST: which files hold what, and the data sets that they make.

mod file;
mod names;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use file::Array;
use names::{Pair, find, folders};

use super::{ReaderSpec, Request, Source};
use crate::data::{Column, Dataset, file_name, refuse, stream};
use crate::error::count;
use crate::{Result, Tensor, describe_shape};

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "idx",
    summary: "a folder of IDX files whose names say what they hold, such as train-images-idx3-ubyte, with or without \
              .gz, or a folder in which torchvision has put them",
    form: "a folder of IDX files",
    options: &[(
        "only",
        "reads only files whose names contain this, where a folder holds several sets; default all",
    )],
    recognizes: |source| !folders(Path::new(source)).is_empty(),
    read: read_folder,
};

/// Reads one IDX file, gzipped or not, as a tensor of the shape in its header. Values of every type
/// become 32-bit floats; they are not scaled.
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) if the file can't be read. [`Error::Data`](crate::Error::Data) if its magic
/// number, element type, shape or length is wrong, or a value is not finite.
pub fn read_idx(path: impl AsRef<Path>) -> Result<Tensor> {
    Ok(read_file(path.as_ref())?.values)
}

/// Reads a folder of IDX files, as (training part, test part).
///
/// The four files have names like MNIST's: cut into words wherever something stands that is neither a letter
/// nor a digit, one says `train` or `training`, or else `test`, `testing` or `t10k`; and one says `images`,
/// `image`, `x` or `data`, or else `labels`, `label`, `y`, `targets` or `target`. So
/// `train-images-idx3-ubyte`, `t10k-labels.idx1-ubyte.gz` and `emnist-digits-test-labels-idx1-ubyte` are known, and any
/// other name of that kind whose file begins as IDX files do. They lie in the folder, in `raw` or in
/// `NAME/raw`, as torchvision puts them.
///
/// The input `image` is `[items, height, width, channels]`: images without an axis of channels get one of length 1,
/// and items of one axis stay so. Unsigned bytes are divided by 255, so that they reach from 0 to 1; values of all
/// other types, floats among them, stay as they are. The target `label` is as in its file, `[items]` for class
/// indices, or `[items, numbers]`.
///
/// # Errors
///
/// What [`read_idx`] refuses; further [`Error::Data`](crate::Error::Data) if a file is missing or there are two of a
/// kind, if images or labels have more or fewer axes than these, if there are more or fewer labels than images,
/// or if the images of the two parts differ in size.
pub fn read_idx_folder(path: impl AsRef<Path>) -> Result<(Dataset, Dataset)> {
    let folder = path.as_ref();
    match read_parts(folder, None)? {
        (train, Some(test)) => Ok((train, test)),
        (_, None) => Err(missing(&place(folder)?, "test", "t10k", "images")),
    }
}

/// Reads the folder of a request; without test files, as one piece.
fn read_folder(request: &Request<'_>) -> Result<Source> {
    Ok(match read_parts(request.path(), request.option("only"))? {
        (train, Some(test)) => Source::Parts { train, test },
        (train, None) => Source::Items(train),
    })
}

/// The one folder that holds the files.
fn place(folder: &Path) -> Result<PathBuf> {
    let mut all = folders(folder);
    if let [first, second, ..] = &all[..] {
        return Err(refuse(
            folder.display(),
            format!(
                "expected one set of IDX files, found one in `{}` and one in `{}`",
                first.display(),
                second.display()
            ),
            "name one of these folders",
        ));
    }
    Ok(all.pop().unwrap_or_else(|| folder.to_owned()))
}

fn read_parts(folder: &Path, only: Option<&str>) -> Result<(Dataset, Option<Dataset>)> {
    let place = place(folder)?;
    let found = find(&place, only)?;
    let name = file_name(folder);
    let train = read_part(&place, &found.train, ["train", "train"], &name)?;
    if found.test.images.is_none() && found.test.labels.is_none() {
        return Ok((train.renamed(name), None));
    }
    let test = read_part(&place, &found.test, ["test", "t10k"], &name)?;
    let (wanted, found) = (train.inputs()[0].item_shape(), test.inputs()[0].item_shape());
    if wanted != found {
        return Err(refuse(
            place.display(),
            format!(
                "expected test images of {} as for training, found {}",
                describe_shape(wanted),
                describe_shape(found)
            ),
            "take all four files from the same data set",
        ));
    }
    Ok((train, Some(test)))
}

/// The images and labels of one part, which is called `part` in names of data sets, and `prefix` in MNIST's files.
fn read_part(folder: &Path, pair: &Pair, [part, prefix]: [&str; 2], name: &str) -> Result<Dataset> {
    let require = |path: &Option<PathBuf>, what: &str| {
        path.clone().ok_or_else(|| missing(folder, part, prefix, what))
    };
    let images_path = require(&pair.images, "images")?;
    let labels_path = require(&pair.labels, "labels")?;
    let Array { element, values: mut images } = read_file(&images_path)?;
    check_axes(&images_path, "images", images.shape(), 2..=4, element.name)?;
    let Array { element: labels_type, values: labels } = read_file(&labels_path)?;
    check_axes(&labels_path, "labels", labels.shape(), 1..=2, labels_type.name)?;
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
    if element.is_unsigned_byte() {
        images.mapv_inplace(|value| value / 255.0);
    }
    if images.ndim() == 3 {
        images = images.insert_axis(ndarray::Axis(3));
    }
    Dataset::new(
        format!("{name} {part}"),
        vec![Column::new("image", images)],
        vec![Column::new("label", labels)],
    )
}

fn read_file(path: &Path) -> Result<Array> {
    file::read(path, &mut *stream::open(path)?)
}

/// The refusal of a folder that lacks a file.
fn missing(folder: &Path, part: &str, prefix: &str, what: &str) -> crate::Error {
    let axes = if what == "images" { 3 } else { 1 };
    refuse(
        folder.display(),
        format!(
            "expected a file with the {what} of the {part} part, such as {prefix}-{what}-idx{axes}-ubyte, with or \
             without .gz, found none"
        ),
        "put MNIST's four files there under their usual names, or others whose names say `train` or `test`, and \
         `images` or `labels`",
    )
}

/// Refuses a file that can't hold what its name promises.
fn check_axes(
    path: &Path,
    what: &str,
    shape: &[usize],
    axes: std::ops::RangeInclusive<usize>,
    element: &str,
) -> Result<()> {
    if axes.contains(&shape.len()) {
        return Ok(());
    }
    Err(refuse(
        path.display(),
        format!(
            "expected {what}, with {} to {} axes, found {} of {element}",
            axes.start(),
            axes.end(),
            describe_shape(shape),
        ),
        "the file may stand under another's name; rename it or fetch it again",
    ))
}
