//! How convolutions are computed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How convolutions are computed: said of a graph, or as an option of plans; layers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Convolution {
    /// Windows of 3 x 3 or 5 x 5 with stride 1 and no dilation by Winograd's transforms, in fewer multiplications,
    /// where an estimate from shapes promises a gain; else directly. Results differ from direct ones in their last bits.
    #[default]
    Auto,
    /// All directly, as sums of products.
    Direct,
}

impl Convolution {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Auto, Self::Direct];

    /// The one of this name, as the command line and files have it.
    ///
    /// # Errors
    /// If there is none: says which there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|it| it.name() == name);
        known.ok_or_else(|| format!("expected {}", Self::ALL.map(Self::name).join(" or ")))
    }

    /// Its name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Direct => "direct",
        }
    }
}

impl fmt::Display for Convolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
