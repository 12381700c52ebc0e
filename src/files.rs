//! Files that are tried before the work that they are for, and that appear at once and whole.
//!
//! ```
//! use caudal::files;
//!
//! # let folder = std::env::temp_dir().join(format!("caudal-files-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! let path = folder.join("result.txt");
//! files::check_writable(&path)?;
//! assert!(!path.exists(), "trying leaves nothing behind");
//! files::replace(&path, b"42")?;
//! assert_eq!(std::fs::read(&path).unwrap(), b"42");
//! assert!(files::check_writable(&folder.join("no/such/folder.txt")).is_err());
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), caudal::Error>(())
//! ```

mod left_behind;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use left_behind::{remove_left_behind, temporary};

use crate::error::{self, Error, Result};
use crate::memory;

/// The most bytes of a name that file systems take.
const LONGEST_NAME: usize = 255;

/// More links than this in a row are a circle.
const MOST_LINKS: usize = 40;

/// Refuses, before the work that it is for, a file that [`replace`] could not write: one without a name
/// or a folder, a folder, a device or a pipe, which would be lost, and whatever the system does not let
/// this program write. It makes an empty file in the folder and removes it again, and leaves what is at
/// `path` as it is. Beginnings of files that killed processes have left in the folder are removed.
///
/// # Errors
/// [`Error::File`], which says what is wrong and what to do.
pub fn check_writable(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let target = target(path)?;
    let folder = folder_of(&target);
    if !folder.is_dir() {
        return Err(refuse(path, "its folder does not exist", "name a file in one that does"));
    }
    let there = existing(path, &target)?;
    remove_left_behind(folder);
    let denied = |error: &std::io::Error, what: &str| {
        refuse(path, format!("{what} can't be written: {error}"), "name a file that can be")
    };
    if there.is_some() {
        // Renaming would replace even a file that nobody may write.
        OpenOptions::new().write(true).open(&target).map_err(|error| denied(&error, "it"))?;
    }
    let tried = temporary(&target);
    let made = OpenOptions::new().write(true).create_new(true).open(&tried);
    made.map_err(|error| denied(&error, "its folder"))?;
    std::fs::remove_file(&tried).map_err(|error| Error::io(&tried, error))
}

/// Writes a file under another name in its folder, waits until it is on the disk, and renames it: at
/// `path` there is what was there before, or all of `bytes`, whatever happens. A file that is replaced
/// hands on its permissions and, where the system allows that, its owner; of a symbolic link the file
/// that it leads to is replaced, and the link stays.
///
/// # Errors
/// [`Error::File`] for what is no file, and [`Error::Io`] if the system refuses. What was at `path` is
/// then still there.
pub fn replace(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let io = |source| Error::io(path, source);
    let target = target(path)?;
    let there = existing(path, &target)?;
    if there.is_some() {
        OpenOptions::new().write(true).open(&target).map_err(io)?;
    }
    let temporary = temporary(&target);
    let written = (|| {
        let mut file = create(&temporary, there.as_ref())?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &target)
    })();
    if let Err(error) = written {
        // It may never have been made.
        let _ = std::fs::remove_file(&temporary);
        return Err(io(error));
    }
    // The new name is in the folder; not every system can be asked to write that down at once.
    if let Ok(folder) = File::open(folder_of(&target)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Keeps what is at `path` under another name, in place of what had that; nothing if nothing is there.
/// What is at `path` stays there.
///
/// # Errors
/// [`Error::Io`] if the system refuses.
pub fn keep_copy(path: impl AsRef<Path>, copy: impl AsRef<Path>) -> Result<()> {
    let target = target(path.as_ref())?;
    if !target.is_file() {
        return Ok(());
    }
    // A second name takes no time; not every file system has them.
    let name = temporary(copy.as_ref());
    let linked = std::fs::hard_link(&target, &name)
        .or_else(|_| std::fs::copy(&target, &name).map(drop))
        .and_then(|()| std::fs::rename(&name, copy.as_ref()));
    // Of two names of one file, as they stand there where a process was killed before it replaced what it had kept,
    // neither is renamed to the other, and no error says so.
    let _ = std::fs::remove_file(&name);
    linked.map_err(|error| Error::io(copy.as_ref(), error))
}

/// Where a file is written that is named so: where the symbolic links lead, be there something or not.
///
/// # Errors
/// [`Error::File`] if it has no name of a file, or if links lead in a circle.
pub fn target(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        if target.file_name().is_none() {
            return Err(refuse(path, "it has no name of a file", "name a file"));
        }
        match std::fs::read_link(&target) {
            Ok(next) => target = folder_of(&target).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(refuse(path, "its symbolic links lead in a circle", "name another file"))
}

/// A name beside a file: with `previous`, `model.safetensors` becomes `model.previous.safetensors`. A name too long for
/// file systems is cut before the word.
///
/// ```
/// use caudal::files::beside;
///
/// let path = beside("a/m.safetensors", "previous");
/// assert_eq!(path.to_str(), Some("a/m.previous.safetensors"));
/// ```
pub fn beside(path: impl AsRef<Path>, word: &str) -> PathBuf {
    let path = path.as_ref();
    let stem = path.file_stem().unwrap_or_default();
    let mut rest = std::ffi::OsString::from(".");
    rest.push(word);
    if let Some(ending) = path.extension() {
        rest.push(".");
        rest.push(ending);
    }
    let mut name = stem.to_owned();
    if stem.len() + rest.len() > LONGEST_NAME {
        let stem = stem.to_string_lossy();
        let end = LONGEST_NAME.saturating_sub(rest.len()).min(stem.len());
        let end = (0..=end).rev().find(|&at| stem.is_char_boundary(at)).unwrap_or(0);
        name = stem[..end].into();
    }
    name.push(rest);
    path.with_file_name(name)
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// What is there, if it is a regular file.
fn existing(path: &Path, target: &Path) -> Result<Option<Metadata>> {
    match std::fs::metadata(target) {
        Ok(there) if there.is_dir() => Err(refuse(path, "it is a folder", "name a file")),
        Ok(there) if !there.is_file() => {
            Err(refuse(path, "it is there and no regular file", "name another file"))
        }
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(refuse(path, format!("it can't be written: {error}"), "name another file"))
        }
    }
}

/// A new file; with the permissions and the owner of the one that it will replace.
fn create(path: &Path, replaced: Option<&Metadata>) -> std::io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    if let Some(there) = replaced {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            // Only the system's administrator may give files away, and a change of owner takes
            // permissions away; so permissions come after it.
            let _ = std::os::unix::fs::fchown(&file, Some(there.uid()), Some(there.gid()));
        }
        file.set_permissions(there.permissions())?;
    }
    Ok(file)
}

/// All of a text file: of a device or a pipe, which may never end, and of what memory does not hold, nothing is read.
///
/// # Errors
/// [`Error::Io`] if the system refuses, and [`Error::Data`] for what is no file, is too large, or is no text in UTF-8,
/// with the line.
pub fn text_of(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let io = |source| Error::io(path, source);
    let file = File::open(path).map_err(io)?;
    let about = file.metadata().map_err(io)?;
    if !about.is_file() {
        return Err(error::refuse(path.display(), "it is no file", "name a file"));
    }
    let length = usize::try_from(about.len()).unwrap_or(usize::MAX);
    memory::check(length).map_err(|problem| {
        let problem = format!("it has {}, {problem}", memory::amount(length));
        error::refuse(path.display(), problem, "take a smaller file")
    })?;
    let mut bytes = Vec::with_capacity(length);
    // What grows meanwhile is not followed.
    file.take(about.len()).read_to_end(&mut bytes).map_err(io)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = line_at(&String::from_utf8_lossy(&error.as_bytes()[..valid]), valid);
        let origin = format!("{}, line {line}", path.display());
        error::refuse(origin, "it is no text in UTF-8", "write it as UTF-8")
    })
}

/// The line of a text at which a byte stands.
pub(crate) fn line_at(text: &str, byte: usize) -> usize {
    1 + text.get(..byte).unwrap_or(text).matches('\n').count()
}

fn refuse(path: &Path, problem: impl Into<String>, remedy: &str) -> Error {
    Error::File { path: path.to_owned(), problem: problem.into(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_can_not_be_written_is_refused_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "old").unwrap();
        let circle = folder.path().join("circle");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        for (path, problem) in [
            (folder.path().join("none/f"), "its folder does not exist"),
            (file.join("g"), "its folder does not exist"),
            (folder.path().to_owned(), "it is a folder"),
            (PathBuf::from("/"), "no name of a file"),
            #[cfg(unix)]
            (PathBuf::from("/dev/null"), "no regular file"),
            #[cfg(target_os = "linux")]
            (PathBuf::from("/proc/caudal.txt"), "its folder can't be written"),
            #[cfg(unix)]
            (circle.clone(), "in a circle"),
            #[cfg(unix)]
            (folder.path().join("l".repeat(256)), "it can't be written: "),
        ] {
            let error = check_writable(&path).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert!(error.starts_with(path.to_str().unwrap()), "{error}");
            assert!(replace(&path, b"new").is_err(), "{}", path.display());
        }
        let long = folder.path().join("l".repeat(255));
        for path in [&file, &folder.path().join("new"), &long] {
            check_writable(path).unwrap();
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"old");
        let left: Vec<_> = names(folder.path()).into_iter().filter(|it| it != "circle").collect();
        assert_eq!(left, ["f"]);
        replace(&long, b"new").unwrap();
    }

    #[test]
    fn names_beside_long_ones_are_cut() {
        let name = "ä".repeat(120) + ".safetensors";
        let cut = beside(&name, "rescued-1");
        let cut = cut.to_str().unwrap();
        assert!((254..=255).contains(&cut.len()), "{cut}");
        assert!(cut.starts_with("ää") && cut.ends_with("ä.rescued-1.safetensors"), "{cut}");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("far")).unwrap();
        std::fs::write(path("far/file"), "old").unwrap();
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path("far/file"), mode(0o640)).unwrap();
        symlink("far/file", path("near")).unwrap();
        symlink("near", path("nearer")).unwrap();
        symlink("far/new", path("dangling")).unwrap();
        for (name, target) in [("nearer", "far/file"), ("dangling", "far/new")] {
            check_writable(path(name)).unwrap();
            replace(path(name), b"new").unwrap();
            assert!(path(name).is_symlink() && !path(target).is_symlink(), "{name}");
            assert_eq!(std::fs::read(path(target)).unwrap(), b"new");
        }
        let kept = std::fs::metadata(path("far/file")).unwrap().permissions().mode();
        assert_eq!(kept & 0o777, 0o640);
        assert_eq!(names(folder.path()), ["dangling", "far", "near", "nearer"]);
        assert_eq!(names(&path("far")), ["file", "new"]);
    }

    #[test]
    fn a_copy_keeps_what_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, copy] = ["file", "copy"].map(|name| folder.path().join(name));
        keep_copy(&file, &copy).unwrap();
        assert!(!copy.exists());
        for text in ["1", "2", "3"] {
            // Twice, as after a kill in between.
            (0..2).for_each(|_| keep_copy(&file, &copy).unwrap());
            replace(&file, text.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"3");
        assert_eq!(std::fs::read(&copy).unwrap(), b"2");
        assert_eq!(names(folder.path()), ["copy", "file"]);
    }
}
