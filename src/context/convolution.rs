//! How convolutions are computed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How convolutions are computed: an option of plans, which layers see.
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
