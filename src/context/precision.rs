//! With which numbers products are computed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kernels;

/// With which numbers the products of layers with matrices of weights are computed: said of a graph, or as an option of
/// plans; layers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// With 32-bit floats.
    #[default]
    F32,
    /// In dense layers and in 1 x 1 convolutions with stride 1, where shapes promise a gain: both factors rounded to
    /// bfloat16, 16-bit floats with 8 significant bits and the range of 32-bit ones; sums, weights, gradients, outputs
    /// and all else in 32 bits. Each sum is off by at most 2⁻⁷ of the sum of its products' sizes. Numbers below 2⁻¹²⁶
    /// count as zero, those from 3.39 x 10³⁸ on as infinite. For processors with AVX-512 BF16
    /// ([`Precision::missing`]); elsewhere nothing gives the same bits, and runs are refused.
    Bf16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

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
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// The instructions that it needs and this processor lacks, as Linux calls them; nothing where it can be had.
    ///
    /// ```
    /// use caudal::plan::Precision;
    ///
    /// assert!(Precision::F32.missing().is_empty());
    /// let missing = Precision::Bf16.missing();
    /// println!("products of 16-bit numbers: {}", if missing.is_empty() { "yes" } else { "no" });
    /// ```
    pub fn missing(self) -> Vec<&'static str> {
        match self {
            Self::F32 => Vec::new(),
            Self::Bf16 => kernels::bf16_missing(),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
