//! Rows of a CSV file (RFC 4180), with line numbers as in a text editor.
//!
//! `csv_core` splits the rows into fields. This module adds what the importer needs around it: lines counted at every
//! kind of line break, bounds on fields and rows, an error for a quote that is never closed, and byte order marks that
//! arrive in several reads.

use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, Read},
};

use csv_core::ReadFieldResult;

use super::{COLUMNS_MAX, FIELD_BYTES_MAX, ROW_BYTES_MAX};
use crate::text::nfc;

/// Reads the rows of `input`. Empty lines are not rows.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: BufReader<Start<R>>,
    fields: csv_core::Reader,
    /// Receives the bytes of a field, without quotes, before they are counted against its bound.
    chunk: Box<[u8]>,
    lines: Lines,
}

/// Counts lines: LF, CRLF and CR each end one.
#[derive(Debug)]
struct Lines {
    /// The line of the next byte, from 1.
    current: u64,
    /// Whether the last byte was a carriage return: a line feed after it belongs to the same line break.
    after_return: bool,
}

/// A byte order mark in UTF-8. Concatenated files may have several.
const MARK: &[u8] = "\u{feff}".as_bytes();
/// The number of bytes at the start of a file that may hold a line with the separator. A spreadsheet that treated this
/// line as a row has added a separator for each of up to [`COLUMNS_MAX`] columns.
const START_BYTES: u64 = 2 * COLUMNS_MAX as u64;
/// The size of the buffer between `csv_core` and a row, in bytes: most cells fit.
const CHUNK_BYTES: usize = 1024;
/// The separators that spreadsheets use.
const SEPARATORS: &[u8] = b",;\t|";

/// A file whose start was already read: it returns those bytes first, then the error of that read, if any, then the
/// rest.
#[derive(Debug)]
struct Start<R> {
    bytes: io::Cursor<Vec<u8>>,
    failed: Option<io::Error>,
    rest: R,
}

impl<R: Read> Read for Start<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.bytes.read(buffer)?, self.failed.take()) {
            (0, Some(error)) => Err(error),
            (0, None) => self.rest.read(buffer),
            (count, failed) => {
                self.failed = failed;
                Ok(count)
            }
        }
    }
}

/// A row. Its memory is reused for the next row.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The line on which the row starts.
    pub(super) line: u64,
    /// The error in the form of the row, if any. Fields are truncated at their bound.
    pub(super) fault: Option<Fault>,
    /// The indices of the fields that are longer than [`FIELD_BYTES_MAX`], in ascending order.
    cut: Vec<usize>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The number of fields of the row in the file, including those beyond [`COLUMNS_MAX`].
    pub(super) fields_seen: usize,
}

/// An error in the form of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    RowTooLong,
    OpenQuote { field: usize },
}

impl Lines {
    fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let line_feed_of_crlf = byte == b'\n' && self.after_return;
            self.current += u64::from(is_line_break(byte) && !line_feed_of_crlf);
            self.after_return = byte == b'\r';
        }
    }
}

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

impl Record {
    /// Returns the field at `index`. `None` if the row has fewer fields.
    pub(super) fn field(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some(&self.bytes[start..end])
    }

    /// Whether the field at `index` is longer than [`FIELD_BYTES_MAX`] and therefore truncated.
    pub(super) fn is_cut(&self, index: usize) -> bool {
        self.cut.binary_search(&index).is_ok()
    }

    /// Returns the number of fields that are kept.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.field(index))
    }

    /// Converts the fields to Normalization Form C, so that texts that look the same are equal from here on.
    fn compose(&mut self) {
        if self.bytes.is_ascii() {
            return;
        }
        let composed: Vec<_> = self.fields().map(|field| std::str::from_utf8(field).ok().map(nfc)).collect();
        if !composed.iter().any(|field| matches!(field, Some(Cow::Owned(_)))) {
            return;
        }
        let (mut bytes, mut ends) = (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.ends.len()));
        for (field, composed) in self.fields().zip(&composed) {
            // A field that is not UTF-8 stays as it is, and is refused when it is read.
            bytes.extend_from_slice(composed.as_deref().map_or(field, str::as_bytes));
            ends.push(bytes.len());
        }
        (self.bytes, self.ends) = (bytes, ends);
    }

    fn clear(&mut self, line: u64) {
        self.line = line;
        self.fault = None;
        self.cut.clear();
        self.bytes.clear();
        self.ends.clear();
        self.fields_seen = 0;
        // The memory of a long row must not be kept for all the short rows after it.
        self.bytes.shrink_to(FIELD_BYTES_MAX);
    }

    /// Appends `bytes` to the last field, up to the bounds of a field and of a row.
    fn push(&mut self, bytes: &[u8]) {
        if self.fields_seen >= COLUMNS_MAX {
            return;
        }
        let start = self.ends.last().copied().unwrap_or(0);
        let of_row = ROW_BYTES_MAX - self.bytes.len();
        let of_field = FIELD_BYTES_MAX - (self.bytes.len() - start);
        let kept = bytes.len().min(of_row).min(of_field);
        self.bytes.extend_from_slice(&bytes[..kept]);
        if kept == bytes.len() {
            return;
        }
        if kept == of_row {
            self.fault.get_or_insert(Fault::RowTooLong);
        } else if self.cut.last() != Some(&self.fields_seen) {
            self.cut.push(self.fields_seen);
        }
    }

    fn end_field(&mut self) {
        if self.fields_seen < COLUMNS_MAX {
            self.ends.push(self.bytes.len());
        }
        self.fields_seen += 1;
    }
}

impl<R: Read> Records<R> {
    /// Starts reading after any byte order marks and a line such as `sep=;`.
    pub(super) fn new(mut input: R) -> Self {
        // Both may arrive in several reads.
        let mut start = Vec::new();
        let failed = input.by_ref().take(START_BYTES).read_to_end(&mut start).err();
        let after_marks = without_marks(&start);
        let (separator, rest, line) = match named_separator(after_marks) {
            Some((separator, rest)) => (separator, without_marks(rest), 2),
            None => (b',', after_marks, 1),
        };
        let start = Start { bytes: io::Cursor::new(rest.to_vec()), failed, rest: input };
        let mut fields = csv_core::ReaderBuilder::new().delimiter(separator).build();
        // `csv_core` removes a byte order mark at the start of its input, depending on the size of the first read. After
        // a line break, which is no row, it no longer does.
        fields.read_field(b"\n", &mut [0]);
        let lines = Lines { current: line, after_return: false };
        Self { input: BufReader::new(start), fields, chunk: vec![0; CHUNK_BYTES].into(), lines }
    }

    /// Reads the next row into `record`. Returns `false` at the end of the file.
    pub(super) fn read(&mut self, record: &mut Record) -> io::Result<bool> {
        record.clear(self.lines.current);
        let mut has_started = false;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                if has_started {
                    self.end_last_row(record);
                }
                return Ok(has_started);
            }
            if !has_started {
                let blank = buffer.iter().take_while(|byte| is_line_break(**byte)).count();
                has_started = blank < buffer.len();
                self.lines.pass(&buffer[..blank]);
                self.input.consume(blank);
                record.line = self.lines.current;
                continue;
            }
            let (result, used, copied) = self.fields.read_field(buffer, &mut self.chunk);
            self.lines.pass(&buffer[..used]);
            self.input.consume(used);
            record.push(&self.chunk[..copied]);
            if let ReadFieldResult::Field { record_end } = result {
                record.end_field();
                if record_end {
                    record.compose();
                    return Ok(true);
                }
            }
        }
    }

    /// Ends a row that the file does not end with a line break.
    fn end_last_row(&mut self, record: &mut Record) {
        // `csv_core` does not report an open quote, but only inside quotes does a line break not end the row.
        let (result, ..) = self.fields.read_field(b"\n", &mut self.chunk);
        if result != (ReadFieldResult::Field { record_end: true }) {
            record.fault.get_or_insert(Fault::OpenQuote { field: record.fields_seen });
        }
        record.end_field();
        record.compose();
    }
}

fn without_marks(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(MARK) {
        bytes = rest;
    }
    bytes
}

/// Returns the separator that the first line names, in Excel's form (`sep=;`), and the bytes after that line.
fn named_separator(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let bytes = bytes.strip_prefix(b"\"").unwrap_or(bytes);
    let (name, rest) = bytes.split_at_checked(4)?;
    let (&separator, rest) = rest.split_first()?;
    if !name.eq_ignore_ascii_case(b"sep=") || !SEPARATORS.contains(&separator) {
        return None;
    }
    // A spreadsheet that treated the line as a row has padded it with separators.
    let fill = rest.iter().take_while(|byte| SEPARATORS.contains(byte) || **byte == b'"').count();
    match &rest[fill..] {
        [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] | [b'\r', rest @ ..] => Some((separator, rest)),
        [] => Some((separator, &[])),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(input: impl Read) -> Vec<(u64, Vec<Vec<u8>>, Option<Fault>)> {
        let mut records = Records::new(input);
        let (mut record, mut rows) = (Record::default(), Vec::new());
        while records.read(&mut record).unwrap() {
            rows.push((record.line, record.fields().map(<[u8]>::to_vec).collect(), record.fault));
        }
        rows
    }

    fn lines(bytes: &[u8]) -> Vec<u64> {
        rows(bytes).into_iter().map(|row| row.0).collect()
    }

    /// A file that is read one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn lines_are_those_that_a_person_sees() {
        assert_eq!(lines(b"a\nb\nc"), [1, 2, 3]);
        assert_eq!(lines(b"a\r\nb\r\n\r\nc\r\n"), [1, 2, 4]);
        assert_eq!(lines(b"\n\na\n\nb"), [3, 5]);
        assert_eq!(lines(b"\"a\nb\r\nc\"\nd"), [1, 4]);
        assert_eq!(lines(b"a\rb\rc"), [1, 2, 3]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_field() {
        let file = b"\xef\xbb\xbf\"a\",b";
        assert_eq!(rows(&file[..])[0].1, [b"a".to_vec(), b"b".to_vec()]);
        let (mut records, mut record) = (Records::new(Drip(file)), Record::default());
        assert!(records.read(&mut record).unwrap());
        assert_eq!(record.field(0), Some(&b"a"[..]), "also when it comes in pieces");
    }

    #[test]
    fn a_first_line_may_name_the_separator_and_marks_may_come_twice() {
        let mark = "\u{feff}";
        for (start, lines) in [
            (format!("{mark}{mark}"), 1),
            ("sep=,\r\n".to_owned(), 2),
            (format!("{mark}SEP=,\n{mark}"), 2),
            ("\"sep=,\",,\r".to_owned(), 2),
            ("sep=,,,\n".to_owned(), 2),
        ] {
            let file = format!("{start}a,b\nc;d,e");
            let row = |line, fields: [&str; 2]| (line, fields.map(|field| field.as_bytes().to_vec()).to_vec(), None);
            assert_eq!(rows(file.as_bytes()), [row(lines, ["a", "b"]), row(lines + 1, ["c;d", "e"])], "{start:?}");
        }
        for (name, separator) in [("sep=;", ";"), ("sep=\t", "\t")] {
            let file = format!("{name}\na{separator}b,c");
            assert_eq!(rows(file.as_bytes())[0].1, [b"a".to_vec(), b"b,c".to_vec()]);
        }
        assert_eq!(rows(&b"sep=x\na"[..])[0].1, [b"sep=x".to_vec()], "that is no separator");
    }

    #[test]
    fn a_field_has_a_bound_and_the_next_row_is_read_all_the_same() {
        let long = [&b"x,\""[..], &vec![b'a'; FIELD_BYTES_MAX + 1], b"\"\nnext"].concat();
        let mut record = Record::default();
        assert!(Records::new(&long[..]).read(&mut record).unwrap());
        assert_eq!((record.is_cut(0), record.is_cut(1), record.fault), (false, true, None));
        let rows = rows(&long[..]);
        assert_eq!((rows[0].1[0].as_slice(), rows[0].1[1].len()), (&b"x"[..], FIELD_BYTES_MAX));
        assert_eq!((rows[1].0, &rows[1].1[0][..], rows[1].2), (2, &b"next"[..], None));
    }

    #[test]
    fn a_row_has_a_bound_in_bytes_and_in_fields() {
        let wide = vec![b','; 2 * COLUMNS_MAX];
        let mut record = Record::default();
        assert!(Records::new(&wide[..]).read(&mut record).unwrap());
        assert_eq!((record.len(), record.fields_seen), (COLUMNS_MAX, 2 * COLUMNS_MAX + 1));
        let field = [vec![b'a'; FIELD_BYTES_MAX], vec![b',']].concat();
        assert_eq!(rows(&field.repeat(5)[..])[0].2, Some(Fault::RowTooLong));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_a_fault() {
        assert_eq!(rows(&b"a,\"b\nc"[..]).pop().unwrap().2, Some(Fault::OpenQuote { field: 1 }));
    }

    proptest! {
        #[test]
        fn rows_are_those_that_the_csv_crate_reads_however_the_file_arrives(bytes in "[a\",\r\n\u{feff}]{0,24}") {
            let mut oracle = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes.as_bytes());
            let expected: Vec<Vec<Vec<u8>>> =
                oracle.byte_records().map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect()).collect();
            let read = rows(bytes.as_bytes());
            prop_assert_eq!(&rows(Drip(bytes.as_bytes())), &read);
            // The csv crate removes one mark; a file may have several.
            if !bytes.starts_with('\u{feff}') {
                let fields: Vec<_> = read.into_iter().map(|row| row.1).collect();
                prop_assert_eq!(fields, expected);
            }
        }
    }
}
