//! The pages of a Parquet file, unpacked and checked before the crate decodes them: it takes memory for as much as they
//! promise.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use parquet::basic::{Compression, Encoding};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::RowGroupReader;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use crate::memory;

/// What Snappy unpacks from a byte at the most: a copy of 64 bytes takes three.
const SNAPPY: usize = 22;

/// The most that the format's lengths can say of a page.
const LONGEST_PAGE: u64 = i32::MAX as u64;

/// Lengths that are packed as differences: so many values a byte at the most, as in blocks of 128.
const LENGTHS: usize = 128;

fn damaged(problem: impl Into<String>) -> ParquetError {
    ParquetError::General(problem.into())
}

fn too_short() -> ParquetError {
    damaged("the levels of a page are longer than the page")
}

/// The rows of one group.
pub(super) struct RowGroup<'a> {
    pub(super) file: Arc<File>,
    pub(super) metadata: &'a RowGroupMetaData,
}

impl RowGroupReader for RowGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.metadata
    }

    fn num_columns(&self) -> usize {
        self.metadata.num_columns()
    }

    fn get_column_page_reader(&self, i: usize) -> Result<Box<dyn PageReader>> {
        let column = self.metadata.column(i);
        let rows = usize::try_from(self.metadata.num_rows())?;
        // The crate hands pages out as they are in the file.
        let plain = column.clone().into_builder().set_compression(Compression::UNCOMPRESSED);
        let packed =
            SerializedPageReader::new(Arc::clone(&self.file), &plain.build()?, rows, None)?;
        let descriptor = column.column_descr();
        Ok(Box::new(Pages {
            packed,
            compression: column.compression(),
            most_repeated: descriptor.max_rep_level(),
            most_defined: descriptor.max_def_level(),
        }))
    }

    fn get_column_bloom_filter(&self, _: usize) -> Option<&Sbbf> {
        None
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

/// The pages of one column.
struct Pages {
    packed: SerializedPageReader<File>,
    compression: Compression,
    /// The highest levels of repetition and of definition.
    most_repeated: i16,
    most_defined: i16,
}

/// Unpacks all of a page but its first bytes.
fn unpack(compression: Compression, page: &[u8], first: usize) -> Result<Vec<u8>> {
    let (levels, packed) = page.split_at_checked(first).ok_or_else(too_short)?;
    let mut plain = levels.to_vec();
    match compression {
        // A page without values is empty.
        _ if packed.is_empty() => {}
        Compression::UNCOMPRESSED => plain.extend_from_slice(packed),
        Compression::SNAPPY => {
            let wrong = |error: snap::Error| damaged(error.to_string());
            let length = snap::raw::decompress_len(packed).map_err(wrong)?;
            if length > packed.len().saturating_mul(SNAPPY) {
                return Err(damaged("a page promises more than Snappy can pack into it"));
            }
            memory::check(length).map_err(damaged)?;
            plain.resize(first + length, 0);
            snap::raw::Decoder::new().decompress(packed, &mut plain[first..]).map_err(wrong)?;
        }
        Compression::GZIP(_) => {
            let read = MultiGzDecoder::new(packed).take(LONGEST_PAGE).read_to_end(&mut plain);
            read.map_err(|error| damaged(error.to_string()))?;
        }
        other => return Err(damaged(format!("it is compressed with {other}"))),
    }
    Ok(plain)
}

impl Pages {
    /// Unpacks a page and checks what it promises.
    fn checked(&self, mut page: Page) -> Result<Page> {
        match &mut page {
            Page::DictionaryPage { buf, num_values, .. } => {
                *buf = unpack(self.compression, buf, 0)?.into();
                if *num_values as usize > buf.len() {
                    return Err(damaged("a dictionary promises more words than it holds"));
                }
            }
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                rep_level_encoding,
                ..
            } => {
                *buf = unpack(self.compression, buf, 0)?.into();
                let (mut values, count) = (&buf[..], *num_values as usize);
                for (most, encoding) in [
                    (self.most_repeated, rep_level_encoding),
                    (self.most_defined, def_level_encoding),
                ] {
                    let length = levels_length(values, most, *encoding, count);
                    values =
                        length.and_then(|length| values.get(length..)).ok_or_else(too_short)?;
                }
                check_lengths(values, *encoding, count)?;
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                ..
            } => {
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                if *is_compressed {
                    *buf = unpack(self.compression, buf, levels)?.into();
                }
                let values = buf.get(levels..).ok_or_else(too_short)?;
                check_lengths(values, *encoding, *num_values as usize)?;
            }
        }
        Ok(page)
    }
}

/// How many bytes the levels of a page take.
fn levels_length(page: &[u8], most: i16, encoding: Encoding, count: usize) -> Option<usize> {
    if most == 0 {
        return Some(0);
    }
    if encoding == Encoding::RLE {
        let length = page.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))?;
        return (length as usize).checked_add(4);
    }
    // Bits one after the other; the crate refuses all others.
    let bits = (i16::BITS - most.leading_zeros()) as usize;
    Some(count.checked_mul(bits)?.div_ceil(8))
}

/// Checks how many lengths text promises that is packed by its lengths.
fn check_lengths(values: &[u8], encoding: Encoding, count: usize) -> Result<()> {
    let lists = match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        // How much is as in the text before, and how long the rest is.
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => return Ok(()),
    };
    let mut rest = values;
    for list in 1..=lists {
        let (promised, end) = differences(rest, list < lists)
            .ok_or_else(|| damaged("a page has lengths that are damaged"))?;
        if promised > count || promised > rest.len().saturating_mul(LENGTHS) {
            return Err(damaged("a page promises more lengths than it holds"));
        }
        rest = &rest[end..];
    }
    Ok(())
}

/// How many numbers a list of differences promises, and where it ends, if that matters. It begins with the size of a
/// block, the parts of a block, the count and the first number; a block has its least difference, the bits of each part,
/// and the parts that are needed.
fn differences(bytes: &[u8], whole: bool) -> Option<(usize, usize)> {
    let mut at = 0;
    let mut number = || -> Option<usize> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *bytes.get(at)?;
            at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(number).ok();
            }
        }
        None
    };
    let (block, parts, count) = (number()?, number()?, number()?);
    number()?;
    if !whole {
        return Some((count, at));
    }
    let in_part = block.checked_div(parts).filter(|&it| it > 0 && it % 32 == 0)?;
    let mut left = count.saturating_sub(1);
    while left > 0 {
        // The least difference.
        while bytes.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
        let bits = bytes.get(at..at.checked_add(parts)?)?;
        at += parts;
        for &bits in bits {
            if left == 0 {
                break;
            }
            at = at.checked_add(in_part.checked_mul(bits.into())? / 8)?;
            left = left.saturating_sub(in_part);
        }
    }
    (at <= bytes.len()).then_some((count, at))
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.packed.get_next_page()?;
        page.map(|page| self.checked(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.packed.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.packed.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.packed.at_record_boundary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_take_no_more_than_they_can_hold() {
        let gzip = Compression::GZIP(parquet::basic::GzipLevel::default());
        let words = b"what is packed ".repeat(20);
        let packed = snap::raw::Encoder::new().compress_vec(&words).unwrap();
        let page = [b"level", &packed[..]].concat();
        let plain = [b"level", &words[..]].concat();
        assert_eq!(unpack(Compression::SNAPPY, &page, 5).unwrap(), plain);
        assert_eq!(unpack(Compression::UNCOMPRESSED, &plain, 5).unwrap(), plain);
        assert_eq!(unpack(Compression::SNAPPY, b"level", 5).unwrap(), b"level");
        // 2^31 bytes in seven, and levels of more bytes than there are.
        let promise = [0x80, 0x80, 0x80, 0x80, 8, 0, b'a'];
        let error = unpack(Compression::SNAPPY, &promise, 0).unwrap_err().to_string();
        assert!(error.contains("more than Snappy can pack"), "{error}");
        assert!(unpack(Compression::SNAPPY, b"level", 6).is_err());
        assert!(unpack(gzip, &packed, 0).is_err());
        let error = unpack(Compression::LZ4_RAW, &packed, 0).unwrap_err().to_string();
        assert!(error.contains("LZ4"), "{error}");
    }

    /// Sizes of a block and of its parts, a count, the first number, and blocks of equal numbers.
    fn equal(count: u8, blocks: usize) -> Vec<u8> {
        [&[0x80, 1, 4, count, 0][..], &[0; 5].repeat(blocks)].concat()
    }

    #[test]
    fn lengths_are_counted_before_they_are_unpacked() {
        let (lengths, both) = (Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY);
        assert_eq!(differences(&equal(100, 1), true), Some((100, 10)));
        assert_eq!(differences(&equal(1, 0), true), Some((1, 5)));
        assert_eq!(differences(&equal(100, 0), true), None, "a block is missing");
        // One part of eight bits a number, and no more.
        let part = [&[0x80, 1, 4, 33, 0, 0, 8, 8, 0, 0][..], &[1; 32]].concat();
        assert_eq!(differences(&part, true), Some((33, 42)));
        let twice = [equal(100, 1), equal(100, 1)].concat();
        assert!(check_lengths(&twice, lengths, 100).is_ok());
        assert!(check_lengths(&twice, both, 100).is_ok());
        assert!(check_lengths(&twice, both, 99).is_err(), "more than the page has values");
        let suffixes = [equal(100, 1), equal(101, 1)].concat();
        assert!(check_lengths(&suffixes, both, 100).is_err());
        // 2^28 lengths in a few bytes, as many as the page says it has.
        let promise = [0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 1, 0];
        let error = check_lengths(&promise, lengths, 1 << 28).unwrap_err().to_string();
        assert!(error.contains("more lengths than it holds"), "{error}");
        for length in 0..twice.len() {
            assert!(
                check_lengths(&twice[..length], both, 100).is_err() || length >= 15,
                "{length}"
            );
        }
        // Sizes at which something may overflow.
        let most = [&[0xff; 9][..], &[1]].concat();
        assert_eq!(differences(&[&most[..], &most, &most, &most].concat(), true), None);
    }

    #[test]
    fn levels_lie_before_the_values() {
        let packed = [3, 0, 0, 0, 9, 9, 9, 7];
        assert_eq!(levels_length(&packed, 0, Encoding::RLE, 8), Some(0));
        assert_eq!(levels_length(&packed, 1, Encoding::RLE, 8), Some(7));
        assert_eq!(levels_length(&packed[..3], 1, Encoding::RLE, 8), None);
        #[expect(deprecated, reason = "older files have it")]
        let bits = Encoding::BIT_PACKED;
        assert_eq!(levels_length(&packed, 1, bits, 9), Some(2));
        assert_eq!(levels_length(&packed, 3, bits, 9), Some(3));
    }
}
