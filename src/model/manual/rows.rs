//! Rows of the tables of kinds, and the types of their attributes, which samples show.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::table::Line;

/// A row of any of the tables.
pub(super) struct Row {
    pub(super) attributes: &'static [(&'static str, &'static str)],
    pub(super) samples: Vec<&'static str>,
    /// The attributes of what it reads from attributes.
    pub(super) rewrite: Box<dyn Fn(Table) -> Result<Table, String>>,
}

impl Row {
    /// The lines of its attributes; `rows` are those of its table.
    pub(super) fn lines(&self, rows: &[Self]) -> Vec<Line> {
        let line = |attribute: &(&'static str, &'static str)| {
            // Attributes that several kinds have in common stand in the samples of some.
            let same = rows.iter().filter(|row| row.attributes.contains(attribute));
            let mut types: BTreeSet<Type> = same.flat_map(|row| row.types(attribute.0)).collect();
            let mut line = Line::new(attribute.0, "", attribute.1);
            if line.default.starts_with('"') {
                types.insert(Type::Text);
            }
            let types: Vec<&str> = types.into_iter().map(Type::name).collect();
            line.type_of = types.join(" or ");
            line
        };
        self.attributes.iter().map(line).collect()
    }

    /// The types of an attribute's values, in samples and as they are written.
    fn types(&self, name: &str) -> BTreeSet<Type> {
        let mut types = BTreeSet::new();
        for sample in &self.samples {
            let Ok(given) = sample.parse::<Table>() else { continue };
            types.extend(given.get(name).map(Type::of));
            types.extend(
                (self.rewrite)(given).ok().as_ref().and_then(|it| it.get(name)).map(Type::of),
            );
        }
        types
    }
}

/// A type of attributes, in the order in which the page lists several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    Whole,
    Number,
    Choice,
    List,
    Tables,
    Text,
    Table,
}

impl Type {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Integer(_) => Self::Whole,
            Value::Float(_) => Self::Number,
            Value::Boolean(_) => Self::Choice,
            Value::Array(items) if items.iter().any(Value::is_table) => Self::Tables,
            Value::Array(_) => Self::List,
            Value::Table(_) => Self::Table,
            Value::String(_) | Value::Datetime(_) => Self::Text,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole number",
            Self::Number => "number",
            Self::Choice => "true or false",
            Self::List => "list of whole numbers",
            Self::Tables => "list of tables",
            Self::Text => "text",
            Self::Table => "table",
        }
    }
}
