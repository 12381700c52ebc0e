//! What a command will write, tried before the work that it is for.

use std::path::{Path, PathBuf};

use caudal::files;

use super::Stop;

/// The files that the options of a command name.
#[derive(Debug, Default)]
pub(super) struct Outputs<'a> {
    written: Vec<Output<'a>>,
    read: Vec<(&'static str, PathBuf)>,
}

#[derive(Debug)]
struct Output<'a> {
    option: &'static str,
    path: &'a Path,
    /// Lines are added to what is there, which may then be a pipe.
    appended: bool,
    /// It may take the place of what the command has read.
    replaces: bool,
}

impl<'a> Outputs<'a> {
    /// A file that is written whole.
    pub(super) fn writes(self, option: &'static str, path: Option<&'a PathBuf>) -> Self {
        self.add(option, path, false, false)
    }

    /// A file that is written whole, and may be one that was read by `--resume` or `--init`.
    pub(super) fn saves(self, option: &'static str, path: Option<&'a PathBuf>) -> Self {
        self.add(option, path, false, true)
    }

    /// A file that grows.
    pub(super) fn appends(self, option: &'static str, path: Option<&'a PathBuf>) -> Self {
        self.add(option, path, true, false)
    }

    fn add(
        mut self,
        option: &'static str,
        path: Option<&'a PathBuf>,
        appended: bool,
        replaces: bool,
    ) -> Self {
        self.written.extend(path.map(|path| Output { option, path, appended, replaces }));
        self
    }

    /// A file that the command reads, and so must not write.
    pub(super) fn reads(mut self, what: &'static str, path: Option<&Path>) -> Self {
        self.read.extend(path.map(|path| (what, path.to_owned())));
        self
    }

    /// What `--data` names, if it is a file, without the options behind a colon.
    pub(super) fn reads_data(self, data: &str) -> Self {
        let ends = data.match_indices(':').map(|(end, _)| end).chain([data.len()]);
        let file = ends.map(|end| Path::new(&data[..end])).find(|path| path.is_file());
        self.reads("--data", file)
    }

    /// Refuses what could not be written, two options that name one file, and files that are read.
    pub(super) fn check(&self) -> Result<(), Stop> {
        for (number, output) in self.written.iter().enumerate() {
            let Output { option, path, appended, replaces } = *output;
            let refuse = |problem: String| Stop::Usage(format!("{option} {problem}"));
            let special = std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir());
            if appended && special {
                check_reader(path).map_err(refuse)?;
                continue;
            }
            files::check_writable(path).map_err(|error| refuse(error.to_string()))?;
            let same = |other: &Path| is_same(path, other, appended);
            let clash = self.written[..number].iter().find(|other| same(other.path));
            let clash = clash.map(|other| other.option).or_else(|| {
                let mut read = self
                    .read
                    .iter()
                    .filter(|(what, _)| !(replaces && ["--resume", "--init"].contains(what)));
                read.find(|(_, other)| same(other)).map(|(what, _)| *what)
            });
            if let Some(other) = clash {
                return Err(refuse(format!(
                    "{}: it is the file of {other} too; name another file for one of them",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

/// Refuses a pipe that nobody reads: who opens it waits until somebody does.
#[cfg(target_os = "linux")]
fn check_reader(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    if !std::fs::metadata(path).is_ok_and(|there| there.file_type().is_fifo()) {
        return Ok(());
    }
    let opened = std::fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.map(drop).map_err(|_| {
        format!("{}: it is a pipe that nobody reads; begin to read it before", path.display())
    })
}

#[cfg(not(target_os = "linux"))]
fn check_reader(_path: &Path) -> Result<(), String> {
    Ok(())
}

/// Whether two names lead to one file, be it there or not, and still would once lines are added to it, or else once it is
/// replaced.
fn is_same(one: &Path, other: &Path, appended: bool) -> bool {
    #[cfg(not(unix))]
    let _ = appended;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let about = |path| std::fs::metadata(path);
        if let (Ok(one), Ok(other)) = (about(one), about(other)) {
            if (one.dev(), one.ino()) != (other.dev(), other.ino()) {
                return false;
            }
            // Several names of one file are none any more once one of them is replaced: so a save and the one before are
            // left by a process that is killed between the two.
            if appended || one.nlink() == 1 {
                return true;
            }
        }
    }
    let place = |path: &Path| {
        let target = files::target(path).ok()?;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(folder.join(target.file_name()?))
    };
    place(one).is_some_and(|one| place(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outputs: &Outputs<'_>) -> String {
        match outputs.check() {
            Err(Stop::Usage(message)) => message,
            Ok(()) => String::new(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_two_options_name_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let [a, again, data] = ["a", "./a", "data.csv"].map(path);
        std::fs::write(&data, "").unwrap();
        let both = Outputs::default().saves("--save", Some(&a)).writes("--trace", Some(&again));
        assert!(told(&both).contains("the file of --save too"), "{}", told(&both));
        std::fs::write(&a, "").unwrap();
        assert!(told(&both).starts_with("--trace "), "{}", told(&both));
        #[cfg(unix)]
        {
            let link = path("link");
            std::os::unix::fs::symlink("a", &link).unwrap();
            let linked =
                Outputs::default().writes("--report", Some(&a)).saves("--best", Some(&link));
            assert!(told(&linked).contains("--report"), "{}", told(&linked));
        }
        let second = path("second-name");
        std::fs::hard_link(&a, &second).unwrap();
        let saved = Outputs::default().saves("--save", Some(&a)).saves("--best", Some(&second));
        assert_eq!(told(&saved), "");
        let grown = Outputs::default().saves("--save", Some(&a)).appends("--log", Some(&second));
        assert!(told(&grown).contains("the file of --save too"), "{}", told(&grown));
        std::fs::remove_file(&second).unwrap();
        let with_options = format!("{}:label=class", data.display());
        let over_data = Outputs::default().reads_data(&with_options).saves("--save", Some(&data));
        assert!(told(&over_data).contains("the file of --data too"), "{}", told(&over_data));
        let resumed = Outputs::default().reads("--resume", Some(&a)).saves("--save", Some(&again));
        assert_eq!(told(&resumed), "");
        let logged = Outputs::default().reads("--resume", Some(&a)).appends("--log", Some(&again));
        assert!(told(&logged).contains("the file of --resume too"), "{}", told(&logged));
        let apart = Outputs::default().saves("--save", Some(&a)).saves("--best", Some(&data));
        assert_eq!(told(&apart), "");
    }
}
