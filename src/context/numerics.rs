//! How layers compute, where there are several ways.

use super::convolution::Convolution;
use super::precision::Precision;
use crate::setters::setters;

/// How layers compute, where there are several ways whose results differ in their last bits: what a plan says to all of
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Numerics {
    /// How convolutions are computed.
    pub convolution: Convolution,
    /// With which numbers products with weights are computed.
    pub precision: Precision,
}

impl Numerics {
    setters! {
        convolution: Convolution,
        precision: Precision,
    }
}
