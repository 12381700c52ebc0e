//! Messages of Protocol Buffers, written field by field.

/// Writes a message, field by field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    fn push(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(crate) fn number(&mut self, field: u64, number: i64) {
        self.push(field << 3);
        self.push(number.cast_unsigned());
    }

    pub(crate) fn float(&mut self, field: u64, number: f32) {
        self.push(field << 3 | 5);
        self.bytes.extend(number.to_le_bytes());
    }

    pub(crate) fn double(&mut self, field: u64, number: f64) {
        self.push(field << 3 | 1);
        self.bytes.extend(number.to_le_bytes());
    }

    /// Numbers in one packed field.
    pub(crate) fn doubles(&mut self, field: u64, numbers: &[f64]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.bytes(field, &bytes);
    }

    pub(crate) fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.push(field << 3 | 2);
        self.push(bytes.len() as u64);
        self.bytes.extend(bytes);
    }

    pub(crate) fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    /// A message within this one.
    pub(crate) fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.bytes);
    }
}
