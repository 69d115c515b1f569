//! Counts messages that have begun and not ended as their bytes arrive, in frames and in memory.
//!
//! tungstenite assembles a message by itself and returns it when it is complete. Until then nothing of it would be
//! counted: a client could send empty continuation frames indefinitely, or leave 64 KiB of a message unfinished on each
//! of its connections.

use std::sync::Arc;

use dashmap::DashMap;

/// The longest frame header: two bytes, eight of length, four of mask. RFC 6455, section 5.2.
const HEADER_BYTES_MAX: usize = 14;

/// The position of a connection in the frames that its client sends.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    payload_left: u64,
    /// Bytes of the message that has begun.
    message_bytes: usize,
    in_message: bool,
}

impl Frames {
    /// Parses the next bytes and returns how many frames begin in them.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> u32 {
        let mut frames = 0;
        while !bytes.is_empty() {
            if self.payload_left == 0 {
                self.header[self.header_bytes] = bytes[0];
                self.header_bytes += 1;
                bytes = &bytes[1..];
                if self.header_bytes < self.header_needs() {
                    continue;
                }
                frames += 1;
                self.payload_left = self.payload_bytes();
                self.in_message |= self.is_data();
            } else {
                let taken = bytes.len().min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
                self.payload_left -= taken as u64;
                if self.is_data() {
                    self.message_bytes += taken;
                }
                bytes = &bytes[taken..];
            }
            if self.payload_left == 0 {
                self.end_frame();
            }
        }
        frames
    }

    /// The bytes of the message that has begun and not ended.
    pub(super) fn message_bytes(&self) -> usize {
        self.message_bytes
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_in_message(&self) -> bool {
        self.in_message
    }

    fn end_frame(&mut self) {
        let is_last = self.header[0] & 0x80 != 0;
        if self.is_data() && is_last {
            (self.message_bytes, self.in_message) = (0, false);
        }
        self.header_bytes = 0;
    }

    /// Whether it is a data frame. Control frames may come in the middle of a message.
    fn is_data(&self) -> bool {
        self.header[0] & 0x08 == 0
    }

    fn header_needs(&self) -> usize {
        if self.header_bytes < 2 {
            return 2;
        }
        let mask = if self.header[1] & 0x80 != 0 { 4 } else { 0 };
        match self.header[1] & 0x7f {
            126 => 4 + mask,
            127 => 10 + mask,
            _ => 2 + mask,
        }
    }

    fn payload_bytes(&self) -> u64 {
        let long = |bytes: &[u8]| bytes.iter().fold(0, |length, &byte| (length << 8) | u64::from(byte));
        match self.header[1] & 0x7f {
            126 => long(&self.header[2..4]),
            127 => long(&self.header[2..10]),
            short => u64::from(short),
        }
    }
}

/// Bytes of unfinished messages, by address.
#[derive(Debug, Default)]
pub(crate) struct Unfinished(DashMap<u128, usize>);

impl Unfinished {
    /// The bytes of all addresses.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|bytes| *bytes).sum()
    }
}

/// The share of one connection, released when it is dropped.
#[derive(Debug)]
pub(super) struct UnfinishedBytes {
    of: Arc<Unfinished>,
    address: u128,
    bytes: usize,
}

impl UnfinishedBytes {
    pub(super) fn new(of: Arc<Unfinished>, address: u128) -> Self {
        Self { of, address, bytes: 0 }
    }

    /// Sets the bytes of this connection and returns the total of its address.
    pub(super) fn set(&mut self, bytes: usize) -> usize {
        // Most messages arrive whole and need no entry here.
        if self.bytes == bytes {
            return bytes;
        }
        let all = {
            let mut all = self.of.0.entry(self.address).or_default();
            *all = *all - self.bytes + bytes;
            *all
        };
        self.bytes = bytes;
        if all == 0 {
            self.of.0.remove_if(&self.address, |_, all| *all == 0);
        }
        all
    }
}

impl Drop for UnfinishedBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a client.
    fn frame(opcode: u8, is_last: bool, length: usize) -> Vec<u8> {
        let mut bytes = vec![opcode | if is_last { 0x80 } else { 0 }];
        match length {
            0..126 => bytes.push(0x80 | length as u8),
            126..65_536 => bytes.extend([&[0x80 | 126][..], &(length as u16).to_be_bytes()].concat()),
            _ => bytes.extend([&[0x80 | 127][..], &(length as u64).to_be_bytes()].concat()),
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(vec![0x88; length]);
        bytes
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let lengths = [0, 1, 125, 126, 65_535, 65_536];
        let all: Vec<u8> = lengths.iter().flat_map(|&length| frame(0, false, length)).collect();
        for piece in [1, 2, 3, 7, 1_000, all.len()] {
            let mut frames = Frames::default();
            let counted: u32 = all.chunks(piece).map(|piece| frames.take(piece)).sum();
            assert_eq!((counted, frames.message_bytes()), (6, lengths.iter().sum()), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_message_ends_with_its_last_frame_and_not_with_a_ping_in_between() {
        let mut frames = Frames::default();
        frames.take(&frame(1, false, 1_000));
        assert!(frames.is_in_message());
        assert_eq!(frames.take(&frame(9, true, 100)), 1);
        assert_eq!((frames.message_bytes(), frames.is_in_message()), (1_000, true));
        frames.take(&frame(0, false, 0));
        frames.take(&frame(0, true, 0));
        assert_eq!((frames.message_bytes(), frames.is_in_message()), (0, false));
        let begun = frame(2, true, 100);
        frames.take(&begun[..50]);
        assert!(frames.is_in_message());
        frames.take(&begun[50..]);
        assert!(!frames.is_in_message());
    }

    #[test]
    fn connections_of_an_address_are_counted_together_and_freed() {
        let all = Arc::<Unfinished>::default();
        let mut one = UnfinishedBytes::new(all.clone(), 1);
        let (mut two, mut other) = (UnfinishedBytes::new(all.clone(), 1), UnfinishedBytes::new(all.clone(), 2));
        assert_eq!((one.set(100), two.set(50), other.set(7)), (100, 150, 7));
        assert_eq!(one.set(10), 60);
        drop(two);
        assert_eq!(one.set(11), 11);
        drop((one, other));
        assert!(all.0.is_empty());
    }
}
