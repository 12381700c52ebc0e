//! Models by name, wherever they are: among the presets, in a model file, or with a saved network.

use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{CustomKinds, Model};
use crate::presets;
use crate::train::checkpoint;

/// Files larger than this are no model files.
const LARGEST_FILE: u64 = 64 << 20;

impl Model {
    /// The model that a user asks for: a preset by name, with arguments as [`presets::open`] reads them,
    /// a file whose name ends in `.toml`, that of a network that was saved to a file whose name ends in
    /// `.safetensors`, that of an ONNX file, whose name ends in `.onnx`, with what a
    /// file beside it says of its training, or, with nothing asked for, [`presets::DEFAULT`].
    ///
    /// # Errors
    /// [`Error::Model`] for unknown names and for files that are no models, and [`Error::Io`] for
    /// files that can't be read.
    pub fn open(name_or_path: Option<&str>) -> Result<Self> {
        Self::open_with(name_or_path, &CustomKinds::new())
    }

    /// As [`Model::open`], for files that may name kinds of your own.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_with(name_or_path: Option<&str>, kinds: &CustomKinds) -> Result<Self> {
        let name = name_or_path.unwrap_or(presets::DEFAULT);
        let path = Path::new(name);
        let ends_in =
            |end: &str| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(end));
        if ends_in("toml") {
            Self::from_toml_with(&read_text(path, name)?, name, kinds)
        } else if ends_in("safetensors") {
            Ok(checkpoint::open_with(path, kinds)?.0)
        } else if ends_in("onnx") {
            open_onnx(path, kinds)
        } else {
            presets::open(name)
        }
    }
}

#[cfg(feature = "onnx")]
fn open_onnx(path: &Path, kinds: &CustomKinds) -> Result<Model> {
    Ok(crate::onnx::open_with(path, kinds)?.model)
}

#[cfg(not(feature = "onnx"))]
fn open_onnx(path: &Path, _: &CustomKinds) -> Result<Model> {
    Err(Error::Model {
        origin: path.display().to_string(),
        problem: "this build reads no ONNX files".to_owned(),
        remedy: "build with the feature `onnx`".to_owned(),
    })
}

/// The text of a model file; `name` stands in errors for it.
fn read_text(path: &Path, name: &str) -> Result<String> {
    let io = |source| Error::io(path, source);
    let refuse = |problem: &str, remedy: &str| Error::Model {
        origin: name.to_owned(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() || metadata.len() > LARGEST_FILE {
        return Err(refuse("it is not a file of at most 64 MiB", "name a model file"));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        refuse(&format!("byte {good} is not UTF-8 text"), "save the file as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"
        name = "single"
        outputs = ["y"]
        node = [
            { name = "x", kind = "input", shape = [4] },
            { name = "y", kind = "relu", inputs = ["x"] },
        ]
    "#;

    #[test]
    fn models_are_opened_by_name_and_by_path() {
        assert_eq!(Model::open(None).unwrap().graph.name(), "digits");
        assert_eq!(Model::open(Some("mnist-cnn")).unwrap().graph.name(), "mnist-cnn");
        let message = Model::open(Some("digit")).unwrap_err().to_string();
        assert!(message.contains("did you mean `digits`?"), "{message}");
        assert!(message.contains("must end in .toml"), "{message}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.TOML");
        let path = path.to_str().unwrap();
        assert!(matches!(Model::open(Some(path)), Err(Error::Io { .. })));
        std::fs::write(path, MODEL).unwrap();
        assert_eq!(Model::open(Some(path)).unwrap().graph.name(), "single");
        std::fs::write(path, b"name = \"\xff\"").unwrap();
        let message = Model::open(Some(path)).unwrap_err().to_string();
        assert!(message.contains("two.TOML: byte 8 is not UTF-8"), "{message}");
        let folder = folder.path().join("folder.toml");
        std::fs::create_dir(&folder).unwrap();
        assert!(Model::open(folder.to_str()).is_err());
    }
}
