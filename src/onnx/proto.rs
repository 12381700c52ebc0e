//! The messages of ONNX files, of which texts and arrays stay where they are in the file.
//!
//! The numbers of fields are those of `onnx.proto`, the format's definition.

use super::wire::{Field, Fields, Message};
use crate::layers::Misfit;

/// More nodes, attributes, arrays and the like than this are no network.
const MOST_MESSAGES: usize = 1 << 20;

/// A file: what it computes, and by which version of the operators.
#[derive(Debug, Default)]
pub(super) struct ModelProto<'a> {
    pub(super) producer: &'a str,
    /// Domains with their versions.
    pub(super) opsets: Vec<(&'a str, i64)>,
    pub(super) graph: GraphProto<'a>,
    /// Names of operators that the file defines itself.
    pub(super) functions: Vec<&'a str>,
}

#[derive(Debug, Default)]
pub(super) struct GraphProto<'a> {
    pub(super) name: &'a str,
    pub(super) nodes: Vec<NodeProto<'a>>,
    pub(super) initializers: Vec<TensorProto<'a>>,
    pub(super) inputs: Vec<ValueProto<'a>>,
    pub(super) outputs: Vec<ValueProto<'a>>,
    pub(super) is_sparse: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct NodeProto<'a> {
    pub(super) name: &'a str,
    pub(super) operator: &'a str,
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<(&'a str, Attribute<'a>)>,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Attribute<'a> {
    Int(i64),
    Float(f32),
    Text(&'a [u8]),
    Tensor(Box<TensorProto<'a>>),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<&'a [u8]>),
    /// What no operator here asks for.
    #[default]
    Other,
}

/// An array. Its numbers are in one of the fields, or in another file.
#[derive(Clone, Debug, Default)]
pub(super) struct TensorProto<'a> {
    pub(super) name: &'a str,
    pub(super) dims: Vec<i64>,
    pub(super) data_type: u64,
    pub(super) raw: Option<&'a [u8]>,
    pub(super) floats: Vec<f32>,
    pub(super) ints: Vec<i64>,
    /// What says where in another file its numbers are.
    pub(super) external: Vec<(&'a str, &'a str)>,
    pub(super) is_external: bool,
}

/// The name of a value, the type of its numbers, and its shape as far as it is known.
#[derive(Debug, Default)]
pub(super) struct ValueProto<'a> {
    pub(super) name: &'a str,
    pub(super) data_type: u64,
    pub(super) shape: Option<Vec<DimProto<'a>>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum DimProto<'a> {
    Number(i64),
    Name(&'a str),
    #[default]
    Unknown,
}

/// Reads messages, and counts them.
#[derive(Debug, Default)]
struct Reader {
    messages: usize,
}

/// Reads the messages of a file.
///
/// # Errors
/// With the byte at which the file is damaged, or what it has too many of.
pub(super) fn read(bytes: &[u8]) -> Result<ModelProto<'_>, Misfit> {
    let mut reader = Reader::default();
    let mut model = ModelProto::default();
    let mut fields = Message::whole(bytes).fields();
    let mut has_graph = false;
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (2, Field::Bytes(text)) => model.producer = text.text()?,
            (7, Field::Bytes(graph)) if !has_graph => {
                model.graph = reader.graph(graph)?;
                has_graph = true;
            }
            (8, Field::Bytes(opset)) => model.opsets.push(reader.opset(opset)?),
            (25, Field::Bytes(function)) => {
                reader.count()?;
                let mut fields = function.fields();
                while let Some((number, field)) = fields.next()? {
                    if let (1, Field::Bytes(name)) = (number, field) {
                        model.functions.push(name.text()?);
                    }
                }
            }
            _ => {}
        }
    }
    if has_graph {
        return Ok(model);
    }
    Err(Misfit::new("it holds no graph", "name an ONNX file, as exporters write it"))
}

/// Adds the numbers of a field, be they packed or one by one.
fn add_ints(numbers: &mut Vec<i64>, field: Field<'_>) -> Result<(), Misfit> {
    match field {
        Field::Varint(number) => numbers.push(number.cast_signed()),
        Field::Bytes(packed) => {
            for number in packed.varints() {
                numbers.push(number?.cast_signed());
            }
        }
        Field::Fixed32(_) | Field::Fixed64(_) => {}
    }
    Ok(())
}

/// As [`add_ints`], for numbers of `N` bytes each.
fn add_floats<const N: usize>(numbers: &mut Vec<f32>, bytes: &[u8], read: fn([u8; N]) -> f32) {
    numbers.extend(bytes.as_chunks().0.iter().map(|&bytes| read(bytes)));
}

impl Reader {
    fn count(&mut self) -> Result<(), Misfit> {
        self.messages += 1;
        if self.messages <= MOST_MESSAGES {
            return Ok(());
        }
        Err(Misfit::new(
            format!("it has more than {MOST_MESSAGES} nodes, attributes and arrays"),
            "name a smaller network",
        ))
    }

    fn opset<'a>(&mut self, message: Message<'a>) -> Result<(&'a str, i64), Misfit> {
        self.count()?;
        let mut opset = ("", 0);
        let mut fields = message.fields();
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(text)) => opset.0 = text.text()?,
                (2, Field::Varint(version)) => opset.1 = version.cast_signed(),
                _ => {}
            }
        }
        Ok(opset)
    }

    fn graph<'a>(&mut self, message: Message<'a>) -> Result<GraphProto<'a>, Misfit> {
        let mut graph = GraphProto::default();
        let mut fields = message.fields();
        while let Some((number, field)) = fields.next()? {
            let Field::Bytes(inner) = field else { continue };
            match number {
                1 => graph.nodes.push(self.node(inner)?),
                2 => graph.name = inner.text()?,
                5 => graph.initializers.push(self.tensor(inner)?),
                11 => graph.inputs.push(self.value(inner)?),
                12 => graph.outputs.push(self.value(inner)?),
                15 => graph.is_sparse = true,
                _ => {}
            }
        }
        Ok(graph)
    }

    fn node<'a>(&mut self, message: Message<'a>) -> Result<NodeProto<'a>, Misfit> {
        self.count()?;
        let mut node = NodeProto::default();
        let mut fields = message.fields();
        while let Some((number, field)) = fields.next()? {
            let Field::Bytes(inner) = field else { continue };
            match number {
                1 => {
                    self.count()?;
                    node.inputs.push(inner.text()?);
                }
                2 => {
                    self.count()?;
                    node.outputs.push(inner.text()?);
                }
                3 => node.name = inner.text()?,
                4 => node.operator = inner.text()?,
                5 => node.attributes.push(self.attribute(inner)?),
                7 => node.domain = inner.text()?,
                _ => {}
            }
        }
        Ok(node)
    }

    fn attribute<'a>(&mut self, message: Message<'a>) -> Result<(&'a str, Attribute<'a>), Misfit> {
        self.count()?;
        let (mut name, mut value) = ("", Attribute::Other);
        let mut fields = message.fields();
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(text)) => name = text.text()?,
                (2, Field::Fixed32(bytes)) => value = Attribute::Float(f32::from_le_bytes(bytes)),
                (3, Field::Varint(number)) => value = Attribute::Int(number.cast_signed()),
                (4, Field::Bytes(text)) => value = Attribute::Text(text.bytes),
                (5, Field::Bytes(tensor)) => {
                    value = Attribute::Tensor(Box::new(self.tensor(tensor)?));
                }
                (7, field) => {
                    let mut floats = match value {
                        Attribute::Floats(floats) => floats,
                        _ => Vec::new(),
                    };
                    match field {
                        Field::Fixed32(bytes) => floats.push(f32::from_le_bytes(bytes)),
                        Field::Bytes(packed) => {
                            add_floats(&mut floats, packed.bytes, f32::from_le_bytes);
                        }
                        Field::Varint(_) | Field::Fixed64(_) => {}
                    }
                    value = Attribute::Floats(floats);
                }
                (8, field) => {
                    let mut ints = match value {
                        Attribute::Ints(ints) => ints,
                        _ => Vec::new(),
                    };
                    add_ints(&mut ints, field)?;
                    value = Attribute::Ints(ints);
                }
                (9, Field::Bytes(text)) => {
                    let mut texts = match value {
                        Attribute::Texts(texts) => texts,
                        _ => Vec::new(),
                    };
                    self.count()?;
                    texts.push(text.bytes);
                    value = Attribute::Texts(texts);
                }
                // The kind of an empty list is all that says what it is.
                (20, Field::Varint(7)) if matches!(value, Attribute::Other) => {
                    value = Attribute::Ints(Vec::new());
                }
                _ => {}
            }
        }
        Ok((name, value))
    }

    fn tensor<'a>(&mut self, message: Message<'a>) -> Result<TensorProto<'a>, Misfit> {
        self.count()?;
        let mut tensor = TensorProto::default();
        let mut fields: Fields<'a> = message.fields();
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, field) => add_ints(&mut tensor.dims, field)?,
                (2, Field::Varint(kind)) => tensor.data_type = kind,
                (4, Field::Fixed32(bytes)) => tensor.floats.push(f32::from_le_bytes(bytes)),
                (4, Field::Bytes(packed)) => {
                    add_floats(&mut tensor.floats, packed.bytes, f32::from_le_bytes);
                }
                (5 | 7 | 11, field) => add_ints(&mut tensor.ints, field)?,
                (8, Field::Bytes(text)) => tensor.name = text.text()?,
                (9, Field::Bytes(raw)) => tensor.raw = Some(raw.bytes),
                (10, Field::Fixed64(bytes)) => tensor.floats.push(f64::from_le_bytes(bytes) as f32),
                (10, Field::Bytes(packed)) => {
                    let read = |bytes| f64::from_le_bytes(bytes) as f32;
                    add_floats(&mut tensor.floats, packed.bytes, read);
                }
                (13, Field::Bytes(entry)) => tensor.external.push(self.entry(entry)?),
                (14, Field::Varint(place)) => tensor.is_external = place == 1,
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn entry<'a>(&mut self, message: Message<'a>) -> Result<(&'a str, &'a str), Misfit> {
        self.count()?;
        let mut entry = ("", "");
        let mut fields = message.fields();
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(text)) => entry.0 = text.text()?,
                (2, Field::Bytes(text)) => entry.1 = text.text()?,
                _ => {}
            }
        }
        Ok(entry)
    }

    fn value<'a>(&mut self, message: Message<'a>) -> Result<ValueProto<'a>, Misfit> {
        self.count()?;
        let mut value = ValueProto::default();
        let mut fields = message.fields();
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(text)) => value.name = text.text()?,
                (2, Field::Bytes(kind)) => {
                    let mut fields = kind.fields();
                    while let Some((number, field)) = fields.next()? {
                        if let (1, Field::Bytes(tensor)) = (number, field) {
                            self.tensor_type(tensor, &mut value)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(value)
    }

    fn tensor_type<'a>(
        &mut self,
        message: Message<'a>,
        value: &mut ValueProto<'a>,
    ) -> Result<(), Misfit> {
        let mut fields = message.fields();
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Varint(kind)) => value.data_type = kind,
                (2, Field::Bytes(shape)) => {
                    let mut dims = Vec::new();
                    let mut fields = shape.fields();
                    while let Some((number, field)) = fields.next()? {
                        if let (1, Field::Bytes(dim)) = (number, field) {
                            dims.push(self.dim(dim)?);
                        }
                    }
                    value.shape = Some(dims);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn dim<'a>(&mut self, message: Message<'a>) -> Result<DimProto<'a>, Misfit> {
        self.count()?;
        let mut dim = DimProto::Unknown;
        let mut fields = message.fields();
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Varint(number)) => dim = DimProto::Number(number.cast_signed()),
                (2, Field::Bytes(text)) => dim = DimProto::Name(text.text()?),
                _ => {}
            }
        }
        Ok(dim)
    }
}
