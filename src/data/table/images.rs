//! Images in tables: columns with their paths, and the table of a folder of images.

use std::path::{Path, PathBuf};

use super::bind::lacks;
use super::encoder::{ColumnEncoder, Encoding, NodeEncoder};
use super::field::refuse_field;
use super::fit::Field;
use super::rows::{Rows, Text};
use super::text::Table;
use super::words::{Categories, ImageFit};
use crate::data::images::{Frame, ImageFiles};
use crate::data::{Column, ItemSource, MAX_VALUES, Part, refuse};
use crate::error::Result;
use crate::memory;

/// The column of a folder of images with their paths, and the one with the names of their folders.
const FILE: &str = "file";
const CLASS: &str = "class";

/// What is known of a folder of images beside the columns of its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::data) struct ImageFolder {
    /// How images become as large as their node, where whoever reads the folder says so.
    pub(in crate::data) fit: Option<ImageFit>,
    /// Whether images are decoded as they are used, where whoever reads the folder says so.
    pub(in crate::data) streams: Option<bool>,
    /// What every item is for, where folders say so; otherwise nothing.
    pub(in crate::data) parts: Option<Vec<Part>>,
}

/// One image of a folder.
#[derive(Debug)]
pub(in crate::data) struct ImageRow {
    /// Its path from the folder on, with `/` between its parts.
    pub(in crate::data) file: String,
    /// The folder that names its class; all images of a table have one, or none.
    pub(in crate::data) class: Option<String>,
}

impl Table {
    /// The table of the images in a folder, with a column `file` and, where they have classes, a column `class`.
    pub(in crate::data) fn of_images(
        name: String,
        folder: &Path,
        rows: Vec<ImageRow>,
        images: ImageFolder,
        notes: Vec<String>,
    ) -> Result<Self> {
        let mut table = Self::empty(name, folder.display().to_string());
        table.columns.push(FILE.to_owned());
        if rows.first().is_some_and(|row| row.class.is_some()) {
            table.columns.push(CLASS.to_owned());
        }
        let mut text = Text::default();
        for row in rows {
            text.push(&row.file);
            if let Some(class) = row.class {
                text.push(&class);
            }
        }
        table.rows = Rows::Memory(text);
        folder.clone_into(&mut table.folder);
        table.images = Some(images);
        table.notes = notes;
        table.check()?;
        Ok(table)
    }

    /// The path that a field names.
    pub(super) fn path(&self, field: &str) -> PathBuf {
        if field.is_empty() { self.folder.clone() } else { self.folder.join(field) }
    }

    /// What every item is for, if the folder of the images says so.
    pub(in crate::data) fn own_parts(&self) -> Option<&[Part]> {
        self.images.as_ref()?.parts.as_deref()
    }

    /// The column with the paths of a folder of images.
    pub(super) fn file_column(&self) -> Option<usize> {
        self.images.as_ref().and_then(|_| self.column(FILE))
    }

    /// The column with the classes of a folder of images.
    pub(super) fn class_column(&self) -> Option<usize> {
        self.images.as_ref().and_then(|_| self.column(CLASS))
    }

    /// The files of some items of a folder of images.
    pub(super) fn item_names(&self, rows: &[usize]) -> Result<Option<Vec<String>>> {
        let Some(column) = self.file_column() else { return Ok(None) };
        let name = |&row: &usize| Ok(self.field(row, column)?.into_owned());
        rows.iter().map(name).collect::<Result<_>>().map(Some)
    }

    /// Where the file of an item of a folder of images is; nothing for other tables.
    ///
    /// # Panics
    /// If the table has no such item.
    pub fn image_path(&self, row: usize) -> Option<PathBuf> {
        let field = self.field(row, self.file_column()?).ok()?;
        Some(self.path(&field))
    }
}

impl Field<'_> {
    /// How images become as large as the node, if the column holds such.
    pub(super) fn image_fit(&self, target: bool) -> Option<ImageFit> {
        let folder = self.table.images.as_ref().filter(|_| !target || self.options.image.is_some());
        let files = folder.filter(|_| self.table.file_column() == Some(self.column));
        let of_folder =
            files.map(|images| images.fit.or(self.options.image).unwrap_or(ImageFit::Exact));
        of_folder.or(self.options.image)
    }

    /// The encoding of a column of images.
    pub(super) fn fit_images(&self, fit: ImageFit) -> Result<Encoding> {
        let options = self.options;
        let others = [
            ("scale", options.scale.is_some()),
            ("missing", options.missing.is_some()),
            ("categories", options.categories.is_some()),
            ("unknown", options.unknown.is_some()),
        ];
        if let Some((name, _)) = others.iter().find(|(_, set)| *set) {
            let problem = format!("it holds images, which have no `{name}`");
            return Err(self.misfit(problem, "leave it out; numbers of images reach from 0 to 1"));
        }
        Frame::new(self.node, self.shape, fit)
            .map_err(|(problem, remedy)| self.misfit(problem, &remedy))?;
        Ok(Encoding::Image { fit, width: self.shape.iter().product() })
    }

    /// How the names of folders become numbers, unless the model file says so: as class indices, or as one-hot rows
    /// where a row has as many numbers as there are classes.
    pub(super) fn folder_categories(&self, classes: Option<usize>) -> Option<Categories> {
        let is_class = self.table.class_column() == Some(self.column);
        let single = classes.is_some() || self.shape.iter().product::<usize>() == 1;
        let categories = if single { Categories::Index } else { Categories::OneHot };
        is_class.then_some(categories)
    }
}

impl NodeEncoder {
    /// The images of some items, if the node takes images.
    pub(super) fn images(&self, table: &Table, rows: &[usize]) -> Result<Option<Column>> {
        let [ColumnEncoder { column: name, encoding: Encoding::Image { fit, .. } }] =
            self.columns.as_slice()
        else {
            return Ok(None);
        };
        let column = table.column(name).ok_or_else(|| lacks(table, &self.node, name))?;
        let asked = table.images.as_ref().and_then(|images| images.fit);
        if let Some(asked) = asked.filter(|asked| asked != fit) {
            let problem = format!(
                "images are to be read with `resize={}`, but the network was trained with `{}`",
                asked.name(),
                fit.name()
            );
            return Err(refuse(&table.origin, problem, "leave the option out"));
        }
        let frame = Frame::new(&self.node, &self.shape, *fit)
            .map_err(|(problem, remedy)| refuse(&table.origin, problem, remedy))?;
        let mut files = Vec::with_capacity(rows.len());
        table.each(rows.iter().copied(), |row, fields| {
            let field = fields.field(column);
            if field.is_empty() {
                let problem = "expected the path of an image, found nothing".to_owned();
                let refused = (problem, "fill it in, or leave the line out".to_owned());
                return Err(refuse_field(table, row, column, &self.node, refused));
            }
            let place = match table.images {
                Some(_) => String::new(),
                None => table.place_of(row, column),
            };
            files.push((table.path(field), place));
            Ok(())
        })?;
        let images = ImageFiles::new(frame, files);
        let item: usize = images.item_shape().iter().product();
        let all = images.items().saturating_mul(item);
        if all > MAX_VALUES {
            let problem = format!("node `{}` would have more than {MAX_VALUES} numbers", self.node);
            return Err(refuse(&table.origin, problem, "use fewer or smaller images"));
        }
        let streams = table.images.as_ref().and_then(|images| images.streams);
        let streams = streams.or((!table.in_memory()).then_some(true));
        let bytes = all.saturating_mul(size_of::<f32>());
        images.column(&self.node, streams.unwrap_or_else(|| memory::is_large(bytes))).map(Some)
    }
}
