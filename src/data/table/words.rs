//! What model files say of columns in one word.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $($(#[$about:meta])* $variant:ident = $word:literal),+) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$about])* $variant),+ }

        impl $name {
            pub(super) const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];

            /// The one that a word stands for.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|(word, _)| *word == name).map(|(_, variant)| *variant)
            }

            /// As model files write it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// What is done to the numbers of a column.
    Scale:
    /// Nothing.
    None = "none",
    /// Less their mean, over their standard deviation.
    Standard = "standard",
    /// Brought to 0 to 1 by the least and the largest one.
    MinMax = "min_max"
}

words! {
    /// How words become numbers.
    Categories:
    /// A number for every word: 1 for the item's, 0 for the others.
    OneHot = "one_hot",
    /// The word's place among all words.
    Index = "index"
}

words! {
    /// What becomes of words that are not known.
    Unknown:
    /// The item is refused.
    Refuse = "refuse",
    /// Its one-hot row is all zeros.
    Ignore = "ignore"
}

words! {
    /// How an image becomes as high and wide as its node.
    ImageFit:
    /// It must be so already.
    Exact = "exact",
    /// Height and width are scaled apart.
    Stretch = "stretch",
    /// It is scaled until it covers the node, and the middle is kept.
    Crop = "crop",
    /// It is scaled until it fits into the node, and stands in the middle of black.
    Pad = "pad"
}
