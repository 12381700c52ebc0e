//! Networks of very many nodes: what of them fits into the header of a file.

use std::path::Path;

use super::file::{LARGEST_HEADER, refuse};
use crate::error::Result;
use crate::graph::Parameter;
use crate::train::Network;

/// The longest text of a model that stands in the header, in bytes; a longer one is an array.
pub(super) const LONGEST_IN_HEADER: usize = 1 << 20;

/// Refuses a header that is too large for arrays whose names have so many bytes, each so many times.
fn check_header(path: &Path, names: impl Iterator<Item = (usize, usize)>) -> Result<()> {
    // Of the shortest: a scalar at the beginning.
    let shortest = r#""":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"#.len();
    let (mut arrays, mut bytes) = (0, 0_usize);
    for (name, times) in names {
        arrays += times;
        bytes = bytes.saturating_add(times.saturating_mul(name + shortest));
    }
    if bytes <= LARGEST_HEADER {
        return Ok(());
    }
    let problem = format!(
        "the names of its {arrays} arrays take {bytes} bytes at the least, and a safetensors file has {LARGEST_HEADER} at the most"
    );
    Err(refuse(path, problem, "use fewer layers with parameters, or shorter names"))
}

impl Network {
    /// Whether a file has room for the names of all arrays, so that a training may learn it before its first step.
    ///
    /// # Errors
    /// [`Error::Model`](crate::Error::Model) if the header of the file would be larger than safetensors allows, 100 MB, whatever the
    /// arrays hold.
    pub fn check_save(&self, path: impl AsRef<Path>) -> Result<()> {
        let states = |parameter: &Parameter| parameter.state(self.optimizer().as_ref()).len();
        let parameters = self.graph().parameters().iter();
        let names = parameters.map(|parameter| (parameter.name.len(), 1 + states(parameter)));
        check_header(path.as_ref(), names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::layers::{Add, Dense, Relu};
    use crate::losses::MeanSquaredError;
    use crate::model::TrainingConfig;
    use crate::optimizers::Sgd;
    use crate::train::NetworkOptions;
    use crate::train::checkpoint::file::MODEL;
    use crate::train::checkpoint::open;

    #[test]
    fn a_model_of_very_many_nodes_is_saved_beside_the_header() {
        const WIDTH: usize = 20_000;
        let mut net = GraphBuilder::new("wide");
        let (x, y) = (net.input("x", [1]), net.target("y", [1]));
        let stem = net.layer("stem", Dense::new(1), [&x]);
        let ribs: Vec<_> =
            (0..WIDTH).map(|number| net.layer(format!("rib{number}"), Relu, [&stem])).collect();
        let sum = net.layer("sum", Add, &ribs);
        net.loss("loss", MeanSquaredError, [&sum, &y]);
        let options = NetworkOptions::default().executor("sequential");
        let network = Network::new(net.build().unwrap(), Sgd::default(), options.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.safetensors");
        network.save(&path, &TrainingConfig::default()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let header = u64::from_le_bytes(*bytes.first_chunk().unwrap());
        assert!(header < 2000 && bytes.len() > 1 << 20, "{header} of {}", bytes.len());
        let (read, checkpoint) = open(&path).unwrap();
        assert_eq!(read.graph.nodes().len(), WIDTH + 5);
        let mut again = Network::from_parts(read.graph, read.training.optimizer, options).unwrap();
        again.resume(&checkpoint).unwrap();
        assert_eq!(again.weights_sha256(), network.weights_sha256());
        assert!(checkpoint.tensors().all(|(name, _)| name != MODEL));
        // The checksum holds for the text as well.
        let mut flipped = bytes.clone();
        let place = bytes.windows(4).rposition(|window| window == b"rib9").unwrap();
        flipped[place] = b'R';
        std::fs::write(&path, &flipped).unwrap();
        let told = open(&path).unwrap_err().to_string();
        assert!(told.contains("does not fit what it holds"), "{told}");
    }

    #[test]
    fn headers_that_would_be_too_large_are_refused_before_anything_is_written() {
        let path = Path::new("deep.safetensors");
        let names = |layers: usize| (0..layers).map(|_| ("n100000.weight".len(), 2));
        check_header(path, names(500_000)).unwrap();
        let told = check_header(path, names(1_000_000)).unwrap_err().to_string();
        for expected in ["deep.safetensors", "its 2000000 arrays", "100000000 at the most", "fewer"]
        {
            assert!(told.contains(expected), "{told}");
        }
    }
}
