//! Batches of the journal: no changed byte goes unnoticed, and a decoded batch encodes to bytes that decode to the
//! same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use streaming::batch::{Batch, BatchError, Content, HEADER_BYTES, decode_header, encode_entries, encode_lead};

/// The bytes of the header that hold the checksum, which covers everything else.
const CHECKSUM: std::ops::Range<usize> = 44..HEADER_BYTES;

fuzz_target!(|bytes: &[u8]| {
    let as_found = Bytes::copy_from_slice(bytes);
    // No input has a valid checksum by chance, so the bytes are also decoded with their correct checksum.
    let sealed = sealed(bytes);
    for bytes in [as_found, sealed] {
        match Batch::decode(&bytes) {
            Ok(batch) => is_written_as_read(&bytes, &batch),
            Err(BatchError::CutShort { at }) => assert!(at <= bytes.len(), "cut at {at} of {}", bytes.len()),
            Err(_) => {}
        }
    }
});

fn sealed(bytes: &[u8]) -> Bytes {
    let mut sealed = bytes.to_vec();
    if bytes.len() >= HEADER_BYTES {
        sealed[..4].copy_from_slice(b"FCJB");
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&sealed[..CHECKSUM.start]), &sealed[HEADER_BYTES..]);
        sealed[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    }
    sealed.into()
}

fn is_written_as_read(bytes: &Bytes, batch: &Batch) {
    assert_eq!(decode_header(bytes), Ok(batch.header), "the header alone says the same");
    let written = match &batch.content {
        Content::Lead { node } => encode_lead(batch.header, node),
        Content::Entries(entries) => encode_entries(batch.header, entries),
    };
    let again = Batch::decode(&written);
    assert_eq!(again.as_ref(), Ok(batch));
    if let Content::Entries(entries) = &batch.content {
        assert_eq!(written, bytes, "there is one way to write entries");
        let positions: Vec<u64> = batch.entries().map(|(position, _)| position.0).collect();
        assert!(positions.is_sorted() && positions.len() == entries.len());
        assert_eq!(batch.header.end().0, batch.header.first.0.saturating_add(entries.len().max(1) as u64));
    }
    // Flips one bit at an offset that depends on the input.
    let at = bytes.iter().fold(0usize, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % bytes.len();
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1;
    assert!(Batch::decode(&flipped.into()).is_err(), "a changed bit at {at}");
}
