//! Images that fields of a table name, as numbers.

#[cfg(feature = "images")]
mod decode;
#[cfg(feature = "images")]
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::table::ImageFit;
use super::{Column, ItemSource, escaped, refuse};
use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{Shape, Tensor, describe_shape};

/// Images that are decoded beside each other before errors are looked for.
const AT_ONCE: usize = 256;

/// What an image becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The node that takes it.
    pub(super) node: String,
    pub(super) height: usize,
    pub(super) width: usize,
    /// 1, 3 or 4.
    pub(super) channels: usize,
    pub(super) fit: ImageFit,
}

impl Frame {
    /// What an image becomes for a node of some shape.
    ///
    /// # Errors
    /// If no image has the shape: what was expected and found, and what to do.
    pub(super) fn new(
        node: &str,
        shape: &[usize],
        fit: ImageFit,
    ) -> Result<Self, (String, String)> {
        match *shape {
            [height, width, channels @ (1 | 3 | 4)]
                if height.max(width) <= u16::MAX.into() && !shape.contains(&0) =>
            {
                Ok(Self { node: node.to_owned(), height, width, channels, fit })
            }
            _ => Err((
                format!(
                    "images need a node of height x width x 1, 3 or 4 channels, node `{}` has the shape {}",
                    escaped(node),
                    describe_shape(shape)
                ),
                "write it as in `shape = [32, 32, 3]`, for colours, or `[32, 32, 1]`, for grey values; a layer \
                 `reshape` or `flatten` may follow"
                    .to_owned(),
            )),
        }
    }
}

/// Image files, one an item.
#[derive(Debug)]
pub(super) struct ImageFiles {
    frame: Frame,
    shape: Shape,
    /// Each with what stands for it in messages.
    files: Vec<(PathBuf, String)>,
}

impl ImageFiles {
    /// Of the files that items have, each with what stands for the item in messages.
    pub(super) fn new(frame: Frame, files: Vec<(PathBuf, String)>) -> Self {
        let shape = vec![frame.height, frame.width, frame.channels];
        Self { frame, shape, files }
    }

    /// All of them as the column of a node, in memory, or decoded as they are used.
    ///
    /// # Errors
    /// If they are to be in memory: [`Error::Data`] if that does not hold them, or of the first that can't be decoded.
    pub(super) fn column(self, node: &str, streams: bool) -> Result<Column> {
        if streams {
            return Ok(Column::from_source(node, Arc::new(self)));
        }
        let shape = [&[self.items()], self.item_shape()].concat();
        let numbers = shape.iter().product::<usize>();
        let bytes = numbers.saturating_mul(size_of::<f32>());
        memory::check(bytes).map_err(|room| {
            let amount = memory::amount(bytes);
            let problem = format!("memory does not hold its images: they take {amount}, {room}");
            refuse(format!("node `{}`", escaped(node)), problem, "leave `memory=yes` out")
        })?;
        let mut values = vec![0.0; numbers];
        let all: Vec<usize> = (0..self.items()).collect();
        self.read(&all, &mut values)?;
        let values = Tensor::from_shape_vec(shape, values)
            .map_err(|error| refuse("images", error.to_string(), "use fewer images"))?;
        Ok(Column::new(node, values))
    }

    fn decode(&self, item: usize, into: &mut [f32]) -> Result<()> {
        let (path, place) = &self.files[item];
        self.decode_file(path, into)
            .map_err(|(problem, remedy)| refused(path, place, problem, remedy))
    }

    #[cfg(feature = "images")]
    fn decode_file(&self, path: &Path, into: &mut [f32]) -> Result<(), (String, String)> {
        decode::decode(path, &self.frame, into)
    }

    #[cfg(not(feature = "images"))]
    fn decode_file(&self, _path: &Path, _into: &mut [f32]) -> Result<(), (String, String)> {
        Err((
            format!(
                "node `{}` takes an image, which this build of caudal can't read",
                self.frame.node
            ),
            "build it with its Cargo feature `images`".to_owned(),
        ))
    }
}

impl ItemSource for ImageFiles {
    fn items(&self) -> usize {
        self.files.len()
    }

    fn item_shape(&self) -> &[usize] {
        &self.shape
    }

    /// Decodes several beside each other. The error is that of the first that can't be decoded.
    fn read(&self, items: &[usize], into: &mut [f32]) -> Result<()> {
        let size = self.shape.iter().product::<usize>().max(1);
        for (items, into) in items.chunks(AT_ONCE).zip(into.chunks_mut(AT_ONCE * size)) {
            let decoded: Vec<Result<()>> = items
                .par_iter()
                .zip(into.par_chunks_mut(size))
                .map(|(&item, numbers)| self.decode(item, numbers))
                .collect();
            decoded.into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    }
}

/// What is wrong with the file of an item.
fn refused(path: &Path, place: &str, problem: String, remedy: String) -> Error {
    let path = path.display().to_string();
    let origin = if place.is_empty() { path } else { format!("{place}: {path}") };
    refuse(origin, problem, remedy)
}
