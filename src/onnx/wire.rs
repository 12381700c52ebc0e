//! Protocol Buffers as they lie in a file: fields with numbers, read where they stand.
//!
//! Nothing is copied and nothing recurses: a message is a stretch of the file, and what is in it is read when somebody
//! asks. A length that leads out of its message is refused before anything is made of it.

use crate::layers::Misfit;

/// A message, or any other field with a length: where it stands in the file, and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    start: usize,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
    Bytes(Message<'a>),
}

/// The fields of a message, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    message: Message<'a>,
    at: usize,
}

fn damaged(byte: usize, problem: &str) -> Misfit {
    Misfit::new(
        format!("byte {byte}: {problem}"),
        "name an undamaged ONNX file, or export it again",
    )
}

impl<'a> Message<'a> {
    /// All of a file.
    pub(super) fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0 }
    }

    pub(super) fn fields(self) -> Fields<'a> {
        Fields { message: self, at: 0 }
    }

    /// A text of this message.
    pub(super) fn text(self) -> Result<&'a str, Misfit> {
        std::str::from_utf8(self.bytes)
            .map_err(|error| damaged(self.start + error.valid_up_to(), "it is no text in UTF-8"))
    }

    /// The numbers of a packed field.
    pub(super) fn varints(self) -> impl Iterator<Item = Result<u64, Misfit>> + use<'a> {
        let mut fields = self.fields();
        std::iter::from_fn(move || (!fields.is_done()).then(|| fields.varint()))
    }
}

impl<'a> Fields<'a> {
    fn is_done(&self) -> bool {
        self.at >= self.message.bytes.len()
    }

    /// The next field with its number; none at the end of the message.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Misfit> {
        if self.is_done() {
            return Ok(None);
        }
        let byte = self.message.start + self.at;
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.fixed()?),
            2 => {
                let length = self.varint()?;
                let start = self.message.start + self.at;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Field::Bytes(Message { bytes: self.take(length)?, start })
            }
            5 => Field::Fixed32(self.fixed()?),
            _ => return Err(damaged(byte, "it begins no field of Protocol Buffers")),
        };
        Ok(Some((key >> 3, field)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Misfit> {
        let rest = &self.message.bytes[self.at..];
        let Some((taken, _)) = rest.split_at_checked(length) else {
            let problem =
                format!("{length} bytes should follow, but its message has {}", rest.len());
            return Err(damaged(self.message.start + self.at, &problem));
        };
        self.at += length;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Misfit> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn varint(&mut self) -> Result<u64, Misfit> {
        let start = self.message.start + self.at;
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged(start, "it begins a number of more than 64 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::Writer;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::default();
        writer.number(1, 300);
        writer.number(2, -1);
        writer.float(16, 0.5);
        writer.message(3, |inner| inner.text(1, "ä"));
        let mut fields = Message::whole(&writer.bytes).fields();
        let mut next = || fields.next().unwrap();
        assert!(matches!(next(), Some((1, Field::Varint(300)))));
        assert!(matches!(next(), Some((2, Field::Varint(u64::MAX)))));
        let half = 0.5_f32.to_le_bytes();
        assert!(matches!(next(), Some((16, Field::Fixed32(bytes))) if bytes == half));
        let Some((3, Field::Bytes(inner))) = next() else { panic!() };
        let Some((1, Field::Bytes(text))) = inner.fields().next().unwrap() else { panic!() };
        assert_eq!(text.text().unwrap(), "ä");
        assert!(next().is_none());
    }

    #[test]
    fn damage_is_refused_with_its_byte() {
        for (bytes, expected) in [
            (&[0x08][..], "byte 1: 1 bytes should follow, but its message has 0"),
            (&[0x0a, 0x05, 1], "byte 2: 5 bytes should follow, but its message has 1"),
            (&[0x0b], "byte 0: it begins no field"),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                "byte 1: it begins a number",
            ),
            (
                &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                "bytes should follow",
            ),
            (&[0x0d, 0, 0], "byte 1: 4 bytes should follow"),
        ] {
            let problem = Message::whole(bytes).fields().next().unwrap_err().problem;
            assert!(problem.contains(expected), "{problem}");
        }
        let text = Message { bytes: b"a\xff", start: 7 }.text().unwrap_err();
        assert!(text.problem.starts_with("byte 8: it is no text"), "{}", text.problem);
        let numbers: Vec<_> = Message::whole(&[1, 0x80, 1, 0x80]).varints().collect();
        assert!(matches!(numbers[..], [Ok(1), Ok(128), Err(_)]), "{numbers:?}");
    }
}
