//! The items of a table as numbers of one node.

use std::collections::HashMap;
use std::sync::Arc;

use super::bind::lacks;
use super::encoder::{Encoding, NodeEncoder};
use super::field::refuse_field;
use super::rows::Row;
use super::text::Table;
use crate::data::{Column, ItemSource, MAX_VALUES, refuse};
use crate::error::{Result, count};
use crate::tensor::{Shape, Tensor};

/// What turns rows of a table into the numbers of a node.
#[derive(Debug)]
struct Values {
    table: Table,
    node: String,
    shape: Shape,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    encoding: Encoding,
    column: usize,
    /// The place of every word.
    places: HashMap<String, usize>,
}

impl NodeEncoder {
    /// The chosen items of a table as the node's column: in memory, or read as they are used.
    pub(super) fn column(&self, table: &Table, rows: &[usize]) -> Result<Column> {
        if let Some(row) = rows.iter().find(|&&row| row >= table.len()) {
            return Err(refuse(
                table.origin(),
                format!("item {row} was asked for, it has {}", count(table.len(), "item")),
                "items are counted from 0",
            ));
        }
        let width = self.width();
        if rows.len().checked_mul(width).is_none_or(|all| all > MAX_VALUES) {
            let problem = format!("node `{}` would have more than {MAX_VALUES} numbers", self.node);
            return Err(refuse(table.origin(), problem, "use fewer columns or items"));
        }
        let field = |it: &super::ColumnEncoder| {
            let column = table.column(&it.column);
            let words = match &it.encoding {
                Encoding::Word { words, .. } => words.as_slice(),
                _ => &[],
            };
            Ok(Field {
                encoding: it.encoding.clone(),
                column: column.ok_or_else(|| lacks(table, &self.node, &it.column))?,
                places: words.iter().enumerate().map(|(at, word)| (word.clone(), at)).collect(),
            })
        };
        let fields = self.columns.iter().map(field).collect::<Result<_>>()?;
        let (node, shape) = (self.node.clone(), self.shape.clone());
        if !table.in_memory() && width > 1 {
            let values = Values { table: table.clone(), node, shape, fields };
            return Column::from_source(&self.node, Arc::new(values)).subset(rows);
        }
        let mut numbers = Vec::with_capacity(rows.len() * width);
        table.each(rows.iter().copied(), |row, text| {
            push(table, &node, &fields, row, text, &mut numbers)
        })?;
        let shape = [&[rows.len()], shape.as_slice()].concat();
        let values = Tensor::from_shape_vec(shape, numbers).map_err(|error| {
            refuse(table.origin(), format!("node `{node}`: {error}"), "train the model again")
        })?;
        Ok(Column::new(node, values))
    }
}

/// Adds the numbers of a row.
fn push(
    table: &Table,
    node: &str,
    fields: &[Field],
    row: usize,
    text: Row<'_>,
    into: &mut Vec<f32>,
) -> Result<()> {
    for Field { encoding, column, places } in fields {
        let pushed = encoding.push(places, text.field(*column), into);
        pushed.map_err(|refused| refuse_field(table, row, *column, node, refused))?;
    }
    Ok(())
}

impl ItemSource for Values {
    fn items(&self) -> usize {
        self.table.len()
    }

    fn item_shape(&self) -> &[usize] {
        &self.shape
    }

    fn read(&self, items: &[usize], into: &mut [f32]) -> Result<()> {
        let (mut numbers, mut rest) = (Vec::new(), into);
        self.table.each(items.iter().copied(), |row, text| {
            numbers.clear();
            push(&self.table, &self.node, &self.fields, row, text, &mut numbers)?;
            let (here, after) = std::mem::take(&mut rest).split_at_mut(numbers.len());
            here.copy_from_slice(&numbers);
            rest = after;
            Ok(())
        })
    }
}
