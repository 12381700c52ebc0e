//! Folders of images: one image an item, and the folder that it lies in is its class.

mod folder;
#[cfg(feature = "images")]
#[cfg(test)]
mod tests;

use std::path::Path;

use folder::{holds_images, is_image, list};

use super::array::MEMORY_OPTION;
use super::{ReaderSpec, Request, Source};
use crate::data::table::{ImageFolder, ImageRow};
use crate::data::{ImageFit, Table, escaped, file_name, refuse};
use crate::error::Result;

/// The reader's row of the table.
pub(super) static SPEC: ReaderSpec = ReaderSpec {
    name: "images",
    summary: "a folder of PNG and JPEG images with a folder for every class, as in cats/1.png, perhaps below train, \
              validation and test; a folder of images without classes, or a single one, to predict for",
    form: "a folder of images",
    options: &[
        MEMORY_OPTION,
        (
            "resize",
            "how images become as large as the node: exact, stretch, crop or pad; default the `image` of the node, or \
         else exact",
        ),
    ],
    recognizes: |source| {
        let path = Path::new(source);
        if path.is_dir() { holds_images(path) } else { is_image(path) && path.is_file() }
    },
    read,
};

fn read(request: &Request<'_>) -> Result<Source> {
    let path = request.path();
    if cfg!(not(feature = "images")) {
        return Err(refuse(
            request.source,
            "found images, which this build of caudal can't read",
            "build it with its Cargo feature `images`",
        ));
    }
    let fit = request.option("resize").map(|word| {
        ImageFit::from_name(word).ok_or_else(|| {
            refuse(
                format!("data `{}`", escaped(request.source)),
                format!("option `resize` can't be `{}`", escaped(word)),
                "write exact, stretch, crop or pad",
            )
        })
    });
    let fit = fit.transpose()?;
    let streams = request.memory()?.map(|held| !held);
    let name = file_name(path);
    let table = if path.is_dir() {
        let listed = list(path)?;
        let images = ImageFolder { fit, streams, parts: listed.parts };
        Table::of_images(name, path, listed.rows, images, listed.notes)?
    } else {
        let row = ImageRow { file: name.clone(), class: None };
        let folder = path.parent().unwrap_or(Path::new(""));
        let images = ImageFolder { fit, streams, parts: None };
        Table::of_images(name, folder, vec![row], images, Vec::new())?
    };
    Ok(Source::Table(table))
}
