//! What lies in a folder of images.

use std::fs;
use std::path::{Path, PathBuf};

use crate::data::table::ImageRow;
use crate::data::{Part, refuse};
use crate::error::{Error, Result};

/// Names of files that are images, by their endings in small letters.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// What other programs leave in folders, beside everything whose name begins with a point.
const LEFT_BEHIND: [&str; 3] = ["thumbs.db", "desktop.ini", "__macosx"];

/// Folders within folders, at most.
const DEEPEST: usize = 32;

/// The folders of parts, in the order in which their images are listed.
const PARTS: [(&str, Part); 4] = [
    ("train", Part::Train),
    ("val", Part::Validation),
    ("validation", Part::Validation),
    ("test", Part::Test),
];

/// The images of a folder.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) rows: Vec<ImageRow>,
    /// What every image is for, where folders say so.
    pub(super) parts: Option<Vec<Part>>,
    /// What a user should know.
    pub(super) notes: Vec<String>,
    /// Files that are no images: how many, and the first.
    others: (usize, PathBuf),
}

/// One folder's contents, each in the order of their names.
#[derive(Default)]
struct Contents {
    folders: Vec<String>,
    images: Vec<String>,
    others: Vec<String>,
}

pub(super) fn is_image(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.contains(&ending.to_lowercase().as_str()))
}

/// Whether an image lies in a folder, in one of its folders, or in one of theirs.
pub(super) fn holds_images(folder: &Path) -> bool {
    fn within(folder: &Path, levels: usize) -> bool {
        let Ok(contents) = contents(folder) else { return false };
        let mut folders = contents.folders.iter();
        !contents.images.is_empty()
            || (levels > 0 && folders.any(|name| within(&folder.join(name), levels - 1)))
    }
    within(folder, 2)
}

/// Reads what a folder holds.
fn contents(folder: &Path) -> Result<Contents> {
    let mut contents = Contents::default();
    for entry in fs::read_dir(folder).map_err(|source| Error::io(folder, source))? {
        let entry = entry.map_err(|source| Error::io(folder, source))?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(refuse(
                path.display(),
                "its name is no UTF-8 text",
                "rename it, or move it elsewhere",
            ));
        };
        if name.starts_with('.') || LEFT_BEHIND.contains(&name.to_lowercase().as_str()) {
            continue;
        }
        // What can't be looked at, such as a link that leads nowhere, is refused when it is decoded.
        let (is_folder, is_file) =
            fs::metadata(&path).map_or((false, true), |it| (it.is_dir(), it.is_file()));
        match () {
            () if is_folder => contents.folders.push(name),
            () if is_file && is_image(&path) => contents.images.push(name),
            () => contents.others.push(name),
        }
    }
    contents.folders.sort_unstable();
    contents.images.sort_unstable();
    contents.others.sort_unstable();
    Ok(contents)
}

/// All images of a folder, in the order of the names of folders and files.
///
/// # Errors
/// [`Error::Io`] if a folder can't be read; [`Error::Data`] if it holds no images, if some lie in folders of classes
/// and some beside them, or if a link leads back to a folder around it.
pub(super) fn list(folder: &Path) -> Result<Listed> {
    let mut listed = Listed::default();
    let top = contents(folder)?;
    let part_of = |name: &String| {
        let name = name.to_lowercase();
        PARTS.iter().position(|(part, _)| *part == name)
    };
    let places: Vec<Option<usize>> = top.folders.iter().map(part_of).collect();
    if places.contains(&Some(0)) && places.iter().all(Option::is_some) {
        refuse_beside(folder, &top)?;
        let mut parts: Vec<(usize, &String)> =
            places.into_iter().flatten().zip(&top.folders).collect();
        parts.sort_unstable();
        let mut part_of_rows = Vec::new();
        for (place, name) in parts {
            let within = contents(&folder.join(name))?;
            refuse_beside(&folder.join(name), &within)?;
            listed.add_classes(folder, &format!("{name}/"), &within)?;
            part_of_rows.resize(listed.rows.len(), PARTS[place].1);
        }
        listed.parts = Some(part_of_rows);
    } else if top.images.is_empty() {
        listed.add_classes(folder, "", &top)?;
    } else {
        let holds = |name: &&String| holds_images(&folder.join(name));
        if let Some(class) = top.folders.iter().find(holds) {
            return Err(refuse(
                folder.display(),
                format!(
                    "expected all images in folders of classes, or all beside each other, found `{}` beside \
                         the folder `{class}`",
                    top.images[0]
                ),
                "move every image into the folder of its class",
            ));
        }
        listed.note_others(folder, "", &top);
        listed.rows.extend(top.images.into_iter().map(|file| ImageRow { file, class: None }));
    }
    if listed.rows.is_empty() {
        let problem = "expected images whose names end in .png, .jpg or .jpeg, found none";
        return Err(refuse(folder.display(), problem, "put images there"));
    }
    if listed.others.0 > 0 {
        let (count, first) = &listed.others;
        let (files, are) = if *count == 1 { ("file", "is") } else { ("files", "are") };
        listed.notes.push(format!(
            "{}: {count} {files} whose names do not end in .png, .jpg or .jpeg {are} passed over, such as {}",
            folder.display(),
            first.display()
        ));
    }
    Ok(listed)
}

/// Refuses images that lie beside folders of classes.
fn refuse_beside(folder: &Path, contents: &Contents) -> Result<()> {
    match contents.images.first() {
        None => Ok(()),
        Some(image) => Err(refuse(
            folder.display(),
            format!("expected folders of classes, found the image `{image}`"),
            "move every image into the folder of its class, as in train/cats/1.png",
        )),
    }
}

impl Listed {
    /// Adds the images of every class, whose folders `within` lists; `before` is what their paths begin with.
    fn add_classes(&mut self, root: &Path, before: &str, within: &Contents) -> Result<()> {
        self.note_others(root, before, within);
        for class in &within.folders {
            let count = self.rows.len();
            let path = format!("{before}{class}");
            let mut around = vec![identity(root)?];
            self.add_folder(root, &path, class, &mut around)?;
            if self.rows.len() == count {
                self.notes.push(format!(
                    "{}: the folder holds no images, so it is no class",
                    root.join(&path).display()
                ));
            }
        }
        Ok(())
    }

    /// Adds the images at and below a folder, which lies in those of `around`.
    fn add_folder(
        &mut self,
        root: &Path,
        path: &str,
        class: &str,
        around: &mut Vec<PathBuf>,
    ) -> Result<()> {
        let folder = root.join(path);
        let own = identity(&folder)?;
        if around.contains(&own) || around.len() > DEEPEST {
            return Err(refuse(
                folder.display(),
                "the folder lies within itself, by way of a link, or too deep within others",
                "remove the link, or move the images up",
            ));
        }
        around.push(own);
        let within = contents(&folder)?;
        self.note_others(root, &format!("{path}/"), &within);
        for image in &within.images {
            let file = format!("{path}/{image}");
            self.rows.push(ImageRow { file, class: Some(class.to_owned()) });
        }
        for inner in &within.folders {
            self.add_folder(root, &format!("{path}/{inner}"), class, around)?;
        }
        around.pop();
        Ok(())
    }

    fn note_others(&mut self, root: &Path, before: &str, within: &Contents) {
        if let (0, Some(first)) = (self.others.0, within.others.first()) {
            self.others.1 = root.join(format!("{before}{first}"));
        }
        self.others.0 += within.others.len();
    }
}

/// A folder, however it is reached.
fn identity(folder: &Path) -> Result<PathBuf> {
    folder.canonicalize().map_err(|source| Error::io(folder, source))
}
