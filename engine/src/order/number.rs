//! Order numbers as shown to people: 8 characters that do not reveal how many orders there are.
//!
//! The tenant's counter is encrypted by a keyed permutation of 40 bits, a balanced Feistel network (Luby and Rackoff,
//! 1988) whose round function is HMAC-SHA-256, and written in Crockford's base32.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::id::{crockford, from_crockford};

/// The largest number that can be written: 40 bits.
pub const NUMBER_MAX: u64 = (1 << 40) - 1;

const DIGITS: usize = 8;
const HALF_BITS: u32 = 20;
const HALF_MASK: u32 = (1 << HALF_BITS) - 1;
/// The number of rounds. Four make a strong pseudo-random permutation; the others compensate for the short halves.
const ROUNDS: u8 = 10;

/// Returns the text form of an order number. Numbers above [`NUMBER_MAX`] are never assigned.
pub fn spell(key: &[u8; 32], counter: u64) -> String {
    debug_assert!(counter <= NUMBER_MAX, "order numbers have 40 bits");
    let mut left = (counter >> HALF_BITS) as u32 & HALF_MASK;
    let mut right = counter as u32 & HALF_MASK;
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ mix(key, round, right));
    }
    crockford::<DIGITS>(u128::from(left) << HALF_BITS | u128::from(right)).as_str().to_owned()
}

/// Returns the order number that a text stands for. As Crockford proposes, lower-case letters, `O` for `0`, `I` and `L`
/// for `1`, and hyphens are accepted, because people copy order numbers from paper.
pub fn parse(key: &[u8; 32], text: &str) -> Option<u64> {
    if text.len() > 4 * DIGITS {
        return None;
    }
    let digit = |letter: char| match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let digits: String = text.chars().filter(|&letter| letter != '-' && letter != ' ').map(digit).collect();
    if digits.len() != DIGITS {
        return None;
    }
    let value = from_crockford(&digits)? as u64;
    let mut left = (value >> HALF_BITS) as u32 & HALF_MASK;
    let mut right = value as u32 & HALF_MASK;
    for round in (0..ROUNDS).rev() {
        (left, right) = (right ^ mix(key, round, left), left);
    }
    Some(u64::from(left) << HALF_BITS | u64::from(right))
}

fn mix(key: &[u8; 32], round: u8, half: u32) -> u32 {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"fusion order number");
    mac.update(&[round]);
    mac.update(&half.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) & HALF_MASK
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn a_spelling_never_changes() {
        assert_eq!(spell(&KEY, 1), spell(&KEY, 1));
        assert_eq!([spell(&KEY, 1), spell(&KEY, 2), spell(&KEY, NUMBER_MAX)], ["E847SCXR", "ZCSV7YCC", "EXW1G419"]);
    }

    #[test]
    fn another_key_spells_otherwise() {
        assert_ne!(spell(&KEY, 1), spell(&[8; 32], 1));
    }

    #[test]
    fn common_formats_of_input_are_parsed() {
        let text = spell(&KEY, 42);
        let typed = format!(" {}-{}", text[..4].to_lowercase(), text[4..].replace('0', "o").replace('1', "l"));
        assert_eq!(parse(&KEY, &typed), Some(42));
        assert_eq!(parse(&KEY, "U0000000"), None, "no such letter");
        assert_eq!(parse(&KEY, &text[1..]), None, "too short");
        assert_eq!(parse(&KEY, &"-".repeat(100)), None);
        assert_eq!(parse(&KEY, "ÄÖÜß"), None);
    }

    #[test]
    fn the_first_numbers_do_not_show_their_order() {
        let spelled: std::collections::BTreeSet<String> = (1..=1_000).map(|number| spell(&KEY, number)).collect();
        assert_eq!(spelled.len(), 1_000, "no two alike");
        assert_ne!(spelled.first(), Some(&spell(&KEY, 1)));
    }

    proptest! {
        #[test]
        fn what_is_spelled_is_read(key in any::<[u8; 32]>(), number in 0..=NUMBER_MAX) {
            prop_assert_eq!(parse(&key, &spell(&key, number)), Some(number));
        }

        #[test]
        fn every_text_reads_or_does_not(text in "\\PC{0,20}") {
            if let Some(number) = parse(&KEY, &text) {
                prop_assert!(number <= NUMBER_MAX);
            }
        }
    }
}
