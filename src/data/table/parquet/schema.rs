//! Checks of the schema in a footer, before the crate reads it: it reserves memory for as many children as an element
//! promises, goes as deep as they are nested, and keeps for each column the names of all that it lies in.
//!
//! The footer is a struct in [Thrift's compact protocol](https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md),
//! and its second field the schema: a list of elements, depth first, each with the number of its children. The crate
//! reads a field by its number, whatever type is written beside it; types that are not as they should be are
//! refused here, so that both read the same.

/// Groups within groups.
const MOST_NESTED: usize = 64;

/// So many times the footer the names of the columns may take, with those of the groups around them. It names
/// each column so again for every group of rows.
const NAMES: usize = 4;

/// The protocol's numbers of types.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const INT16: u8 = 4;
const INT32: u8 = 5;
const INT64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Bytes of the protocol, from the first that was not read.
struct Compact<'a>(&'a [u8]);

/// What is read, or what is wrong.
type Read<T> = Result<T, &'static str>;

const ENDS: &str = "its schema ends too early";
const TYPES: &str = "its schema holds a field of another type";

impl Compact<'_> {
    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.0.split_first().ok_or(ENDS)?;
        self.0 = rest;
        Ok(*first)
    }

    fn skip(&mut self, length: u64) -> Read<()> {
        let length = usize::try_from(length).ok().filter(|&length| length <= self.0.len());
        self.0 = &self.0[length.ok_or(ENDS)?..];
        Ok(())
    }

    /// A number of seven bits a byte.
    fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("its schema holds a number of more than 64 bits")
    }

    fn signed(&mut self) -> Read<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn i32(&mut self) -> Read<i32> {
        let number = self.signed()?;
        i32::try_from(number).map_err(|_| "its schema holds a number of more than 32 bits")
    }

    /// The type and the number of a struct's next field; nothing at its end.
    fn field(&mut self, last: &mut i16) -> Read<Option<(u8, i16)>> {
        let byte = self.byte()?;
        let kind = byte & 0xf;
        if kind == 0 {
            return Ok(None);
        }
        let number = match byte >> 4 {
            0 => i16::try_from(self.signed()?).ok(),
            step => last.checked_add(step.into()),
        };
        *last = number.ok_or("its schema numbers its fields wrongly")?;
        Ok(Some((kind, *last)))
    }

    /// The type and the number of a list's items.
    fn list(&mut self) -> Read<(u8, u64)> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.number()?,
            count => count.into(),
        };
        // Each takes a byte at least.
        if count > self.0.len() as u64 {
            return Err(ENDS);
        }
        Ok((byte & 0xf, count))
    }

    /// Passes over a value. `expected` gives the types of the fields below it, by the way to them.
    fn pass(&mut self, kind: u8, way: &mut Vec<i16>, expected: fn(&[i16], u8) -> bool) -> Read<()> {
        if way.len() > MOST_NESTED {
            return Err("its schema is nested too deeply");
        }
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.skip(1),
            INT16 | INT32 | INT64 => self.number().map(drop),
            DOUBLE => self.skip(8),
            BINARY => {
                let length = self.number()?;
                self.skip(length)
            }
            STRUCT => {
                let mut last = 0;
                while let Some((kind, number)) = self.field(&mut last)? {
                    way.push(number);
                    if !expected(way, kind) {
                        return Err(TYPES);
                    }
                    self.pass(kind, way, expected)?;
                    way.pop();
                }
                Ok(())
            }
            // The schema has no others.
            _ => Err(TYPES),
        }
    }
}

/// Whether a field of a logical type has the type that the crate reads; those that it does not know it passes over.
fn is_of_logical_type(way: &[i16], kind: u8) -> bool {
    match way {
        // decimal: scale and precision
        [5, 1 | 2] | [18, 2] => kind == INT32,
        // time and timestamp: whether in UTC, and the unit; integer: bits, and whether with a sign
        [7 | 8, 1] | [10, 2] => kind == TRUE || kind == FALSE,
        [10 | 16, 1] => kind == BYTE,
        [17 | 18, 1] => kind == BINARY,
        [1..=19] | [7 | 8, 2] | [7 | 8, 2, 1..=3] => kind == STRUCT,
        _ => true,
    }
}

/// An element of a schema.
#[derive(Clone, Copy, Debug, Default)]
struct Element {
    name: usize,
    children: usize,
}

fn element(bytes: &mut Compact<'_>) -> Read<Element> {
    let (mut element, mut last) = (Element::default(), 0);
    while let Some((kind, number)) = bytes.field(&mut last)? {
        let expected = match number {
            1..=3 | 5..=9 => INT32,
            4 => BINARY,
            10 => STRUCT,
            _ => kind,
        };
        if kind != expected {
            return Err(TYPES);
        }
        match number {
            4 => {
                let length = bytes.number()?;
                bytes.skip(length)?;
                element.name = length as usize;
            }
            5 => {
                let children = bytes.i32()?;
                element.children = usize::try_from(children)
                    .map_err(|_| "its schema has less than no children")?;
            }
            10 => bytes.pass(kind, &mut Vec::new(), is_of_logical_type)?,
            _ => bytes.pass(kind, &mut Vec::new(), |_, _| true)?,
        }
    }
    Ok(element)
}

/// Checks the schema in a footer.
///
/// # Errors
/// What is wrong.
pub(super) fn check(footer: &[u8]) -> Read<()> {
    let (mut bytes, mut last) = (Compact(footer), 0);
    // Every writer writes the fields in order: the version, then the schema.
    let mut field = bytes.field(&mut last)?;
    if field == Some((INT32, 1)) {
        bytes.number()?;
        field = bytes.field(&mut last)?;
    }
    if field != Some((LIST, 2)) {
        return Err("its footer does not begin with a schema");
    }
    let (kind, count) = bytes.list()?;
    if kind != STRUCT {
        return Err(TYPES);
    }
    // Of each group around: how many of its children are to come, and how long its name and those around it are.
    let mut around: Vec<(usize, usize)> = Vec::new();
    let mut left = usize::try_from(count).map_err(|_| ENDS)?;
    let mut names = 0_usize;
    while left > 0 {
        left -= 1;
        let Element { name, children } = element(&mut bytes)?;
        // The root's name does not belong to those of columns, and is counted to no harm.
        let name = name + around.last().map_or(0, |&(_, names)| names);
        if let Some((to_come, _)) = around.last_mut() {
            *to_come -= 1;
        }
        if children > left {
            return Err("its schema promises more columns than it has");
        }
        if children == 0 {
            names += name;
        } else {
            around.push((children, name));
        }
        if around.len() > MOST_NESTED {
            return Err("its schema is nested too deeply");
        }
        while around.last().is_some_and(|&(to_come, _)| to_come == 0) {
            around.pop();
        }
        if around.is_empty() && left > 0 {
            return Err("its schema has columns that belong to no group");
        }
    }
    if !around.is_empty() {
        return Err("its schema promises more columns than it has");
    }
    if names > NAMES * footer.len() {
        return Err("the names of its groups are too long");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with a name of so many letters, and so many children.
    fn element_of(name: usize, children: i32) -> Vec<u8> {
        let mut bytes = vec![0x48, name as u8];
        bytes.extend(vec![b'a'; name]);
        bytes.push(0x15);
        let mut number = (children << 1 ^ children >> 31).cast_unsigned();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.extend([number as u8, 0]);
        bytes
    }

    /// A footer with a schema and nothing else.
    fn footer(elements: &[Vec<u8>]) -> Vec<u8> {
        let start = [0x15, 2, 0x19, 0xfc, elements.len() as u8 & 0x7f];
        [&start[..], &elements.concat(), &[0]].concat()
    }

    fn chain(length: usize) -> Vec<u8> {
        let mut elements = vec![element_of(1, 1); length];
        elements.push(element_of(1, 0));
        footer(&elements)
    }

    #[test]
    fn schemas_hold_what_they_promise() {
        let leaf = element_of(1, 0);
        let whole = footer(&[element_of(1, 2), leaf.clone(), element_of(3, 1), leaf.clone()]);
        assert_eq!(check(&whole), Ok(()));
        assert_eq!(check(&chain(MOST_NESTED)), Ok(()));
        for (refused, why) in [
            (footer(&[element_of(1, i32::MAX), leaf.clone()]), "promises more columns"),
            (footer(&[element_of(1, 2), leaf.clone()]), "promises more columns"),
            (footer(&[element_of(1, -1), leaf.clone()]), "less than no children"),
            (footer(&[element_of(1, 1), leaf.clone(), leaf.clone()]), "belong to no group"),
            (chain(MOST_NESTED + 1), "nested too deeply"),
        ] {
            let problem = check(&refused).unwrap_err();
            assert!(problem.contains(why), "{problem}");
        }
        // The names of the groups around count for each column.
        let mut long = vec![element_of(100, 20)];
        long.extend(vec![leaf; 20]);
        assert!(check(&footer(&long)).unwrap_err().contains("names"));
        for length in 0..whole.len() - 1 {
            assert!(check(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn fields_have_the_types_that_the_crate_reads() {
        let with = |field: &[u8]| {
            let element = [&[0x48, 1, b'a'], field, &[0]].concat();
            check(&footer(&[element_of(1, 1), element]))
        };
        assert_eq!(with(&[]), Ok(()));
        // A number of children that is a boolean, which has no bytes, and the first that follows it.
        assert_eq!(with(&[0x11]), Err(TYPES));
        // A timestamp in UTC, in milliseconds: a struct of a boolean and a struct of an empty struct.
        let timestamp = [0x6c, 0x8c, 0x11, 0x1c, 0x1c, 0, 0, 0, 0];
        assert_eq!(with(&timestamp), Ok(()));
        // The boolean as a number.
        assert_eq!(with(&[0x6c, 0x8c, 0x15, 0, 0x1c, 0x1c, 0, 0, 0, 0]), Err(TYPES));
        // A decimal of two numbers, and one of a boolean.
        assert_eq!(with(&[0x6c, 0x5c, 0x15, 4, 0x15, 18, 0, 0]), Ok(()));
        assert_eq!(with(&[0x6c, 0x5c, 0x11, 0x15, 18, 0, 0]), Err(TYPES));
        // A field of a later version is passed over, but for how deep it goes.
        assert_eq!(with(&[0x7c, 0x15, 2, 0]), Ok(()));
        let deep = [[0x7c; 1].as_slice(), &[0x1c; 100], &[0; 101]].concat();
        assert_eq!(with(&deep), Err("its schema is nested too deeply"));
    }
}
