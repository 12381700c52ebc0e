//! Builder methods of options.

/// Writes a builder method for each named field, of the field's name. Options are `non_exhaustive`, so that they can
/// get further fields; programs begin with a default and set what they want otherwise.
macro_rules! setters {
    ($($field:ident: $type:ty,)+) => {
        $(
            #[doc = concat!(
                "Sets the field [`", stringify!($field), "`](#structfield.", stringify!($field), ")."
            )]
            #[must_use]
            pub fn $field(mut self, $field: $type) -> Self {
                self.$field = $field.into();
                self
            }
        )+
    };
}

pub(crate) use setters;
